"""Which of the newest days have all their labels; `jobs.watch_step` measures no others.

Labels often come later than rows, so the last days of a table lack some. A day without all labels before one that has
them is a fault in the data, which `io.table.checks` rejects.
"""

from collections.abc import Mapping
from datetime import date

import numpy as np

from ratchet.core.evaluation.counts import day_of
from ratchet.core.windows import Window
from ratchet.io.table import reader
from ratchet.io.table.table import DAY, LABEL, EventTable


def labelled_until(table: EventTable, window: Window) -> date:
    """The end of a window's labelled days, exclusive: it precedes the last days of which each lacks a label.

    Reads labels and timestamps of the window's days. Raises DataError for a file that can't be read, TemporaryError if
    the store does not respond.
    """
    missing: dict[int, int] = {}
    for batch in reader.batches(table, reader.pieces(table, [window]), [window], ()):
        days, lacking = batch.column(DAY), batch.column(LABEL).is_null().to_numpy(zero_copy_only=False)
        readable = days.is_valid().to_numpy(zero_copy_only=False)
        found, where = np.unique(days.fill_null(0).to_numpy()[readable], return_inverse=True)
        for day, count in zip(found.tolist(), np.bincount(where, weights=lacking[readable]).tolist(), strict=True):
            missing[day] = missing.get(day, 0) + int(count)
    return before_the_last(missing, window.end)


def before_the_last(lacking: Mapping[int, int], end: date) -> date:
    """The end of the days before the last ones of which each lacks something. lacking: how much, by day with rows."""
    for day in sorted(lacking, reverse=True):
        if not lacking[day]:
            break
        end = day_of(day)
    return end
