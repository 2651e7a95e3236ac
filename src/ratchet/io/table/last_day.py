"""Whether the last day of a table is there as a whole, judged by the days before.

A table that is loaded at noon ends with half a day, whose rows differ from those of whole days. A cycle that ends where
the data end leaves such a day to the next one. `jobs.training.pinned_snapshot` calls it, for both engines.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from ratchet.core.evaluation.counts import Ints, day_number
from ratchet.core.windows import Window
from ratchet.io.table import reader
from ratchet.io.table.table import EventTable

_DAYS_BEFORE = 14
# With fewer of them, one early end says nothing.
_FEWEST_DAYS = 7
_HOUR = 3_600


@dataclass(frozen=True)
class Ends:
    """The days with rows, ascending: how many rows each has, and the seconds from its midnight to its last row."""

    day: Ints
    rows: Ints
    last: Ints


def without_partial_day(table: EventTable) -> EventTable:
    """The table, ending before its last day if that is partial, with a remark that says so."""
    found = partial(_ends(table))
    if found is None:
        return table
    last = table.end - timedelta(days=1)
    return replace(table, end=last, remarks=(*table.remarks, f"the last day, {last}, {found}"))


def partial(ends: Ends) -> str | None:
    """Why the last day is partial, as a part of a sentence; None if it is not, or if that can't be told.

    It is if its last row is earlier than that of each day before it, by more than these differ among themselves and by
    an hour at least, and if it has fewer rows than each of them.
    """
    if len(ends.day) <= _FEWEST_DAYS:
        return None
    last, before = int(ends.last[-1]), ends.last[:-1]
    spread = max(int(before.max() - before.min()), _HOUR)
    if last >= before.min() - spread or ends.rows[-1] >= ends.rows[:-1].min():
        return None
    return (
        f"ends at {_clock(last)} with {ends.rows[-1]:,} rows, and the {len(before)} days before it end at "
        f"{_clock(int(before.min()))} or later with {ends.rows[:-1].min():,} rows or more: it is left to the next cycle"
    )


def _ends(table: EventTable) -> Ends:
    """Of the last day and the days with rows among the 14 before it. Reads the timestamps of the files they are in."""
    window = Window("last days", table.end - timedelta(days=_DAYS_BEFORE + 1), table.end)
    assert window.start is not None  # noqa: S101  # just given
    first = day_number(window.start)
    rows, last = np.zeros((2, _DAYS_BEFORE + 1), dtype=np.int64)
    for piece in reader.pieces(table, [window]):
        for column in reader.timestamps(table, piece):
            days, bad = table.clock.days(column)
            inside = ~bad & (days >= first) & (days < day_number(table.end))
            place = days[inside] - first
            np.add.at(rows, place, 1)
            np.maximum.at(last, place, table.clock.times(column)[inside])
    kept = rows > 0
    return Ends(np.arange(first, first + len(rows))[kept], rows[kept], last[kept])


def _clock(seconds: int) -> str:
    return f"{seconds // _HOUR:02d}:{seconds % _HOUR // 60:02d}"
