"""Scores rows and copies of them in which one feature is permuted, for `core.evaluation.importance`.

All copies are scored by one job: a job for each would cost more than its few rows do.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ratchet.core.evaluation.importance import Permuted
from ratchet.engines.spark.reading import column
from ratchet.engines.spark.scorer import outcome


def drawn(rows: Any, number: int, seed: int) -> pd.DataFrame:
    """At most so many rows of a Spark frame, drawn by chance: the same ones in the same order, however they lie."""
    from pyspark.sql import functions as f

    columns = [column(name) for name in sorted(rows.columns)]
    # Rows whose values have the same hash are told apart by the values.
    few: pd.DataFrame = rows.orderBy(f.xxhash64(f.lit(seed), *columns), *columns).limit(number).toPandas()
    return few


def scored_permuted(
    spark: Any, model: Any, features: Sequence[str], columns: pd.DataFrame, permuted: pd.DataFrame
) -> Permuted:
    """The output of a PipelineModel for the features of the rows, and for each copy.

    columns, permuted: the same columns, at least the features. Raises FailedError if the model gives no probability.
    """
    from pyspark.sql import functions as f

    copies, rows = len(features) + 1, len(columns)
    sent = _sent(spark, features, columns, permuted)
    # Longer than any feature, so it clashes with none; the model drops the features themselves.
    given = max(features, key=len) + "'"
    copied = sent.select("*", f.explode(f.sequence(f.lit(0), f.lit(copies - 1))).alias("copy"))
    values = [
        f.when(f.col("copy") == place + 1, f.col(f"other{place}")).otherwise(f.col(f"own{place}")).alias(name)
        for place, name in enumerate(features)
    ]
    scored = model.transform(copied.select(*values, (f.col("copy") * rows + f.col("row")).alias(given)))
    label, probability = outcome(scored)
    found = scored.select(column(given).alias("place"), label.alias("label"), probability.alias("score")).toPandas()
    found = found.sort_values("place")
    labels, scores = (found[name].to_numpy().reshape(copies, rows) for name in ("label", "score"))
    return Permuted(tuple(features), labels == 1, scores.astype(np.float64))


def _sent(spark: Any, features: Sequence[str], columns: pd.DataFrame, permuted: pd.DataFrame) -> Any:
    """The rows with their number, their own values and those of the permuted rows, in Spark."""
    from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

    parts, fields = {"row": np.arange(len(columns))}, [StructField("row", LongType())]
    for kind, frame in (("own", columns), ("other", permuted)):
        for place, name in enumerate(features):
            series = frame[name]
            parts[f"{kind}{place}"] = series.to_numpy()
            text = series.dtype == np.object_
            fields.append(StructField(f"{kind}{place}", StringType() if text else DoubleType()))
    return spark.createDataFrame(pd.DataFrame(parts), schema=StructType(fields))
