"""Counts Spark's rows by day: the Spark engine's part of `core.gate.day_counts`.

One aggregation counts all features: their cells are stacked in one column of numbers, so that the code which Spark
generates stays small for any number of features. A text is 1 if training counts it individually, else 0, and so is the
label; on the scale of levels, 0 and 1 stay what they are, so the sum counts them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ratchet.core.evaluation.counts import Floats, Ints
from ratchet.core.evaluation.feature_counts import FeatureCounts, Key
from ratchet.core.gate.day_counts import DayCounts, NumberDays, TextDays
from ratchet.engines.spark.pipeline import quoted
from ratchet.engines.spark.window_facts import COUNTED_DAY
from ratchet.io.table.inspection import DAY, LABEL, EventTable


def by_day(
    rows: Any, distinct: Mapping[int, int], table: EventTable, training: Sequence[FeatureCounts], oldest: int
) -> DayCounts:
    """The counts of the rows of all windows.

    distinct: by day, see `window_facts.EqualRows`. training: names the known texts. oldest: the first day by itself.
    """
    from pyspark.sql import functions as f

    day = f.greatest(f.col(DAY), f.lit(oldest - 1)).alias(COUNTED_DAY)
    known = {one.feature: list(one.by_value) for one in training}
    cells = [f.col(LABEL), *(f.col(quoted(name)) for name in table.numeric)]
    cells += [_is_known(name, known[name]).cast("double") for name in table.texts]
    stacked = rows.select(day, f.posexplode(f.array(*cells)).alias("place", "value"))
    value = f.col("value")
    # Of a number, not of its rounding: both engines take the same steps.
    level = f.signum(value) * f.log2(1 + f.abs(value))
    found = stacked.groupBy(COUNTED_DAY, "place").agg(
        f.count(value).alias("filled"),
        f.sum(level).alias("total"),
        f.sum(level * level).alias("squares"),
        f.min(value).alias("low"),
        f.max(value).alias("high"),
    )
    return _together(found.toPandas(), distinct, table)


def _is_known(name: str, known: Sequence[Key]) -> Any:
    """As SQL, since a list of literals is a call to the JVM for each."""
    from pyspark.sql import functions as f

    if not known:
        return f.when(f.col(quoted(name)).isNotNull(), f.lit(False))
    literals = (str(key).replace("\\", "\\\\").replace("'", "\\'") for key in known)
    return f.expr(f"{quoted(name)} IN ({', '.join(f"'{text}'" for text in literals)})")


def _together(found: Any, distinct: Mapping[int, int], table: EventTable) -> DayCounts:
    parts = {place: part.sort_values(COUNTED_DAY) for place, part in found.groupby("place")}
    days: Ints = parts[0][COUNTED_DAY].to_numpy(dtype=np.int64)
    numbers = {name: _numbers(parts[place]) for place, name in enumerate(table.numeric, 1)}
    texts = {name: _numbers(parts[place]) for place, name in enumerate(table.texts, 1 + len(table.numeric))}
    labels = _numbers(parts[0])
    return DayCounts(
        days,
        labels.filled,
        _rounded(labels.total),
        np.array([distinct[day] for day in days.tolist()]),
        numbers,
        {name: TextDays(one.filled, _rounded(one.total)) for name, one in texts.items()},
    )


def _numbers(part: Any) -> NumberDays:
    total, squares = (part[name].fillna(0.0).to_numpy(dtype=np.float64) for name in ("total", "squares"))
    low, high = (part[name].to_numpy(dtype=np.float64) for name in ("low", "high"))
    return NumberDays(part["filled"].to_numpy(dtype=np.int64), total, squares, low, high)


def _rounded(total: Floats) -> Ints:
    return np.rint(total).astype(np.int64)
