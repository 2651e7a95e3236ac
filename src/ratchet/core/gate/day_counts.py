"""Counts of all windows by day: what the gate judges. Both engines make this table, in one pass over rows in memory.

All are sums, smallest or largest values, so parts of a table can be counted apart. Rows before the oldest day that is
judged by are counted together, on the day before it, so that the table stays small however long the history is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ratchet.core.evaluation.counts import Bools, Floats, Ints, day_number
from ratchet.core.windows import Windows

Hashes = npt.NDArray[np.uint64]

# A feature's levels need a few numbers per row; this chunk size keeps them in the processor's cache.
_ROWS_AT_ONCE = 65_536

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


def hashes(rows: pd.DataFrame) -> Hashes:
    """64 bits for each row; equal rows have equal ones."""
    return np.asarray(pd.util.hash_pandas_object(rows, index=False), dtype=np.uint64)


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
    def of_rows(
        cls,
        day: Ints,
        positive: Bools,
        hashed: Hashes | None,
        numbers: Mapping[str, Floats],
        texts: Mapping[str, tuple[npt.NDArray[np.integer[Any]], Bools]],
    ) -> "DayCounts":
        """The counts of some rows.

        hashed: of features and label, for `distinct`, which is zero without. numbers: NaN where missing. texts: codes,
        -1 where missing, and whether training counts the text of each code individually.
        """
        first = int(day.min())
        rows = np.bincount(day - first)
        days = np.flatnonzero(rows)
        place = (np.cumsum(rows > 0) - 1)[day - first]
        number = len(days)
        return cls(
            days + first,
            rows[days],
            np.bincount(place[positive], minlength=number),
            np.zeros(number, dtype=np.int64) if hashed is None else _distinct(hashed, place, number),
            {name: _number_days(values, place, number) for name, values in numbers.items()},
            {name: _text_days(codes, known, place, number) for name, (codes, known) in texts.items()},
        )

    @classmethod
    def together(cls, parts: Sequence["DayCounts"]) -> "DayCounts":
        """The counts of the rows of all parts; of a day in several parts, equal rows are not recognized."""
        days = np.unique(np.concatenate([part.day for part in parts]))
        places = [np.searchsorted(days, part.day) for part in parts]
        rows, positives, distinct = (
            _summed(places, [getattr(part, name) for part in parts], len(days))
            for name in ("rows", "positives", "distinct")
        )
        first = parts[0]
        return cls(
            days,
            rows,
            positives,
            distinct,
            {name: _joined(NumberDays, places, [part.numbers[name] for part in parts]) for name in first.numbers},
            {name: _joined(TextDays, places, [part.texts[name] for part in parts]) for name in first.texts},
        )


def _joined[T: (NumberDays, TextDays)](kind: type[T], places: Sequence[Ints], parts: Sequence[T]) -> T:
    length = max(int(place[-1]) for place in places) + 1
    by_field = {field.name: [getattr(part, field.name) for part in parts] for field in fields(kind)}
    return kind(*(_BY_FIELD.get(name, _summed)(places, arrays, length) for name, arrays in by_field.items()))


def _summed(places: Sequence[Ints], arrays: Sequence[Any], length: int) -> Any:
    total = np.zeros(length, dtype=arrays[0].dtype)
    for place, array in zip(places, arrays, strict=True):
        total[place] += array
    return total


def _extreme(choose: np.ufunc) -> Callable[[Sequence[Ints], Sequence[Any], int], Any]:
    def chosen(places: Sequence[Ints], arrays: Sequence[Any], length: int) -> Any:
        found = np.full(length, np.nan)
        for place, array in zip(places, arrays, strict=True):
            found[place] = choose(found[place], array)
        return found

    return chosen


_BY_FIELD = {"low": _extreme(np.fmin), "high": _extreme(np.fmax)}


def _distinct(hashed: Hashes, place: Ints, number: int) -> Ints:
    order = np.lexsort((hashed, place))
    by_hash, by_place = hashed[order], place[order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (by_hash[1:] != by_hash[:-1]) | (by_place[1:] != by_place[:-1])
    return np.bincount(by_place[new], minlength=number)


def _number_days(values: Floats, place: Ints, number: int) -> NumberDays:
    filled = np.zeros(number, dtype=np.int64)
    total, squares = np.zeros((2, number))
    low, high = np.full((2, number), np.nan)
    for begin in range(0, len(values), _ROWS_AT_ONCE):
        part, days = values[begin : begin + _ROWS_AT_ONCE], place[begin : begin + _ROWS_AT_ONCE]
        if (given := ~np.isnan(part)).all():
            kept, where = part, days
        else:
            kept, where = part[given], days[given]
        on_scale = level(kept)
        filled += np.bincount(where, minlength=number)
        total += np.bincount(where, on_scale, number)
        squares += np.bincount(where, on_scale * on_scale, number)
        np.fmin.at(low, where, kept)
        np.fmax.at(high, where, kept)
    return NumberDays(filled, total, squares, low, high)


def _text_days(codes: npt.NDArray[np.integer[Any]], known: Bools, place: Ints, number: int) -> TextDays:
    # The last element is that of the code -1, a missing text.
    is_known = np.append(known, False)
    return TextDays(
        np.bincount(place[codes >= 0], minlength=number), np.bincount(place[is_known[codes]], minlength=number)
    )
