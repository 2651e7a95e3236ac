"""What a run's settings ask of a table before its rows are read: its windows, and the columns of its slices.

The trainer and `jobs.checking` use it; it imports no MLflow.
"""

from datetime import date

from ratchet.core.windows import Period, Windows, windows_until
from ratchet.io.table import columns, reader
from ratchet.io.table.table import EventTable
from ratchet.settings import Settings


def windows_of(settings: Settings, as_of: date) -> Windows:
    """The windows of a run: the configured lengths before `as_of`."""
    lengths = settings.windows
    train = None if lengths.train is None else Period.parse(lengths.train)
    return windows_until(as_of, Period.parse(lengths.test), Period.parse(lengths.calibration), train, settings.gap)


def slice_columns(settings: Settings, table: EventTable) -> tuple[str, ...]:
    """The slices' columns that are not features, to be read beside them.

    Raises DataError for a column that is not in the table or of an unfit type, ConfigurationError for ranges of text.
    """
    for each in settings.evaluation.sliced:
        columns.check_extra(table.schema, "slice", each.column, table.uri)
        if each.edges is not None and not reader.as_number(table, each.column):
            raise columns.text_in_ranges(each.column, table.uri)
    return tuple(each.column for each in settings.evaluation.sliced if each.column not in table.features)
