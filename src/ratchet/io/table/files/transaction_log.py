"""The facts in the log of a Delta or an Iceberg table about its files; `delta` and `iceberg` create them.

Such a table is more than a folder: some of its rows are deleted without a file being rewritten, and a column may have
another name in a file than in the table.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ratchet.errors import DataError
from ratchet.io.table.files.filesystem import Store, address, explained
from ratchet.io.table.table import Deletes

_BITMAP = 1681511377
_FIELD_ID = b"PARQUET:field_id"


@dataclass(frozen=True)
class Logged:
    """A file of the table. path: in its filesystem. partitions: columns that may be missing in the file."""

    path: str
    size: int
    partitions: Mapping[str, str | None] = field(default_factory=dict)
    deletes: tuple[Deletes, ...] = ()


@dataclass(frozen=True)
class Naming:
    """The names in the table of a file's columns: by field id if the file has ids, else by name."""

    ids: Mapping[int, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def of(self, column: pa.Field) -> str | None:
        """Its name in the table; None if the table no longer has the column."""
        number = (column.metadata or {}).get(_FIELD_ID)
        if number is not None and self.ids:
            return self.ids.get(int(number))
        return self.names.get(column.name)


@dataclass(frozen=True)
class Log:
    """A snapshot of a table. version: its version or id, in words. columns: of the table; some may be in no file.

    naming: None: as in the files.
    """

    version: str
    files: tuple[Logged, ...]
    naming: Naming | None
    columns: Mapping[str, pa.DataType]


def deleted(store: Store, deletes: Collection[Deletes]) -> npt.NDArray[np.int64]:
    """The positions of a file's deleted rows, in order. Raises DataError for an unreadable list, TemporaryError."""
    if not deletes:
        return np.empty(0, np.int64)
    return np.unique(np.concatenate([_places(store, each) for each in deletes]))


def _places(store: Store, each: Deletes) -> npt.NDArray[np.int64]:
    if each.inline:
        return _of_bitmap(bytes.fromhex(each.inline), "the log of the table")
    where = address(store, each.path)
    with explained(where):
        if each.offset is None:
            return _listed(store, each)
        with store.filesystem.open_input_file(each.path) as handle:
            handle.seek(each.offset)
            size = int.from_bytes(handle.read(4), "big")
            content = handle.read(size)
            if crc32(content) != int.from_bytes(handle.read(4), "big"):
                message = f"the deletion vector at {each.offset} of {where} is corrupt: its checksum differs"
                raise DataError(message)
    return _of_bitmap(content, where)


def _listed(store: Store, each: Deletes) -> npt.NDArray[np.int64]:
    with store.filesystem.open_input_file(each.path) as handle:
        listed = pq.read_table(handle, columns=["file_path", "pos"], filters=[("file_path", "==", each.data_file)])
    return np.asarray(listed.column("pos").to_numpy(), dtype=np.int64)


def _of_bitmap(content: bytes, where: str) -> npt.NDArray[np.int64]:
    """A 64-bit Roaring bitmap in its portable form, after a magic number of four bytes, as in Delta and Iceberg."""
    from pyroaring import BitMap64

    if int.from_bytes(content[:4], "little") != _BITMAP:
        message = f"the deletion vector in {where} has a form that can't be read"
        raise DataError(message)
    # Its values are unsigned; no file has 2**63 rows.
    return np.array(BitMap64.deserialize(content[4:]).to_array(), dtype=np.int64)


def decoded(text: str) -> bytes:
    """The bytes of a text in Z85 (https://rfc.zeromq.org/spec/32/): five characters for four bytes."""
    return b"".join(_four(text[at : at + 5]) for at in range(0, len(text), 5))


_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def _four(text: str) -> bytes:
    number: Any = 0
    for character in text:
        number = 85 * number + _DIGITS.index(character)
    return int(number).to_bytes(4, "big")
