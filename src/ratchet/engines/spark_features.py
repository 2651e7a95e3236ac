"""What the features of Spark's rows look like, as counts: the Spark engine's part of `core.feature_counts`.

Numbers of all features are laid one below the other, and one aggregation counts them by window, feature and bucket. All
of it is Spark's own functions, which are compiled: no row goes through Python. Texts are counted beside the codes that
the pipeline needs (`engines.spark_facts`), or here against those that training told apart.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ratchet.core.buckets import LARGEST, SMALLEST, SPLITTER
from ratchet.core.feature_counts import FeatureCounts, Key
from ratchet.engines.spark_pipeline import quoted
from ratchet.engines.spark_rows import WINDOW


def numbers(rows: Any, names: Sequence[str], windows: Sequence[int]) -> list[tuple[FeatureCounts, ...]]:
    """The counts of numeric features, for each of some windows of `rows`."""
    from pyspark.sql import functions as f

    if not names:
        return [() for _ in windows]
    cells = f.posexplode(f.array(*(f.col(quoted(name)) for name in names))).alias("place", "value")
    stacked = rows.where(f.col(WINDOW).isin(list(windows))).select(WINDOW, cells)
    found = stacked.groupBy(WINDOW, "place", _bucket(f.col("value")).alias("bucket")).count().collect()
    filled: dict[tuple[int, int], dict[float | None, int]] = {}
    for window, place, bucket, number in found:
        filled.setdefault((window, place), {})[bucket] = number
    return [
        tuple(_counts(name, filled.get((window, place), {})) for place, name in enumerate(names)) for window in windows
    ]


def _counts(name: str, found: Mapping[float | None, int]) -> FeatureCounts:
    filled = {bucket: rows for bucket, rows in found.items() if bucket is not None}
    return FeatureCounts.of_numbers(name, filled, found.get(None, 0))


def texts(rows: Any, names: Sequence[str], training: Sequence[FeatureCounts]) -> tuple[FeatureCounts, ...]:
    """The counts of categorical features in rows of one window, by the texts that training told apart."""
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
    """`core.buckets.bucket_of`, operation by operation; null where the value is missing."""
    from pyspark.sql import functions as f

    bounded = f.least(f.greatest(value, f.lit(-LARGEST)), f.lit(LARGEST))
    scaled = bounded * SPLITTER
    rounded = scaled - (scaled - bounded)
    return f.when(f.abs(value) >= SMALLEST, rounded).when(value.isNotNull(), 0.0)
