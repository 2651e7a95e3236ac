"""CSV files: their header, the kinds of their columns, and their rows in order.

A CSV file says nothing about itself, so `io.data.inspect` scans its timestamp column once; everything else is read
later, only the columns that are needed.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc_csv

from ratchet.core.windows import Window
from ratchet.errors import DataError
from ratchet.io.columns import check_distinct, is_number
from ratchet.io.parquet import address
from ratchet.io.store import Store, explained, words_of
from ratchet.io.table import Table
from ratchet.settings import Data

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


def schema(store: Store, path: str, settings: Data) -> pa.Schema:
    """The columns with the types that they are read in: what the settings say, otherwise what the first rows show.

    Raises DataError for text that is not UTF-8.
    """
    options = pc_csv.ConvertOptions(null_values=MISSING_TEXTS, strings_can_be_null=True)
    where = address(store, path)
    with _refused(store, path), _open(store, path, options) as reader:
        shown = reader.schema
    binary = [field.name for field in shown if pa.types.is_binary(field.type)]
    if binary:
        message = f"the file {where} is not UTF-8 in the column {binary[0]!r}"
        raise DataError(message)
    return pa.schema([(field.name, _type(field, settings)) for field in shown])


def _type(field: pa.Field, settings: Data) -> pa.DataType:
    """Numbers as float64, since a fraction may follow whole ones; what is named as it is named."""
    number = is_number(field.type)
    if field.name == settings.timestamp:
        return field.type if number else pa.string()
    if field.name == settings.label.column or field.name in (settings.categorical or ()):
        return pa.string()
    if pa.types.is_boolean(field.type):
        return field.type
    return pa.float64() if number or field.name in (settings.numeric or ()) else field.type


def batches(table: Table, window: Window | None, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Rows of the files that the window (None: everything) touches, in order."""
    names = list(dict.fromkeys(columns))
    for file in table.files:
        if window is not None and file.row_groups and not any(group.touches(window) for group in file.row_groups):
            continue
        given = dict(file.partitions)
        # The timestamp stays text: `io.clock` counts what can't be read, where Arrow would stop at the first.
        wanted = {name: _read_as(table, name) for name in names if name not in given}
        for batch in _read(table.store, file.path, wanted):
            arrays = [
                pa.repeat(pa.scalar(given[name], pa.string()), batch.num_rows) if name in given else batch.column(name)
                for name in names
            ]
            yield pa.RecordBatch.from_arrays(arrays, names)


def _read_as(table: Table, name: str) -> pa.DataType:
    return pa.string() if name == table.settings.timestamp else table.schema.field(name).type


def _read(store: Store, path: str, wanted: dict[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
    options = pc_csv.ConvertOptions(
        include_columns=list(wanted),
        column_types=wanted,
        null_values=MISSING_TEXTS,
        strings_can_be_null=True,
        true_values=["true", "True", "TRUE", "1"],
        false_values=["false", "False", "FALSE", "0"],
    )
    with _refused(store, path), _open(store, path, options) as reader:
        yield from reader


def _open(store: Store, path: str, options: pc_csv.ConvertOptions) -> Any:
    stream = store.filesystem.open_input_stream(path, compression=_compression(path))
    return pc_csv.open_csv(stream, pc_csv.ReadOptions(block_size=_BLOCK_BYTES), convert_options=options)


@contextmanager
def _refused(store: Store, path: str) -> Iterator[None]:
    """Say of a file that can't be read which column and which value it was."""
    with explained(address(store, path)):
        try:
            yield
        except pa.ArrowInvalid as error:
            raise _refusal(store, path, words_of(error)) from error


def _refusal(store: Store, path: str, text: str) -> DataError:
    name = _column_of(text, header(store, path))
    which = "" if name is None else f" in the column {name!r}"
    if "invalid UTF8" in text:
        return DataError(f"the file {address(store, path)} is not UTF-8{which}")
    reason = text.partition("CSV conversion error to ")[2] or text.removeprefix("CSV parse error: ")
    return DataError(f"the file {address(store, path)} can't be read{which}: {reason}")


def _column_of(text: str, names: Sequence[str]) -> str | None:
    """Arrow says `In CSV column #2`, counted from zero."""
    number = text.partition("In CSV column #")[2].partition(":")[0]
    return names[int(number)] if number.isdecimal() and int(number) < len(names) else None
