"""A few test rows with a model's labels and probabilities, with which its logged form and its server are compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ratchet.engines.base import Sample
from ratchet.engines.spark import reading
from ratchet.engines.spark.pipeline import PREDICTION, SCORE
from ratchet.io.table.inspection import DAY

_ROWS = 200


@dataclass(frozen=True)
class Picked:
    """A sample of the test rows that is independent of their order: in Spark's cache, and its features in Python."""

    rows: Any
    features: pd.DataFrame


def picked(test: Any, names: Sequence[str]) -> Picked:
    """Pick from the rows of the test window. names: the features."""
    from pyspark.sql import functions as f

    columns = list(map(reading.column, names))
    rows = test.orderBy(f.xxhash64(DAY, *columns)).limit(_ROWS).select(*columns).persist()
    return Picked(rows, rows.toPandas())


def labelled(model: Any, few: Picked) -> Sample:
    """The sample with the labels and probabilities of a model."""
    names = list(few.features.columns)
    # The model adds columns and drops those that it read, so copies are kept.
    kept = [f"given{place}" for place in range(len(names))]
    given = [reading.column(name).alias(copy) for name, copy in zip(names, kept, strict=True)]
    found = model.transform(few.rows.select("*", *given)).select(*kept, PREDICTION, SCORE).toPandas()
    labels, probabilities = found[PREDICTION].astype(int), found[SCORE]
    return Sample(found[kept].set_axis(names, axis=1), labels.tolist(), probabilities.tolist())
