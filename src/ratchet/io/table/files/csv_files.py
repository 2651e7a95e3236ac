"""CSV files: their headers, the types of their columns, and their rows in order.

A CSV file has no schema, so `look` reads each file once: a column's type fits all of its values in all files, not just
the first rows. docs/data.md describes the dialect.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
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
from ratchet.io.table.day_range import Reach, Timestamps
from ratchet.io.table.files import csv_header, csv_stream
from ratchet.io.table.files.csv_header import Header
from ratchet.io.table.files.filesystem import Store, address, changed, explained, words_of
from ratchet.io.table.table import File, RowGroup
from ratchet.settings import Csv

_BLOCK_BYTES = 8 * 1024 * 1024
_LONGEST = "8 MiB"
_FEW = 0.05
_SHOWN = 40
# Numbers in other formats than the settings describe, by decimal separator: 1,234.5 and 1'234, 12 %, $5, 1,5.
_LIKE_NUMBERS = {
    point: rf"^[$€£]?\s*[+−-]?([0-9]{{1,3}}([{other}'\s\x{{a0}}][0-9]{{3}})+|[0-9]+([{other}][0-9]+)?)"
    rf"([{point}][0-9]+)?\s*[%$€£]?$"
    for point, other in (".,", ",.")
}
_MISSING = pa.array(MISSING_TEXTS)
_WORDS = pa.array([*TRUE_WORDS, *FALSE_WORDS])


@dataclass
class Column:
    """The values of a column so far.

    odd: file, row and text of the first value that is not a number, if nearly all others are or resemble numbers.
    words: the number of rows of each text that counts as missing and is not blank.
    """

    values: int = 0
    numbers: bool = True
    booleans: bool = True
    odd: tuple[str, int, str] | None = None
    words: dict[str, int] = field(default_factory=dict)

    @property
    def kind(self) -> pa.DataType:
        """The type that fits all of its values; a column without values is a number that is always missing."""
        if self.booleans and self.values:
            return pa.bool_()
        return pa.float64() if self.numbers else pa.string()

    def add(self, column: pa.Array, decimal: str, file: str, row: int) -> None:
        """Add the next texts; row: the number of rows of the file before them."""
        missing = pc.is_in(column, _MISSING)
        if missing.true_count:
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
            others = odd.true_count - pc.match_substring_regex(column.filter(odd), _LIKE_NUMBERS[decimal]).true_count
            if others <= _FEW * (self.values + len(column) - column.null_count - others):
                place = odd.index(True).as_py()
                self.odd = (file, row + place + 1, column[place].as_py())


@dataclass
class Looked:
    """The result of `look`: the files, their columns, and the number of columns without a name."""

    files: list[File] = field(default_factory=list)
    columns: dict[str, Column] = field(default_factory=dict)
    unnamed: int = 0


def look(store: Store, paths: Sequence[tuple[str, int]], dialect: Csv, timestamps: Timestamps | None) -> Looked:
    """Read each file once. Raises DataError, TemporaryError.

    paths: with their sizes in bytes. timestamps: None: the days of the files are not needed. Empty files, which Spark
    writes for partitions without rows, are skipped; at least one must not be empty.
    """
    found = Looked()
    for path, size in paths:
        header = csv_header.read(store, path, dialect)
        if header is None:
            continue
        found.unnamed = max(found.unnamed, header.names.count(""))
        for name in header.named:
            found.columns.setdefault(name, Column())
        found.files.append(_look(store, path, size, header, found.columns, dialect, timestamps))
    if not found.files:
        raise csv_header.missing(address(store, paths[0][0]))
    return found


def _look(
    store: Store,
    path: str,
    size: int,
    header: Header,
    columns: Mapping[str, Column],
    dialect: Csv,
    timestamps: Timestamps | None,
) -> File:
    reach = Reach(timestamps) if timestamps is not None and timestamps.column in header.named else None
    rows, seal, last = 0, hashlib.sha256(), None
    for batch in _batches(store, path, header, None, dialect, ("",), seal):
        for name in header.named:
            columns[name].add(batch.column(name), dialect.decimal, path, rows)
        if reach is not None:
            reach.add(batch.column(reach.timestamps.column))
        rows += batch.num_rows
        if batch.num_rows:
            last = batch.column(len(header.names) - 1)[-1].as_py()
    _check_end(store, path, last)
    if reach is None:
        group = RowGroup(rows, None, None, size)
    else:
        reach.check(address(store, path))
        group = RowGroup(rows, reach.first, reach.last, size, reach.slack)
    return File(path, size, rows, (group,), columns=header.named, fingerprint=seal.hexdigest())


def _check_end(store: Store, path: str, last: str | None) -> None:
    """Raise DataError if a quote is still open at the end of a file: its last value would contain all rows after it."""
    begin, *more = re.split(r"[\r\n]", last or "")
    if more and not csv_stream.ends_with_quote(store, path):
        message = (
            f"the file {address(store, path)} can't be read: the quote before {begin[:_SHOWN]!r} is never closed, "
            f"and {len(more):,} lines follow it"
        )
        raise DataError(message)


def read(store: Store, file: File, columns: Sequence[str], dialect: Csv) -> Iterator[pa.RecordBatch]:
    """Columns of a file as text, null where missing, in order.

    Raises DataError for invalid CSV or another encoding than the dialect's; TemporaryError, after the last row, for a
    file that has changed since its inspection.
    """
    # Its header is read again, since the file may have been replaced after its inspection.
    header, seal = csv_header.read(store, file.path, dialect), hashlib.sha256()
    if header is None:
        raise changed(address(store, file.path))
    yield from _batches(store, file.path, header, columns, dialect, MISSING_TEXTS, seal)
    if seal.hexdigest() != file.fingerprint:
        raise changed(address(store, file.path))


def fingerprint(store: Store, path: str) -> str:
    """The hash of a whole file."""
    seal = hashlib.sha256()
    csv_stream.seal_all(store, path, seal)
    return seal.hexdigest()


def _batches(
    store: Store,
    path: str,
    header: Header,
    columns: Sequence[str] | None,
    dialect: Csv,
    missing: Sequence[str],
    seal: Any,
) -> Iterator[pa.RecordBatch]:
    """columns: None: all, even without a name. missing: the texts that become null. seal: gets the file's bytes.

    The hash costs little compared with the parser, and is computed in the thread that reads ahead.
    """
    numbers = count()
    inner = [name or f"\0{next(numbers)}" for name in header.names]
    # Without any column the number of rows would be unknown.
    wanted = inner if columns is None else list(columns) or inner[:1]
    with _refused(store, path, header.names, dialect), csv_stream.sealed(store, path, seal) as stream:
        reading = pc_csv.ReadOptions(
            block_size=_BLOCK_BYTES,
            column_names=inner,
            skip_rows_after_names=header.before + 1,
            encoding=dialect.encoding,
        )
        parsing = pc_csv.ParseOptions(delimiter=dialect.separator, newlines_in_values=True)
        yield from pc_csv.open_csv(stream, reading, parsing, _as_text(wanted, missing))


def _as_text(columns: Sequence[str], missing: Sequence[str]) -> pc_csv.ConvertOptions:
    return pc_csv.ConvertOptions(
        include_columns=columns,
        column_types=dict.fromkeys(columns, pa.string()),
        null_values=missing,
        strings_can_be_null=True,
    )


@contextmanager
def _refused(store: Store, path: str, names: Sequence[str], dialect: Csv) -> Iterator[None]:
    """Report the column and the value that make a file unreadable."""
    where = address(store, path)
    with explained(where):
        try:
            yield
        except UnicodeDecodeError as error:
            message = f"the file {where} is not {dialect.encoding.upper()}"
            raise csv_header.EncodingError(message) from error
        except pa.ArrowInvalid as error:
            text = words_of(error)
            name = _column_of(text, names)
            which = "" if name is None else f" in the column {name!r}"
            if "invalid UTF8" in text:
                message = f"the file {where} is not UTF-8{which}: set data.csv.encoding"
                raise csv_header.EncodingError(message) from error
            if "straddling" in text:
                message = (
                    f"the file {where} has a row that does not end or exceeds {_LONGEST}: is a quote never closed?"
                )
            else:
                message = f"the file {where} can't be read{which}: {text.removeprefix('CSV parse error: ')}"
            raise DataError(message) from error


def _column_of(text: str, names: Sequence[str]) -> str | None:
    """The column that Arrow names as `In CSV column #2`, counted from zero."""
    number = text.partition("In CSV column #")[2].partition(":")[0]
    return names[int(number)] if number.isdecimal() and int(number) < len(names) else None
