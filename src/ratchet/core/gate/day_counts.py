"""Counts of all windows by day: what the gate judges. Both engines make this table, in one pass over rows in memory.

All are sums, smallest or largest values, so parts of a table can be counted apart. Rows before the oldest day that is
judged by are counted together, on the day before it, so that the table stays small however long the history is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from ratchet.core.evaluation.counts import Floats, Ints, day_number
from ratchet.core.windows import Windows

HISTORY_DAYS = 53 * 7
"""How many days before the calibration window are counted one by one: a year, so that each season is seen once."""


def oldest_day(windows: Windows) -> int:
    """The number of the oldest day that is counted by itself; older rows are counted on the day before it."""
    assert windows.calibration.start is not None  # noqa: S101  # only a training window may begin with the table
    return day_number(windows.calibration.start) - HISTORY_DAYS


def level(values: Floats) -> Floats:
    """A number on a scale on which a change of unit is a shift: sign(x)·log₂(1 + |x|); NaN stays NaN.

    Unlike a logarithm it takes zero and negative numbers, and a single huge value hardly moves a mean of it.
    """
    return np.copysign(np.log2(1 + np.abs(values)), values)


def typical(mean: float) -> float:
    """The inverse of `level`: of a mean, about the geometric mean of the values."""
    return float(np.copysign(2.0 ** abs(mean) - 1, mean))


@dataclass(frozen=True)
class NumberDays:
    """A numeric feature by day. total, squares: sums of `level` and its square. low, high: NaN without a value."""

    filled: Ints
    total: Floats
    squares: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class TextDays:
    """A categorical feature by day. known: rows with a text that training counts individually (`feature_counts`)."""

    filled: Ints
    known: Ints


@dataclass(frozen=True)
class DayCounts:
    """All arrays have one element for each day with rows, ascending.

    distinct: the rows of a day that differ from one another in the features or the label.
    """

    day: Ints
    rows: Ints
    positives: Ints
    distinct: Ints
    numbers: Mapping[str, NumberDays]
    texts: Mapping[str, TextDays]

    @classmethod
    def together(cls, parts: Sequence["DayCounts"]) -> "DayCounts":
        """The days of consecutive windows; no two have a day in common."""
        first = parts[0]
        day, rows, positives, distinct = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("day", "rows", "positives", "distinct")
        )
        return cls(
            day,
            rows,
            positives,
            distinct,
            {name: _joined(NumberDays, [part.numbers[name] for part in parts]) for name in first.numbers},
            {name: _joined(TextDays, [part.texts[name] for part in parts]) for name in first.texts},
        )


def _joined[T: (NumberDays, TextDays)](kind: type[T], parts: Sequence[T]) -> T:
    return kind(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(kind)))
