"""Counts scored rows, and scores new days with a registered version: the Spark engine's part of a watch."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from ratchet.core.evaluation.counts import Counts
from ratchet.core.evaluation.feature_counts import FeatureCounts
from ratchet.core.windows import Window
from ratchet.engines.base import Measured
from ratchet.engines.loading import downloaded
from ratchet.engines.spark import features, pipeline, reading, score_grid, window_facts
from ratchet.engines.spark.errors import spark_errors
from ratchet.engines.spark.pipeline import SCORE
from ratchet.io.table import checks
from ratchet.io.table.inspection import DAY, LABEL, EventTable
from ratchet.io.table.reader import WINDOW


def counted(scored: Any, levels: int) -> Counts:
    """The counts of rows that a model has scored. levels: of the scores, see `core.evaluation.counts`."""
    point = score_grid.rounded(scored[SCORE], levels).alias("point")
    found = scored.groupBy(DAY, point, LABEL).count().toPandas()
    return Counts.from_table(found[DAY], found["point"], found[LABEL], found["count"], levels)


def measured(
    spark: Any,
    load: Callable[[str], Any],
    model_uri: str,
    table: EventTable,
    windows: tuple[Window, Window],
    levels: int,
    training: Sequence[FeatureCounts],
) -> Measured:
    """As `engines.base.Engine.measure`. load: a model from its folder. windows: labelled and unlabelled days."""
    window, unlabelled = windows
    with spark_errors(f"reading {table.uri}"):
        rows = reading.frame(spark, table, [window, unlabelled]).persist()
        groups = window_facts.groups(rows, table)
        numeric, young = features.numbers(rows, table.numeric, (0, 1))
        checks.check_newest(window_facts.facts(groups, numeric, 0, window, table), table)
        warnings = checks.check_unlabelled(window_facts.facts(groups, young, 1, unlabelled, table), table)
    with downloaded("it", model_uri) as local:
        model = load(local)
    threshold = pipeline.threshold_of(model, model_uri)
    with spark_errors(f"scoring with {model_uri}"):
        counts = counted(model.transform(rows.where(f"{WINDOW} = 0")), levels)
        without = counted(model.transform(_unlabelled(rows.where(f"{WINDOW} = 1"), table)), levels)
        texts = features.texts(rows.where(f"{WINDOW} = 0"), table.texts, training)
    return Measured(counts, threshold, (*features.counts(numeric), *texts), without, warnings)


def _unlabelled(rows: Any, table: EventTable) -> Any:
    """Rows whose labels don't count; infinite numbers are missing."""
    from pyspark.sql import functions as f

    numbers = {name: reading.column(name) for name in table.numeric}
    finite = [f.when(f.abs(value) != math.inf, value).alias(name) for name, value in numbers.items()]
    others = [reading.column(name) for name in rows.columns if name not in {LABEL, *numbers}]
    return rows.select(*others, *finite, f.lit(0.0).alias(LABEL))
