"""Reads the windows for `jobs.checking`: timestamps and labels of all rows, features of a million a window."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from ratchet.core.evaluation.counts import Counts
from ratchet.core.gate.day_counts import DayCounts, Hashes
from ratchet.core.windows import Window, Windows
from ratchet.engines.sklearn.day_counts import of_windows
from ratchet.engines.sklearn.features import copies, counted, entities, hashes
from ratchet.io.table import checks
from ratchet.io.table.checks import ColumnFacts, WindowFacts
from ratchet.io.table.rows import load
from ratchet.io.table.table import DAY, LABEL, EventTable, RowGroup

# Reading them takes a second or two, and most tables have no more.
MOST_ROWS = 1_000_000
# On a day that no window has.
_UNREAD = RowGroup(0, 2**31, 2**31, 0)


@dataclass(frozen=True)
class Read:
    """The training, calibration and test window.

    facts: of all rows; about features, of those that were read. labels: days and labels of all rows. frames: rows with
    features, whose names follow. whole: whether these are all rows.
    """

    facts: tuple[WindowFacts, ...]
    labels: tuple[pd.DataFrame, ...]
    frames: tuple[pd.DataFrame, ...]
    features: Sequence[str]

    @cached_property
    def hashed(self) -> list[Hashes]:
        """A hash of each row of the frames: what equals another row is one of the checks, and the gate counts it."""
        return hashes(self.frames, self.features)

    @property
    def whole(self) -> bool:
        return all(len(all_rows) == len(some) for all_rows, some in zip(self.labels, self.frames, strict=True))

    def counts(self, levels: int) -> tuple[Counts, ...]:
        """Rows by day and label of calibration and test window, all with the score 0."""
        return tuple(Counts.from_rows(rows[DAY], [0.0] * len(rows), rows[LABEL], levels) for rows in self.labels[1:])


def read(table: EventTable, windows: Windows, extra: Sequence[str], most: int = MOST_ROWS) -> Read:
    """Read the windows. extra: columns besides the features that must be readable, too. Raises like `rows.load`."""
    names = [*table.features, *table.entities, *extra]
    facts, labels, frames = [], [], []
    for window in windows:
        part = _part(table, window, most)
        rows = load(part, window, names)
        about, every = rows.facts, rows.frame
        if part is not table:
            all_rows = load(table, window, ())
            about, every = _together(all_rows.facts, about), all_rows.frame
        facts.append(about)
        labels.append(every[[DAY, LABEL]])
        frames.append(rows.frame)
    return Read(tuple(facts), tuple(labels), tuple(frames), table.features)


def judged(found: Read, table: EventTable) -> Iterator[str]:
    """The warnings about the rows that a trainer gives, in its order; raises DataError as it does."""
    yield from (warning for facts in found.facts for warning in checks.check(facts, table))
    checks.check_together(found.facts, table)
    if found.whole:
        yield from checks.check_copies(copies(found.hashed), table)
        for name in table.entities:
            yield from checks.check_entities(entities(found.frames, name), table)


def days(found: Read, table: EventTable, windows: Windows) -> DayCounts:
    """What the gate counts by day; the features must have been read of all rows."""
    return of_windows(found.frames, found.hashed, table, windows, counted(found.frames[0], table))


def _part(table: EventTable, window: Window, most: int) -> EventTable:
    """The table with every so many of the row groups that touch a window, so that about `most` rows are read."""
    touching = [group for file in table.files for group in file.row_groups if group.touches(window)]
    rows = sum(group.rows for group in touching)
    if rows <= most:
        return table
    kept = {id(group) for group in touching[:: -(-rows // most)]}
    files = tuple(
        replace(file, row_groups=tuple(group if id(group) in kept else _UNREAD for group in file.row_groups))
        for file in table.files
    )
    return replace(table, files=files)


def _together(every: WindowFacts, some: WindowFacts) -> WindowFacts:
    """The facts of all rows, with what is known of the features from some: what some don't have, all may have."""
    columns = tuple(_of_all(column, some.rows, every.rows) for column in some.columns)
    return replace(every, columns=columns)


def _of_all(column: ColumnFacts, some: int, every: int) -> ColumnFacts:
    return replace(column, missing=every if column.missing == some else column.missing, distinct=None, constant=False)
