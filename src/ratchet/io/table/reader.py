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
from ratchet.core.windows import Window
from ratchet.errors import DataError, RatchetError
from ratchet.io.table import values
from ratchet.io.table.clock import is_text
from ratchet.io.table.files import csv_files, parquet_files, transaction_log
from ratchet.io.table.files.filesystem import address, changed, explained, words_of
from ratchet.io.table.table import DAY, LABEL, EventTable, File, Table

WINDOW = "__ratchet_window__"
"""Column with the index of a row's window among the requested ones; UNREADABLE for an unreadable timestamp."""
OTHER = "__ratchet_other__"
"""Column with the text of a label that is not the positive one, for messages."""
UNREADABLE = -1
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
    """Whether a column is read as numbers. A column that only an existing version needs is, unless its type is text."""
    if name in table.features:
        return name in table.numeric
    return not is_text(table.schema.field(name).type)


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
    label, timestamp = table.settings.label.column, table.settings.timestamp
    for piece in wanted:
        for batch in stored(table, piece, [*columns, label, timestamp]):
            days, bad = table.clock.days(batch.column(timestamp))
            window = _places(days, bad, windows)
            keep = window >= UNREADABLE
            if not keep.all():
                batch, days, window = batch.filter(pa.array(keep)), days[keep], window[keep]  # noqa: PLW2901
            if not len(window):
                continue
            arrays = [value(table, piece.file, name, batch.column(name)) for name in columns]
            arrays += [*values.label(batch.column(label), table.settings.label.positive)]
            arrays += [pa.array(days, mask=window == UNREADABLE), pa.array(window)]
            yield pa.RecordBatch.from_arrays(arrays, schema=form)


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
        return values.text(column, boolean=name in table.booleans).cast(_TEXT)
    try:
        return values.number(column, decimal(table))
    except pa.ArrowInvalid as error:
        where = address(table.store, file.path)
        if _has_changed(table, file):
            raise changed(where) from error
        message = f"the file {where} can't be read in the column {name!r}: {words_of(error)}; numbers are accepted"
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
