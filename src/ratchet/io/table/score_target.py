"""The target of batch scoring: a folder that holds one result, which is complete if `_SUCCESS` exists.

A call writes `_STARTED` first, removes `_SUCCESS` and the files of an earlier call, and writes `_SUCCESS` last. So a
reader that waits for `_SUCCESS` never sees a partial result or rows of two versions, wherever a call was killed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from ratchet.errors import ConfigurationError, TemporaryError
from ratchet.io.table.files.filesystem import Store, explained, open_store

LABEL, PROBABILITY, VERSION = "predicted_label", "probability", "model_version"
RESULT = (LABEL, PROBABILITY, VERSION)
STARTED, SUCCESS = "_STARTED", "_SUCCESS"
FIELDS = (pa.field(LABEL, pa.int32()), pa.field(PROBABILITY, pa.float64()), pa.field(VERSION, pa.int32()))
# Files that a killed call, or Spark on its behalf, leaves behind; those with a dot are Hadoop's local checksums.
_OURS = ("part-", ".part-", SUCCESS, "_temporary", "__magic", "._")
_FILE_ROWS = 2**20
_THREADS = 16


@dataclass(frozen=True)
class Target:
    """A folder or prefix for a result. call: an id of the call that writes it."""

    uri: str
    store: Store
    call: str

    @classmethod
    def of(cls, uri: str, source: Store, call: str) -> "Target":
        """The target at an address, untouched. source: where the rows come from.

        Raises ConfigurationError if the target and the source overlap, or if it holds files that Ratchet did not write.
        """
        target = cls(uri, open_store(uri, "the target of the scores"), call)
        if target.store.remote == source.remote and _overlap(target.store.root, source.root):
            message = f"the scores would go to {uri}, which overlaps with the table {source.uri}"
            raise ConfigurationError(message)
        target._check_own()
        return target

    def begin(self, about: Mapping[str, Any]) -> None:
        """Begin a result: remove the files of an earlier call, its `_SUCCESS` first.

        about: a description of the call, for operators. Raises RatchetError if nothing can be written.
        """
        with explained(self.uri, "writing"):
            if not self.store.remote:
                self.store.filesystem.create_dir(self.store.root, recursive=True)
            self._write(STARTED, {**about, "call": self.call})
            for path in sorted(self._files(), key=lambda path: not path.endswith(f"/{SUCCESS}")):
                if not path.endswith(f"/{STARTED}"):
                    self.store.filesystem.delete_file(path)

    def finish(self, version: int, rows: int, about: Mapping[str, Any]) -> None:
        """Mark the result as complete, with this number of rows, all of one version. about: facts for operators.

        Raises TemporaryError if another call has begun or written files meanwhile.
        """
        with explained(self.uri, "writing"):
            parts = sorted(path for path in self._files() if path.endswith(".parquet"))
            if self._read(STARTED).get("call") != self.call or not self._holds(parts, version, rows):
                message = f"another call has written scores to {self.uri} meanwhile: run one at a time, this one again"
                raise TemporaryError(message)
            names = [path.rpartition("/")[2] for path in parts]
            self._write(SUCCESS, {**about, "version": version, "rows": rows, "files": names})

    @contextmanager
    def writer(self, schema: pa.Schema) -> Iterator["Parts"]:
        """Writes chunks of rows as they come to `part-00000.parquet` and so on; schema: of the rows with the scores."""
        parts = Parts(self, schema)
        try:
            yield parts
        finally:
            parts.close()

    def _holds(self, parts: Sequence[str], version: int, rows: int) -> bool:
        """Whether the files have that many rows, all of that version, according to their footers."""
        with ThreadPoolExecutor(_THREADS) as pool:
            footers = list(pool.map(self._footer, parts))
        groups = [footer.row_group(place) for footer in footers for place in range(footer.num_row_groups)]
        versions = [_limits(group) for group in groups if group.num_rows]
        return sum(footer.num_rows for footer in footers) == rows and set(versions) <= {(version, version)}

    def _footer(self, path: str) -> pq.FileMetaData:
        with self.store.filesystem.open_input_file(path) as handle:
            return pq.read_metadata(handle)

    def _check_own(self) -> None:
        with explained(self.uri):
            names = [self.store.relative(path) for path in self._files()]
        foreign = [name for name in names if STARTED not in names or not name.startswith((*_OURS, STARTED))]
        if foreign:
            message = (
                f"{self.uri} holds {min(foreign)}, which `ratchet score` did not write; "
                "an empty folder or the result of an earlier call is accepted"
            )
            raise ConfigurationError(message)

    def _files(self) -> list[str]:
        selector = fs.FileSelector(self.store.root, recursive=True, allow_not_found=True)
        if self.store.filesystem.get_file_info(self.store.root).type == fs.FileType.File:
            message = f"{self.uri} is a file; the scores go to a folder"
            raise ConfigurationError(message)
        return [item.path for item in self.store.filesystem.get_file_info(selector) if item.is_file]

    def _read(self, name: str) -> dict[str, Any]:
        path = f"{self.store.root}/{name}"
        if self.store.filesystem.get_file_info(path).type != fs.FileType.File:
            return {}
        with self.store.filesystem.open_input_stream(path) as stream:
            found: dict[str, Any] = json.loads(stream.read() or b"{}")
        return found

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        with self.store.filesystem.open_output_stream(f"{self.store.root}/{name}") as stream:
            stream.write((json.dumps(content, ensure_ascii=False) + "\n").encode())


class Parts:
    """The files of a result, written one after the other with a limited number of rows each."""

    def __init__(self, target: Target, schema: pa.Schema) -> None:
        self._target = target
        self._schema = schema
        self._writer: pq.ParquetWriter | None = None
        self._rows = 0
        self._number = 0

    def write(self, rows: pa.Table) -> None:
        """Append rows, which become a row group. Raises RatchetError if the store rejects them."""
        with explained(self._target.uri, "writing"):
            if self._writer is None:
                path = f"{self._target.store.root}/part-{self._number:05}.parquet"
                self._writer = pq.ParquetWriter(path, self._schema, filesystem=self._target.store.filesystem)
            self._writer.write_table(rows, row_group_size=max(rows.num_rows, 1))
            self._rows += rows.num_rows
        if self._rows >= _FILE_ROWS:
            self.close()

    def close(self) -> None:
        """Close the current file."""
        writer, self._writer = self._writer, None
        if writer is not None:
            self._rows, self._number = 0, self._number + 1
            with explained(self._target.uri, "writing"):
                writer.close()


def _limits(group: Any) -> tuple[int, int]:
    """The least and the greatest version in a row group."""
    columns = (group.column(place) for place in reversed(range(group.num_columns)))
    statistics = next(column.statistics for column in columns if column.path_in_schema == VERSION)
    return statistics.min, statistics.max


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
