"""Counts the rows of a frame by day: the scikit-learn engine's part of `core.gate.day_counts`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ratchet.core.evaluation.counts import Bools, Floats, Ints
from ratchet.core.evaluation.feature_counts import FeatureCounts
from ratchet.core.gate.day_counts import DayCounts, NumberDays, TextDays, level, oldest_day
from ratchet.core.windows import Windows
from ratchet.engines.sklearn.features import Hashes
from ratchet.io.table.inspection import DAY, LABEL, EventTable

# A feature's levels need a few numbers per row; this chunk size keeps them in the processor's cache.
_ROWS_AT_ONCE = 65_536


def of_windows(
    frames: Sequence[pd.DataFrame | None],
    hashed: Sequence[Hashes],
    table: EventTable,
    windows: Windows,
    training: Sequence[FeatureCounts],
) -> DayCounts:
    """The counts of the training, calibration and test window. hashed, training: as in `by_day`."""
    oldest = oldest_day(windows)
    held = [(frame, own) for frame, own in zip(frames, hashed, strict=True) if frame is not None]
    return DayCounts.together([by_day(frame, own, table, training, oldest) for frame, own in held])


def by_day(
    frame: pd.DataFrame, hashed: Hashes, table: EventTable, training: Sequence[FeatureCounts], oldest: int
) -> DayCounts:
    """The counts of a window. hashed: by row. training: names the known texts. oldest: the first day by itself."""
    day = np.maximum(frame[DAY].to_numpy(), oldest - 1)
    first = int(day.min())
    rows = np.bincount(day - first)
    days = np.flatnonzero(rows)
    rank = np.cumsum(rows > 0) - 1
    place = rank[day - first]
    known = {one.feature: one.by_value for one in training}
    number = len(days)
    return DayCounts(
        days + first,
        rows[days],
        np.bincount(place[frame[LABEL].to_numpy()], minlength=number),
        _distinct(hashed, place, number),
        {name: _numbers(frame[name].to_numpy(), place, number) for name in table.numeric},
        {name: _texts(frame[name], [str(key) for key in known[name]], place, number) for name in table.texts},
    )


def _distinct(hashed: Hashes, place: Ints, number: int) -> Ints:
    order = np.lexsort((hashed, place))
    by_hash, by_place = hashed[order], place[order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (by_hash[1:] != by_hash[:-1]) | (by_place[1:] != by_place[:-1])
    return np.bincount(by_place[new], minlength=number)


def _numbers(values: Floats, place: Ints, number: int) -> NumberDays:
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


def _texts(column: "pd.Series[str]", known: Sequence[str], place: Ints, number: int) -> TextDays:
    # The last element is that of the code -1, a missing text.
    is_known: Bools = np.append(column.cat.categories.isin(list(known)), False)
    codes = column.cat.codes.to_numpy()
    return TextDays(
        np.bincount(place[codes >= 0], minlength=number), np.bincount(place[is_known[codes]], minlength=number)
    )
