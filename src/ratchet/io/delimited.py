"""CSV files: their header, the kinds of their columns, and their rows in order.

A CSV file says nothing about itself, so `io.data.inspect` scans its timestamp column once; everything else is read
later, only the columns that are needed.
"""

import csv
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc_csv

from ratchet.core.windows import Window
from ratchet.errors import DataError
from ratchet.io.columns import check_distinct, is_number
from ratchet.io.parquet import address
from ratchet.io.store import Store, explained, first_line
from ratchet.io.table import Table

MISSING_TEXTS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
"""What counts as missing in a CSV file, quoted or not."""

_BLOCK_BYTES = 8 * 1024 * 1024
_HEADER_BYTES = 1024 * 1024


def header(store: Store, path: str) -> list[str]:
    """The names of a file's columns. Raises DataError where the first line is no UTF-8 or names repeat."""
    where = address(store, path)
    with explained(where), store.filesystem.open_input_stream(path, compression=_compression(path)) as stream:
        head = stream.read(_HEADER_BYTES)
    try:
        line = head.partition(b"\n")[0].decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError as error:
        message = f"the file {where} is not UTF-8: its header has the byte 0x{head[error.start]:02x}"
        raise DataError(message) from error
    if not line:
        message = f"the file {where} has no header: its first line must name the columns"
        raise DataError(message)
    names = next(csv.reader([line]))
    check_distinct(names, where)
    return names


def _compression(path: str) -> str | None:
    return "gzip" if path.endswith(".gz") else None


def kinds(store: Store, path: str) -> pa.Schema:
    """The columns with the types that the first rows show."""
    options = pc_csv.ConvertOptions(null_values=MISSING_TEXTS, strings_can_be_null=True)
    with explained(address(store, path)), _open(store, path, options) as reader:
        return reader.schema


def batches(table: Table, window: Window | None, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Rows of the files that the window (None: everything) touches, in order."""
    names = list(dict.fromkeys(columns))
    for file in table.files:
        if window is not None and file.row_groups and not any(group.touches(window) for group in file.row_groups):
            continue
        given = dict(file.partitions)
        wanted = {name: _kind(table, name) for name in names if name not in given}
        for batch in _read(table.store, file.path, wanted):
            arrays = [
                pa.repeat(pa.scalar(given[name], pa.string()), batch.num_rows) if name in given else batch.column(name)
                for name in names
            ]
            yield pa.RecordBatch.from_arrays(arrays, names)


def _kind(table: Table, name: str) -> pa.DataType:
    """Numbers as float64, booleans as they are, everything else as text: one pass, nothing guessed again."""
    if name in (table.settings.timestamp, table.settings.label.column):
        return pa.string()
    kind = table.schema.field(name).type
    if pa.types.is_boolean(kind):
        return pa.string() if name in table.categorical else kind
    if name in table.numeric or (is_number(kind) and name not in table.categorical):
        return pa.float64()
    return pa.string()


def _read(store: Store, path: str, wanted: dict[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
    options = pc_csv.ConvertOptions(
        include_columns=list(wanted),
        column_types=wanted,
        null_values=MISSING_TEXTS,
        strings_can_be_null=True,
        true_values=["true", "True", "TRUE", "1"],
        false_values=["false", "False", "FALSE", "0"],
    )
    where = address(store, path)
    with explained(where):
        try:
            with _open(store, path, options) as reader:
                yield from reader
        except pa.ArrowInvalid as error:
            raise _refusal(store, path, where, error) from error


def _open(store: Store, path: str, options: pc_csv.ConvertOptions) -> Any:
    stream = store.filesystem.open_input_stream(path, compression=_compression(path))
    return pc_csv.open_csv(stream, pc_csv.ReadOptions(block_size=_BLOCK_BYTES), convert_options=options)


def _refusal(store: Store, path: str, where: str, error: pa.ArrowInvalid) -> DataError:
    text = first_line(error)
    name = _column_of(text, header(store, path))
    which = "" if name is None else f" in the column {name!r}"
    if "invalid UTF8" in text:
        return DataError(f"the file {where} is not UTF-8{which}")
    reason = text.partition("CSV conversion error to ")[2] or text.removeprefix("CSV parse error: ")
    return DataError(f"the file {where} can't be read{which}: {reason}")


def _column_of(text: str, names: Sequence[str]) -> str | None:
    """Arrow says `In CSV column #2`, counted from zero."""
    number = text.partition("In CSV column #")[2].partition(":")[0]
    return names[int(number)] if number.isdecimal() and int(number) < len(names) else None
