"""Counts the features of Spark's rows: the Spark engine's part of `core.evaluation.feature_counts`.

The numbers of all features are stacked in one column, and one aggregation counts them by window, feature and bucket,
using only Spark's compiled functions. The code that Spark generates stays small for any number of features. Texts are
counted together with the codes for the pipeline (`engines.spark.window_facts`), or here, by the texts that training
counted separately.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ratchet.core.evaluation.buckets import LARGEST, SMALLEST, SPLITTER
from ratchet.core.evaluation.feature_counts import FeatureCounts, Key
from ratchet.engines.spark.pipeline import quoted
from ratchet.io.table.reader import WINDOW


@dataclass(frozen=True)
class Numeric:
    """A numeric feature in one window. low, high: infinite if it has no value. total: the sum of its values."""

    counts: FeatureCounts
    infinite: int
    low: float
    high: float
    total: float


def numbers(rows: Any, names: Sequence[str], windows: Sequence[int]) -> list[dict[str, Numeric]]:
    """The numeric features by name, for each of some windows of `rows`."""
    from pyspark.sql import functions as f

    if not names:
        return [{} for _ in windows]
    value = f.col("value")
    cells = f.posexplode(f.array(*(f.col(quoted(name)) for name in names))).alias("place", "value")
    stacked = rows.where(f.col(WINDOW).isin(list(windows))).select(WINDOW, cells)
    found = stacked.groupBy(WINDOW, "place", _bucket(value).alias("bucket")).agg(
        f.count("*").alias("rows"),
        f.count_if(f.abs(value) == math.inf).alias("infinite"),
        f.min(value).alias("low"),
        f.max(value).alias("high"),
        f.sum(value).alias("total"),
    )
    buckets: dict[tuple[int, int], list[Any]] = {}
    for row in found.collect():
        buckets.setdefault((row[WINDOW], row["place"]), []).append(row)
    return [
        {name: _numeric(name, buckets.get((window, place), ())) for place, name in enumerate(names)}
        for window in windows
    ]


def counts(numeric: Mapping[str, Numeric]) -> tuple[FeatureCounts, ...]:
    """Their counts for `core.evaluation.feature_counts`."""
    return tuple(one.counts for one in numeric.values())


def _numeric(name: str, found: Sequence[Any]) -> Numeric:
    filled = [row for row in found if row["bucket"] is not None]
    missing = sum(row["rows"] for row in found if row["bucket"] is None)
    return Numeric(
        FeatureCounts.of_numbers(name, {row["bucket"]: row["rows"] for row in filled}, missing),
        sum(row["infinite"] for row in filled),
        min((row["low"] for row in filled), default=math.inf),
        max((row["high"] for row in filled), default=-math.inf),
        sum(row["total"] for row in filled),
    )


def texts(rows: Any, names: Sequence[str], training: Sequence[FeatureCounts]) -> tuple[FeatureCounts, ...]:
    """The counts of categorical features in rows of one window, by the texts that training counted separately."""
    from pyspark.sql import functions as f

    if not names:
        return ()
    known: dict[str, Mapping[Key, int]] = {one.feature: one.by_value for one in training}
    kept = [_kept(name, list(known.get(name, ()))) for name in names]
    cells = f.posexplode(f.array(*kept)).alias("place", "cell")
    counted = rows.select(cells).groupBy("place", "cell.text", "cell.missing").count().collect()
    result = []
    for place, name in enumerate(names):
        own = [row for row in counted if row["place"] == place]
        named = {row["text"]: row["count"] for row in own if row["text"] is not None}
        other = sum(row["count"] for row in own if row["text"] is None and not row["missing"])
        missing = sum(row["count"] for row in own if row["missing"])
        result.append(FeatureCounts(name, "categorical", named, other, missing))
    return tuple(result)


def _kept(name: str, known: list[Key]) -> Any:
    from pyspark.sql import functions as f

    column = f.col(quoted(name))
    return f.struct(f.when(column.isin(known), column).alias("text"), column.isNull().alias("missing"))


def _bucket(value: Any) -> Any:
    """`core.evaluation.buckets.bucket_of`, with the same operations; null if the value is missing."""
    from pyspark.sql import functions as f

    bounded = f.least(f.greatest(value, f.lit(-LARGEST)), f.lit(LARGEST))
    scaled = bounded * SPLITTER
    rounded = scaled - (scaled - bounded)
    return f.when(f.abs(value) >= SMALLEST, rounded).when(value.isNotNull(), 0.0)
