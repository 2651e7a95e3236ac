"""Delta tables: which files make a snapshot, by the log that lies beside them.

The log is replayed as its protocol says (https://github.com/delta-io/delta/blob/master/PROTOCOL.md): the newest
checkpoint, then each commit after it. What that needs is little, and the files themselves are read by the one reader of
all tables. A feature of the protocol that would change which rows count is refused by its name.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from ratchet.errors import ConfigurationError, DataError
from ratchet.io.store import Store, explained

LOG = "_delta_log"
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.\d{10}\.(\d{10}))?\.parquet")
_V2_CHECKPOINT = re.compile(r"\d{20}\.checkpoint\.[0-9a-f-]{36}\.(?:json|parquet)")
# Features that leave the rows of the listed files as they are, or that are looked at where they are used.
_FOLLOWED = {"timestampNtz", "vacuumProtocolCheck", "typeWidening", "columnMapping", "deletionVectors", "v2Checkpoint"}
_TYPES = {
    "byte": pa.int8(),
    "short": pa.int16(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
}


@dataclass
class Snapshot:
    """The files of a version by their paths below the root: their bytes, and the values that their partitions have.

    partitions: the types of the columns that are in no file. columns: the names of all; empty where the log has none.
    """

    version: int = -1
    files: dict[str, tuple[int, dict[str, str | None]]] = field(default_factory=dict)
    partitions: dict[str, pa.DataType] = field(default_factory=dict)
    columns: tuple[str, ...] = ()

    def apply(self, action: Mapping[str, Any], where: str) -> None:
        """Follow one line of the log. Raises DataError for what can't be followed."""
        if (added := action.get("add")) is not None:
            self._add(added, where)
        elif (removed := action.get("remove")) is not None:
            self.files.pop(unquote(removed["path"]), None)
        elif (metadata := action.get("metaData")) is not None:
            self._describe(metadata, where)
        elif (protocol := action.get("protocol")) is not None:
            unknown = sorted(set(protocol.get("readerFeatures") or ()) - _FOLLOWED)
            if unknown:
                raise DataError(_refusal(where, unknown[0]))

    def _add(self, added: Mapping[str, Any], where: str) -> None:
        path = unquote(added["path"])
        if added.get("deletionVector"):
            raise DataError(_refusal(where, "deletionVectors", "; the table's owner can purge them"))
        if "://" in path or path.startswith("/"):
            message = (
                f"the Delta table {where} has a file elsewhere, {path} (a shallow clone): only whole tables are read"
            )
            raise DataError(message)
        values = added.get("partitionValues") or {}
        # A map in a checkpoint is a list of pairs.
        pairs = values.items() if isinstance(values, Mapping) else values
        self.files[path] = (int(added.get("size") or 0), {name: value or None for name, value in pairs})

    def _describe(self, metadata: Mapping[str, Any], where: str) -> None:
        configuration = dict(metadata.get("configuration") or {})
        if configuration.get("delta.columnMapping.mode", "none") != "none":
            raise DataError(_refusal(where, "columnMapping"))
        fields = json.loads(metadata["schemaString"])["fields"]
        self.columns = tuple(each["name"] for each in fields)
        kinds = {each["name"]: each["type"] for each in fields}
        self.partitions = {
            name: _TYPES.get(str(kinds[name]), pa.string()) for name in metadata.get("partitionColumns") or ()
        }


def _refusal(where: str, feature: str, hint: str = "") -> str:
    return f"the Delta table {where} uses {feature}, which can't be read{hint}"


def is_delta(store: Store) -> bool:
    """Whether a log lies in the folder. Raises DataError or TemporaryError where it can't be looked at."""
    with explained(store.uri):
        return bool(store.filesystem.get_file_info(f"{store.root}/{LOG}").type == fs.FileType.Directory)


def snapshot(store: Store, version: int | None) -> Snapshot:
    """The newest snapshot of a table, or the one of a version.

    Raises ConfigurationError for a version that isn't there, DataError for a log that can't be followed.
    """
    with explained(f"{store.uri}/{LOG}"):
        listed = store.filesystem.get_file_info(fs.FileSelector(f"{store.root}/{LOG}", allow_not_found=True))
    names = sorted(item.base_name for item in listed if item.is_file)
    commits = {int(found[1]): name for name in names if (found := _COMMIT.fullmatch(name))}
    wanted = max(commits, default=-1) if version is None else version
    checkpoint, parts = _checkpoint(names, wanted)
    missing = [number for number in range(checkpoint + 1, wanted + 1) if number not in commits]
    if wanted < 0 or missing:
        _refuse(store, version, names, sorted(commits))
    made = Snapshot(wanted)
    for name in parts:
        for action in _rows(store, name):
            made.apply(action, store.uri)
    for number in range(checkpoint + 1, wanted + 1):
        for action in _lines(store, commits[number]):
            made.apply(action, store.uri)
    return made


def _checkpoint(names: list[str], wanted: int) -> tuple[int, list[str]]:
    """The newest checkpoint that is whole and not newer than wanted: its version, −1 without one, and its files."""
    found: dict[int, list[str]] = {}
    parts: dict[int, int] = {}
    for name in names:
        if (match := _CHECKPOINT.fullmatch(name)) and int(match[1]) <= wanted:
            found.setdefault(int(match[1]), []).append(name)
            parts[int(match[1])] = int(match[2] or 1)
    whole = [number for number, files in found.items() if len(files) == parts[number]]
    newest = max(whole, default=-1)
    return newest, found.get(newest, [])


def _refuse(store: Store, version: int | None, names: list[str], commits: list[int]) -> None:
    if any(_V2_CHECKPOINT.fullmatch(name) for name in names):
        raise DataError(_refusal(store.uri, "v2Checkpoint"))
    if version is not None:
        there = f"{commits[0]} to {commits[-1]}" if commits else "none"
        message = f"data.snapshot is {version}; the log of {store.uri} has the versions {there}"
        raise ConfigurationError(message)
    message = f"the log of the Delta table {store.uri} has gaps: it can't be replayed"
    raise DataError(message)


def _rows(store: Store, name: str) -> Iterator[Mapping[str, Any]]:
    path = f"{store.root}/{LOG}/{name}"
    with explained(f"{store.uri}/{LOG}/{name}"), store.filesystem.open_input_file(path) as handle:
        reader = pq.ParquetFile(handle)
        wanted = [each for each in ("protocol", "metaData", "add") if each in reader.schema_arrow.names]
        for batch in reader.iter_batches(columns=wanted):
            yield from batch.to_pylist()


def _lines(store: Store, name: str) -> Iterator[Mapping[str, Any]]:
    path = f"{store.root}/{LOG}/{name}"
    with explained(f"{store.uri}/{LOG}/{name}"), store.filesystem.open_input_stream(path) as stream:
        text = stream.read().decode()
    try:
        yield from (json.loads(line) for line in text.splitlines() if line.strip())
    except ValueError as error:
        message = f"the file {store.uri}/{LOG}/{name} can't be read, it seems to be corrupt: {error}"
        raise DataError(message) from error
