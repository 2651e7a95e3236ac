"""CSV files: their header, what their columns hold, and their rows in order.

A CSV file says nothing about itself, so `look` reads each file once: a column's type is what all of its values in all
files allow, not what the first rows show. docs/data.md describes the dialect.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv

from ratchet.core.category_texts import FALSE_WORDS, MISSING_TEXTS, TRUE_WORDS
from ratchet.errors import DataError
from ratchet.io.table import values
from ratchet.io.table.clock import Clock
from ratchet.io.table.columns import check_distinct
from ratchet.io.table.day_range import Reach
from ratchet.io.table.files.filesystem import Store, address, changed, explained, words_of
from ratchet.io.table.table import File, RowGroup
from ratchet.settings import Csv, Data

_BLOCK_BYTES = 8 * 1024 * 1024
_HEADER_BYTES = 1024 * 1024
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
_FEW = 0.05
_MISSING = pa.array(MISSING_TEXTS)
_WORDS = pa.array([*TRUE_WORDS, *FALSE_WORDS])


@dataclass
class Column:
    """What a column has held so far.

    odd: file, row and text of its first value that is no number, after numbers. words: the rows of each text that
    counts as missing and is not blank.
    """

    values: int = 0
    numbers: bool = True
    booleans: bool = True
    odd: tuple[str, int, str] | None = None
    words: dict[str, int] = field(default_factory=dict)

    @property
    def kind(self) -> pa.DataType:
        """The type that all of its values allow; without any it is missing throughout, as a number."""
        if self.booleans and self.values:
            return pa.bool_()
        return pa.float64() if self.numbers else pa.string()

    def add(self, column: pa.Array, decimal: str, file: str, row: int) -> None:
        """Take the next texts; row: the number of rows of the file before them."""
        missing = pc.is_in(column, _MISSING)
        if missing.true_count > column.null_count:
            for word in column.filter(missing).value_counts().to_pylist():
                if word["values"] is not None and word["values"].strip():
                    self.words[word["values"]] = self.words.get(word["values"], 0) + word["counts"]
            column = pc.if_else(missing, pa.scalar(None, pa.string()), column)
        filled = column.drop_null() if column.null_count else column
        if len(filled):
            self.booleans = self.booleans and pc.all(pc.is_in(filled, _WORDS)).as_py()
            if self.numbers and not self.booleans:
                self._add_numbers(column, decimal, file, row)
            self.values += len(filled)

    def _add_numbers(self, column: pa.Array, decimal: str, file: str, row: int) -> None:
        try:
            values.number(column, decimal)
        except pa.ArrowInvalid:
            self.numbers = False
            point = re.escape(decimal)
            number = rf"^\s*[+-]?([0-9]+{point}?[0-9]*|{point}[0-9]+)([eE][+-]?[0-9]+)?\s*$"
            odd = pc.invert(pc.match_substring_regex(column, number)).fill_null(False)
            numbers = self.values + len(column) - column.null_count - odd.true_count
            if odd.true_count <= _FEW * numbers:
                place = odd.index(True).as_py()
                self.odd = (file, row + place + 1, column[place].as_py())


@dataclass
class Looked:
    """What `look` has found: the files, their columns with what they hold, and how many of them have no name."""

    files: list[File] = field(default_factory=list)
    columns: dict[str, Column] = field(default_factory=dict)
    unnamed: int = 0


def look(store: Store, paths: Sequence[tuple[str, int]], settings: Data, clock: Clock) -> Looked:
    """Read each file once; paths: with their sizes in bytes. Raises DataError, TemporaryError.

    Where a file has the timestamp's column, its days are found and checked, too.
    """
    found = Looked()
    for path, size in paths:
        names = header(store, path, settings.csv)
        found.unnamed = max(found.unnamed, names.count(""))
        named = tuple(name for name in names if name)
        for name in named:
            found.columns.setdefault(name, Column())
        reach, rows, seal = Reach(clock), 0, hashlib.sha256()
        for batch in _batches(store, path, names, named, settings.csv, ("",), seal):
            for name in named:
                if name == settings.timestamp:
                    reach.add(batch.column(name))
                found.columns[name].add(batch.column(name), settings.csv.decimal, path, rows)
            rows += batch.num_rows
        reach.check(address(store, path), settings)
        group = RowGroup(rows, reach.first, reach.last, size, reach.slack)
        found.files.append(File(path, size, rows, (group,), columns=named, fingerprint=seal.hexdigest()))
    return found


def header(store: Store, path: str, dialect: Csv) -> list[str]:
    """The names of a file's columns, empty where one has none. Raises DataError for what can't be a header."""
    where = address(store, path)
    with explained(where), _stream(store, path) as stream:
        head = stream.read(_HEADER_BYTES)
    try:
        # A character may be cut in two at the end of what was read.
        text = head.decode(_codec(dialect), errors="strict" if len(head) < _HEADER_BYTES else "ignore")
    except UnicodeDecodeError as error:
        text = _before(head, error, where, dialect)
    records = csv.reader(io.StringIO(text, newline=""), delimiter=dialect.separator)
    names = next((record for record in records if record), [])
    if not any(names):
        message = f"the file {where} has no header: its first line must name the columns"
        raise DataError(message)
    check_distinct([name for name in names if name], where)
    return names


def _codec(dialect: Csv) -> str:
    return "utf-8-sig" if dialect.encoding == "utf-8" else dialect.encoding


def _before(head: bytes, error: UnicodeDecodeError, where: str, dialect: Csv) -> str:
    """The text before bytes that can't be decoded, where they come after the header; the rows are refused later."""
    text = head[: error.start].decode(_codec(dialect))
    if "\n" not in text and "\r" not in text:
        byte = head[error.start]
        message = f"the file {where} is not {dialect.encoding.upper()}: its header has the byte 0x{byte:02x}"
        raise DataError(message) from error
    return text


def read(store: Store, file: File, columns: Sequence[str], dialect: Csv) -> Iterator[pa.RecordBatch]:
    """Columns of a file as text, null where they are missing, in order.

    Raises DataError for what is no CSV, or not in the dialect's encoding; TemporaryError, after the last row, for a
    file that is no longer the one that was looked at.
    """
    # Its header is read again: the file may have been replaced since it was looked at.
    names, seal = header(store, file.path, dialect), hashlib.sha256()
    yield from _batches(store, file.path, names, columns, dialect, MISSING_TEXTS, seal)
    if seal.hexdigest() != file.fingerprint:
        raise changed(address(store, file.path))


def fingerprint(store: Store, path: str) -> str:
    """The hash of a whole file."""
    seal = hashlib.sha256()
    with store.filesystem.open_input_stream(path, compression=None) as stream:
        _Sealed(stream, seal).finish()
    return seal.hexdigest()


def _batches(
    store: Store,
    path: str,
    names: Sequence[str],
    columns: Sequence[str],
    dialect: Csv,
    missing: Sequence[str],
    seal: Any,
) -> Iterator[pa.RecordBatch]:
    """names: of all columns, as the header has them. missing: the texts that become null. seal: gets the file's bytes.

    The hash costs little beside the parser, and is made in the thread that reads ahead.
    """
    numbers = count()
    inner = [name or f"\0{next(numbers)}" for name in names]
    wanted = list(columns) or inner[:1]  # of no column nobody would know how many rows there are
    with _refused(store, path, names, dialect), _sealed(store, path, seal) as stream:
        reader = pc_csv.open_csv(
            stream,
            pc_csv.ReadOptions(
                block_size=_BLOCK_BYTES, column_names=inner, skip_rows_after_names=1, encoding=dialect.encoding
            ),
            pc_csv.ParseOptions(delimiter=dialect.separator, newlines_in_values=True),
            pc_csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.string()),
                null_values=missing,
                strings_can_be_null=True,
            ),
        )
        yield from reader


def _stream(store: Store, path: str) -> Any:
    """The file's text in bytes, whatever its name says of how it is compressed."""
    return store.filesystem.open_input_stream(path, compression=_compression(store, path))


def _compression(store: Store, path: str) -> str | None:
    with store.filesystem.open_input_stream(path, compression=None) as stream:
        head = stream.read(4)
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


class _Sealed(io.RawIOBase):
    """A stream whose bytes are hashed as they are read."""

    def __init__(self, stream: Any, seal: Any) -> None:
        self._stream, self._seal = stream, seal

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content = bytes(self._stream.read(None if size < 0 else size))
        self._seal.update(content)
        return content

    def finish(self) -> None:
        """Hash what nobody has read: of compressed text, what may follow its end."""
        while self.read(_BLOCK_BYTES):
            pass


@contextmanager
def _sealed(store: Store, path: str, seal: Any) -> Iterator[Any]:
    compression = _compression(store, path)
    with store.filesystem.open_input_stream(path, compression=None) as stream:
        sealed = _Sealed(stream, seal)
        file = pa.PythonFile(sealed, mode="r")
        yield file if compression is None else pa.CompressedInputStream(file, compression)
        sealed.finish()


@contextmanager
def _refused(store: Store, path: str, names: Sequence[str], dialect: Csv) -> Iterator[None]:
    """Say of a file that can't be read which column and which value it was."""
    where = address(store, path)
    with explained(where):
        try:
            yield
        except UnicodeDecodeError as error:
            message = f"the file {where} is not {dialect.encoding.upper()}"
            raise DataError(message) from error
        except pa.ArrowInvalid as error:
            text = words_of(error)
            name = _column_of(text, names)
            which = "" if name is None else f" in the column {name!r}"
            if "invalid UTF8" in text:
                message = f"the file {where} is not UTF-8{which}: data.csv.encoding says what it is"
            else:
                message = f"the file {where} can't be read{which}: {text.removeprefix('CSV parse error: ')}"
            raise DataError(message) from error


def _column_of(text: str, names: Sequence[str]) -> str | None:
    """Arrow says `In CSV column #2`, counted from zero."""
    number = text.partition("In CSV column #")[2].partition(":")[0]
    return names[int(number)] if number.isdecimal() and int(number) < len(names) else None
