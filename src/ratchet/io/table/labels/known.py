"""When labels become known: what `data.label.known_after`, `known_at` and `missing` say of a table.

A label that is not final yet teaches the opposite of the truth: a customer who has not left so far counts as one who
stays. So a cycle ends where labels are final, and a row counts in a window only if its label was known when a model was
made from that window. Days are whole: a label that became known on a day is known from the next day on.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from ratchet.core.evaluation.counts import EPOCH, day_number
from ratchet.core.windows import Period, Window, Windows
from ratchet.errors import ConfigurationError, DataError
from ratchet.io.table import reader
from ratchet.io.table.labels.days import before_the_last, labelled_until
from ratchet.io.table.table import EventTable
from ratchet.settings import Settings


@dataclass(frozen=True)
class LabelFacts:
    """Rows that are left out, or counted as negative, because of when their label becomes known.

    not_yet: on the days after the test window. late: in the windows; their label became known too late for a model of
    that time. missing: rows in the windows without a label, which are left out or negative.
    """

    not_yet: int
    late: int
    missing: int

    def metrics(self) -> dict[str, float]:
        """The metrics of the run."""
        numbers = {"rows_not_yet_known": self.not_yet, "rows_known_late": self.late, "rows_without_label": self.missing}
        return {name: float(number) for name, number in numbers.items()}

    def sentences(self, settings: Settings, windows: Windows) -> list[str]:
        """What readers of the report are told."""
        label, length = settings.data.label, settings.windows.gap or settings.data.label.known_after
        final = f"a label is final {label.known_after} after its event" if label.known_after else "not all are known"
        late = label.known_after is not None or label.known_at is not None
        found = [f"Labels: {_rows(self.not_yet)} from {windows.as_of} on not yet known ({final})."] if late else []
        if settings.gap is not None:
            found.append(f"Between two windows lie {length}, in which the labels of the earlier one become known.")
        elif label.known_after is not None:
            found.append("Between the windows is no gap: not all labels of one were final when the next one began.")
        if self.late:
            found.append(f"{_rows(self.late)} left out, whose labels became known too late for a model of their time.")
        if self.missing:
            how = "count as negative" if label.missing == "negative" else "are left out"
            found.append(f"{_rows(self.missing)} without a label {how}.")
        return found


def known_until(table: EventTable) -> date:
    """The end of the days whose labels are all known, exclusive: the default of `as_of`.

    Reads no rows unless `known_at` alone is set. Raises like `reader.batches`.
    """
    label = table.settings.label
    if label.known_after is not None:
        return Period.parse(label.known_after).before(table.end)
    if label.known_at is not None:
        return _all_known_until(table)
    return table.end


def check_as_of(as_of: date, table: EventTable) -> None:
    """Raises ConfigurationError for a test window that ends after the last day whose labels are final."""
    after = table.settings.label.known_after
    if after is not None and as_of > (until := known_until(table)):
        message = (
            f"--as-of {as_of} is too late: labels of {table.uri} are final {after} after the event, so they are known"
            f" for the days before {until}"
        )
        raise ConfigurationError(message)


def counted(table: EventTable, windows: Windows) -> LabelFacts | None:
    """Count the rows that don't count; None if no setting leaves any out. Reads labels and times once.

    Raises DataError for a label that became known before its event or in the future, and like `reader.batches`.
    """
    label = table.settings.label
    if label.known_after is None and label.known_at is None and label.missing == "refuse":
        return None
    end = max(table.end, windows.as_of)
    every = [*windows, Window("not yet known", windows.as_of, end)]
    not_yet = late = missing = 0
    for batch in reader.label_batches(table, reader.pieces(table, every), every):
        _check_known_at(batch, table)
        not_yet += int((batch.window == len(every) - 1).sum())
        inside = (batch.window >= 0) & (batch.window < len(every) - 1)
        late += int((inside & ~batch.known).sum())
        missing += int((inside & batch.known & batch.missing).sum()) if label.missing != "refuse" else 0
    return LabelFacts(not_yet, late, missing)


def hint(table: EventTable, windows: Windows) -> str:
    """What may help where labels are missing in the windows: empty unless they end before the rows do."""
    label = table.settings.label
    if label.known_after is not None or label.known_at is not None:
        return ""
    whole = Window("test", windows.calibration.start, table.end)
    until = labelled_until(table, whole)
    if until >= windows.as_of:
        return ""
    days = (table.end - until).days
    return (
        f"all days from {until} on lack some: if labels arrive late, set data.label.known_after to {days}d or more, so"
        " that the newest rows wait for theirs"
    )


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _all_known_until(table: EventTable) -> date:
    """The end of the days before the last ones on each of which a label is not known."""
    unknown: dict[int, int] = {}
    whole = [Window("whole", None, table.end)]
    for batch in reader.label_batches(table, reader.pieces(table, whole), whole):
        inside = batch.window >= 0
        found, where = np.unique(batch.day[inside], return_inverse=True)
        for day, count in zip(found.tolist(), np.bincount(where, weights=~batch.known[inside]).tolist(), strict=True):
            unknown[day] = unknown.get(day, 0) + int(count)
    return before_the_last(unknown, table.end)


def _check_known_at(batch: "reader.LabelBatch", table: EventTable) -> None:
    name = table.settings.label.known_at
    if name is None:
        return
    tomorrow = day_number(datetime.now(UTC).date() + timedelta(days=1))
    given = batch.known_day != reader.NOT_GIVEN
    faults = {
        "can't be read": batch.unreadable,
        "is before the event": given & (batch.known_day < batch.day) & (batch.window >= 0),
        "lies in the future": given & (batch.known_day > tomorrow),
    }
    for what, rows in faults.items():
        if rows.any():
            day = EPOCH + timedelta(days=int(batch.day[rows][0]))
            message = (
                f"the column {name!r} of {table.uri}, which says when a label became known, {what} in"
                f" {_rows(int(rows.sum()))}, the first of {day}"
            )
            raise DataError(message)
