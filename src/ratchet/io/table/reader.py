"""The rows of a table in the form that both engines learn from, regardless of the program that wrote the files.

The scikit-learn engine reads all pieces in its own process, Spark's tasks read some each. Only this module defines
columns, missing values, days and labels.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratchet.core.evaluation.counts import day_number
from ratchet.core.windows import Period, Window
from ratchet.errors import DataError, RatchetError
from ratchet.io.table import values
from ratchet.io.table.clock import is_text
from ratchet.io.table.columns import is_moment, is_number, plain
from ratchet.io.table.files import csv_files, parquet_files, transaction_log
from ratchet.io.table.files.filesystem import address, changed, explained
from ratchet.io.table.table import DAY, LABEL, EventTable, File, Table

WINDOW = "__ratchet_window__"
"""Column with the index of a row's window among the requested ones; UNREADABLE for an unreadable timestamp."""
OTHER = "__ratchet_other__"
"""Column with the text of a label that is not the positive one, for messages."""
UNREADABLE = -1
NOT_GIVEN = -(2**62)
"""The day of a label of which the table does not say when it became known."""
_OUTSIDE = -2
_TEXT = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Piece:
    """Some row groups of a file, by their indices; the unit that one process reads at once."""

    file: File
    groups: tuple[int, ...]

    @property
    def size(self) -> int:
        """Approximate bytes in the file."""
        return self.file.size * len(self.groups) // max(len(self.file.row_groups), 1)

    def split(self, size: int) -> list["Piece"]:
        """The same row groups in pieces of about `size` bytes, or of one larger row group."""
        at_once = max(size // max(self.file.size // max(len(self.file.row_groups), 1), 1), 1)
        return [replace(self, groups=self.groups[at : at + at_once]) for at in range(0, len(self.groups), at_once)]


def pieces(table: Table, windows: Sequence[Window] | None) -> list[Piece]:
    """The pieces to read for some windows (None: for all rows), in the order of the files."""
    found = []
    for file in table.files:
        groups = tuple(
            place
            for place, group in enumerate(file.row_groups)
            if windows is None or any(group.touches(window) for window in windows)
        )
        if groups:
            found.append(Piece(file, groups))
    return found


def as_number(table: Table, name: str) -> bool:
    """Whether a column is read as numbers, not as text. One that is no feature is read according to its type."""
    if name in table.features:
        return name in table.numeric
    kind = plain(table.schema.field(name).type)
    return not (is_text(kind) or is_moment(kind))


def schema(table: EventTable, columns: Sequence[str]) -> pa.Schema:
    """The schema of `batches`: columns as double or as text in a dictionary, then label, other label, day, window."""
    named = [pa.field(name, pa.float64() if as_number(table, name) else _TEXT) for name in columns]
    own = [(LABEL, pa.bool_()), (OTHER, pa.string()), (DAY, pa.int64()), (WINDOW, pa.int8())]
    return pa.schema([*named, *(pa.field(name, kind) for name, kind in own)])


def batches(
    table: EventTable, wanted: Sequence[Piece], windows: Sequence[Window], columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The rows of some pieces that lie in a window or have an unreadable timestamp, in order and with this schema.

    Raises DataError for a file or a value that can't be read, TemporaryError if the store does not respond.
    """
    form = schema(table, columns)
    for piece in wanted:
        for batch in stored(table, piece, [*columns, *_label_columns(table)]):
            days, bad = table.clock.days(batch.column(table.settings.timestamp))
            window = _places(days, bad, windows)
            labels = _labels(table, batch, days, window, windows)
            keep = (window >= 0) & labels.counts | (window == UNREADABLE)
            arrays = [labels.positive, labels.other, pa.array(days, mask=window == UNREADABLE), pa.array(window)]
            if not keep.all():
                kept = pa.array(keep)
                batch, arrays = batch.filter(kept), [array.filter(kept) for array in arrays]  # noqa: PLW2901
            if not batch.num_rows:
                continue
            features = [value(table, piece.file, name, batch.column(name)) for name in columns]
            yield pa.RecordBatch.from_arrays([*features, *arrays], schema=form)


@dataclass(frozen=True)
class LabelBatch:
    """Some rows, of whatever windows: their day, the place of their window, and when their label became known.

    known_day: NOT_GIVEN where `known_at` says nothing. unreadable: whether `known_at` has a value that is no time.
    known: whether the label counts in its window, as far as time goes. missing: whether there is none.
    """

    day: npt.NDArray[np.int64]
    window: npt.NDArray[np.int8]
    known_day: npt.NDArray[np.int64]
    unreadable: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_]
    missing: npt.NDArray[np.bool_]


def label_batches(table: EventTable, wanted: Sequence[Piece], windows: Sequence[Window]) -> Iterator[LabelBatch]:
    """All rows of some pieces, without features. Raises like `batches`."""
    for piece in wanted:
        for batch in stored(table, piece, _label_columns(table)):
            days, bad = table.clock.days(batch.column(table.settings.timestamp))
            window = _places(days, bad, windows)
            yield _labels(table, batch, days, window, windows).batch


def _label_columns(table: EventTable) -> list[str]:
    label = table.settings.label
    return [label.column, table.settings.timestamp, *([] if label.known_at is None else [label.known_at])]


@dataclass(frozen=True)
class _Labels:
    """positive, other: as in `batches`. counts: whether a row of a window is one of its rows."""

    positive: pa.Array
    other: pa.Array
    counts: npt.NDArray[np.bool_]
    batch: LabelBatch


def _labels(
    table: EventTable,
    batch: pa.RecordBatch,
    days: npt.NDArray[np.int64],
    window: npt.NDArray[np.int8],
    windows: Sequence[Window],
) -> _Labels:
    label = table.settings.label
    positive, other = values.label(batch.column(label.column), label.positive, label.unknown)
    missing = positive.is_null().to_numpy(zero_copy_only=False)
    known_day, unreadable = _known_days(table, batch)
    known = _known(table, days, window, windows, known_day) & ~unreadable
    every = np.isin(window, [place for place, each in enumerate(windows) if each.all_rows])
    counts = every | (known & ~missing if label.missing == "drop" else known)
    positive = positive.fill_null(False) if label.missing == "negative" else positive
    return _Labels(positive, other, counts, LabelBatch(days, window, known_day, unreadable, known, missing))


def _known_days(table: EventTable, batch: pa.RecordBatch) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The day on which each label became known, or NOT_GIVEN, and where the table has a time that can't be read."""
    name = table.settings.label.known_at
    if name is None:
        return np.full(batch.num_rows, NOT_GIVEN), np.zeros(batch.num_rows, dtype=np.bool_)
    column = batch.column(name)
    unit = table.clock.unit if is_number(plain(column.type)) or is_text(plain(column.type)) else None
    days, bad = replace(table.clock, unit=unit).days(column)
    return np.where(bad, NOT_GIVEN, days), bad & column.is_valid().to_numpy(zero_copy_only=False)


def _known(
    table: EventTable,
    days: npt.NDArray[np.int64],
    window: npt.NDArray[np.int8],
    windows: Sequence[Window],
    known_day: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    """Whether each row's label was known in time for its window; all are where the table does not say when."""
    label, known = table.settings.label, np.ones(len(days), dtype=np.bool_)
    if label.known_at is None:
        return known
    given = known_day != NOT_GIVEN
    for place, each in enumerate(windows):
        final = given if label.known_after is None else np.ones_like(given)
        if each.known_by is not None:
            in_time = known_day < day_number(each.known_by)
            last = day_number(Period.parse(label.known_after).before(each.known_by)) if label.known_after else 0
            final = np.where(given, in_time, final & (days < last))
        known[window == place] = final[window == place]
    return known


@contextmanager
def _as_looked_at(table: Table, file: File) -> Iterator[None]:
    """Report an error in a file that has changed or is gone as such."""
    try:
        yield
    except DataError as error:
        if _has_changed(table, file):
            raise changed(address(table.store, file.path)) from error
        raise


def _has_changed(table: Table, file: File) -> bool:
    look = parquet_files if table.format == "parquet" else csv_files
    try:
        transaction_log.deleted(table.store, file.deletes)
        with explained(file.path):
            return bool(look.fingerprint(table.store, file.path) != file.fingerprint)
    except RatchetError:
        return True


def _places(days: npt.NDArray[np.int64], bad: npt.NDArray[np.bool_], windows: Sequence[Window]) -> npt.NDArray[np.int8]:
    place = np.full(len(days), _OUTSIDE, dtype=np.int8)
    for number, window in enumerate(windows):
        inside = days < day_number(window.end)
        if window.start is not None:
            inside &= days >= day_number(window.start)
        place[inside] = number
    place[bad] = UNREADABLE
    return place


def value(table: Table, file: File, name: str, column: pa.Array) -> pa.Array:
    """A column of a file as a model's input: numbers, or text in a dictionary. Raises like `batches`."""
    if not as_number(table, name):
        if is_moment(kind := table.schema.field(name).type):
            column = column.cast(kind, safe=False)
        return values.text(column, boolean=name in table.booleans).cast(_TEXT)
    try:
        return values.number(column, decimal(table))
    except pa.ArrowInvalid as error:
        where = address(table.store, file.path)
        if _has_changed(table, file):
            raise changed(where) from error
        odd = values.first_odd(column, decimal(table))
        message = f"the file {where} can't be read in the column {name!r}: {odd!r} is no number"
        raise DataError(message) from error


def decimal(table: Table) -> str:
    """The decimal separator of numbers in the table's text."""
    return table.csv.decimal if table.format == "csv" else "."


def timestamps(table: EventTable, piece: Piece) -> Iterator[pa.Array]:
    """The timestamps of a piece as they are in the file, batch by batch."""
    for batch in stored(table, piece, [table.settings.timestamp]):
        yield batch.column(0)


def stored(table: Table, piece: Piece, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Columns of a piece as they are in its file; partition columns from its path, and nulls for missing ones."""
    file, names = piece.file, list(dict.fromkeys(columns))
    given = dict(file.partitions)
    own = [name for name in names if name in file.columns]
    with _as_looked_at(table, file), explained(address(table.store, file.path)):
        if table.format == "parquet":
            found = parquet_files.read(table.store, file, piece.groups, own)
        else:
            found = csv_files.read(table.store, file, own, table.csv)
        for batch in found:
            arrays = [
                batch.column(name)
                if name in file.columns
                else pa.repeat(pa.scalar(given.get(name), pa.string()), batch.num_rows)
                for name in names
            ]
            yield pa.RecordBatch.from_arrays(arrays, names)
