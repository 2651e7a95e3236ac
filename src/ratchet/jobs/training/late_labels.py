"""What users are told where labels seem to arrive late and no setting says so, by a trainer and by `jobs.checking`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ratchet.core.evaluation.counts import Counts
from ratchet.core.windows import Windows
from ratchet.errors import DataError
from ratchet.io.table.labels import known
from ratchet.io.table.table import EventTable
from ratchet.settings import Settings


@contextmanager
def hinting(table: EventTable, windows: Windows) -> Iterator[None]:
    """An error about the rows says, too, if labels end before the rows do."""
    try:
        yield
    except DataError as error:
        hint = known.hint(table, windows)
        if not hint:
            raise
        message = f"{error}; {hint}"
        raise DataError(message) from error


def warnings(settings: Settings, table: EventTable, windows: Sequence[Counts]) -> tuple[str, ...]:
    """A warning if the newest days have too few positives. windows: the counts of calibration and test window."""
    label = settings.data.label
    if label.known_after is not None or label.known_at is not None:
        return ()
    from ratchet.core.evaluation.late_labels import days_late

    days = days_late(Counts.together(windows, settings.evaluation.score_levels))
    if days is None:
        return ()
    warning = (
        f"the last {days} days of {table.uri} have far fewer rows with {label.column!r} {label.positive!r} than"
        f" those before: if labels arrive late, set data.label.known_after to {days}d or more"
    )
    return (warning,)
