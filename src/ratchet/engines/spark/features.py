"""Counts the features of Spark's rows: the Spark engine's part of `core.evaluation.feature_counts`.

Numbers are counted in Spark's tasks, with the same function as by the scikit-learn engine, which also takes hundreds of
features. Texts are counted together with the codes for the pipeline
(`engines.spark.window_facts`), or here, by the texts that training counted separately.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa

from ratchet.core.evaluation import buckets
from ratchet.core.evaluation.counts import Floats
from ratchet.core.evaluation.feature_counts import FeatureCounts, Key
from ratchet.engines.spark.in_tasks import per_partition
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
    if not names:
        return [{} for _ in windows]

    def count(parts: Iterator[pa.Table]) -> list[list[Numeric]]:
        found = [[_nothing(name) for name in names] for _ in windows]
        for part in parts:
            where = part.column(0).to_numpy()
            for place, name in enumerate(names, 1):
                values = part.column(place).to_numpy()
                for own, window in zip(found, windows, strict=True):
                    own[place - 1] = _sum(own[place - 1], _numeric(name, values[where == window]))
        return found

    found = per_partition(rows.select(WINDOW, *map(quoted, names)), count)
    return [
        {name: reduce(_sum, (each[place][number] for each in found)) for number, name in enumerate(names)}
        for place in range(len(windows))
    ]


def counts(numeric: Mapping[str, Numeric]) -> tuple[FeatureCounts, ...]:
    """Their counts for `core.evaluation.feature_counts`."""
    return tuple(one.counts for one in numeric.values())


def _numeric(name: str, values: Floats) -> Numeric:
    by_bucket, missing = buckets.count(values)
    given = values[~np.isnan(values)]
    return Numeric(
        FeatureCounts.of_numbers(name, by_bucket, missing),
        int(np.isinf(given).sum()),
        float(given.min(initial=math.inf)),
        float(given.max(initial=-math.inf)),
        float(given.sum()),
    )


def _nothing(name: str) -> Numeric:
    return _numeric(name, np.zeros(0))


def _sum(one: Numeric, other: Numeric) -> Numeric:
    rows = {**one.counts.by_value}
    for bucket, number in other.counts.by_value.items():
        rows[bucket] = rows.get(bucket, 0) + number
    missing = one.counts.missing + other.counts.missing
    return Numeric(
        FeatureCounts(one.counts.feature, "numeric", dict(sorted(rows.items())), 0, missing),
        one.infinite + other.infinite,
        min(one.low, other.low),
        max(one.high, other.high),
        one.total + other.total,
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
