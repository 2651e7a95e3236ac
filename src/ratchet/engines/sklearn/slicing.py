"""Sums of the test rows by slice and day: the scikit-learn engine's part of `core.slices`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ratchet.core.evaluation.counts import Bools, Floats
from ratchet.core.evaluation.day_sums import DaySums, row_losses, sums_by_group
from ratchet.core.slices import ALL_ROWS, Group, Grouping, Slice
from ratchet.io.table.inspection import DAY, LABEL

Ints = npt.NDArray[np.int64]


def groupings(frame: pd.DataFrame, slices: Sequence[Slice]) -> tuple[Grouping, ...]:
    """The groups of each slice. frame: as read by `io.table.inspection`, with the slices' columns."""
    return tuple(each.grouped({} if each.edges is not None else _rows_by_value(frame[each.column])) for each in slices)


def sums(frame: pd.DataFrame, found: Sequence[Grouping], score: Floats, predicted: Bools) -> dict[Group, DaySums]:
    """The sums by day of all rows, and of each group that has rows. score: on the grid."""
    label, day = frame[LABEL].to_numpy(), frame[DAY].to_numpy()
    losses = row_losses(score, label)
    first = int(day.min())
    cell = (day - first) * 4 + label * 2 + predicted
    parts = []
    for place, groups in _numbered(frame, found):
        key = groups * (4 * (int(day.max()) - first + 1)) + cell
        used, where = np.unique(key, return_inverse=True)
        group, rest = np.divmod(used, 4 * (int(day.max()) - first + 1))
        columns = [np.bincount(where), *(np.bincount(where, weights) for weights in losses)]
        parts.append([np.full(len(used), place), group, rest // 4 + first, rest // 2 % 2, rest % 2, *columns])
    places, group, days, labels, predictions, rows, *summed = map(np.concatenate, zip(*parts, strict=True))
    return sums_by_group((places, group), days, labels, predictions, rows, summed)


def _numbered(frame: pd.DataFrame, found: Sequence[Grouping]) -> list[tuple[int, Ints]]:
    """The place of each slice, beginning with that of all rows, with the number of each row's group."""
    all_rows = ALL_ROWS[0], np.full(len(frame), ALL_ROWS[1])
    return [all_rows, *((place, _groups(frame[one.slice.column], one)) for place, one in enumerate(found))]


def _rows_by_value(column: Any) -> dict[float | str, int]:
    return {value: int(rows) for value, rows in column.value_counts(dropna=True).items() if rows}


def _groups(column: Any, grouping: Grouping) -> Ints:
    if grouping.slice.edges is not None:
        values = column.to_numpy()
        groups = np.searchsorted(np.asarray(grouping.slice.edges), values, side="right")
        return np.where(np.isnan(values), grouping.missing, groups).astype(np.int64)
    known = {value: place for place, value in enumerate(grouping.values)}
    codes, values = pd.factorize(column)
    numbers = np.array([*(known.get(value, grouping.other) for value in values), grouping.missing], dtype=np.int64)
    return numbers[codes]
