"""The header of a CSV file: the names of its columns, in the configured encoding."""

import csv
import io
from dataclasses import dataclass

from ratchet.errors import DataError
from ratchet.io.table.columns import check_distinct
from ratchet.io.table.files import csv_stream
from ratchet.io.table.files.filesystem import Store, address, explained
from ratchet.settings import Csv

_BYTES = 1024 * 1024


class EncodingError(DataError):
    """A file is not in the encoding of its dialect."""


@dataclass(frozen=True)
class Header:
    """names: of all columns, empty for a column without one. before: the number of empty lines before the header."""

    names: tuple[str, ...]
    before: int

    @property
    def named(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name)


def read(store: Store, path: str, dialect: Csv) -> Header | None:
    """The header of a file; None if the file is empty. Raises DataError for an invalid header, TemporaryError."""
    where = address(store, path)
    with explained(where), csv_stream.opened(store, path) as stream:
        head = stream.read(_BYTES)
    if not head:
        return None
    try:
        # The last character that was read may be incomplete.
        text = head.decode(_codec(dialect), errors="strict" if len(head) < _BYTES else "ignore")
    except UnicodeDecodeError as error:
        text = _before(head, error, where, dialect)
    records = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=dialect.separator)
    try:
        before, names = next(((place, record) for place, record in enumerate(records) if record), (0, []))
    except csv.Error as error:
        message = f"the header of the file {where} has a name that does not end: is a quote never closed?"
        raise DataError(message) from error
    if not any(names):
        raise missing(where)
    header = Header(tuple(names), before)
    check_distinct(header.named, where)
    return header


def missing(where: str) -> DataError:
    """The error for a file without a header; where: its address."""
    return DataError(f"the file {where} has no header: its first line must name the columns")


def _codec(dialect: Csv) -> str:
    return "utf-8-sig" if dialect.encoding == "utf-8" else dialect.encoding


def _before(head: bytes, error: UnicodeDecodeError, where: str, dialect: Csv) -> str:
    """The text before undecodable bytes if they follow the header; the rows are rejected later."""
    text = head[: error.start].decode(_codec(dialect))
    if "\n" not in text and "\r" not in text:
        byte = head[error.start]
        message = f"the file {where} is not {dialect.encoding.upper()}: its header has the byte 0x{byte:02x}"
        raise EncodingError(message) from error
    return text
