"""Delta tables: the files of a snapshot, according to the table's log.

The log is replayed as its protocol says (https://github.com/delta-io/delta/blob/master/PROTOCOL.md): the newest
checkpoint, then each commit after it. This takes little code, and the one reader of all tables reads the files
themselves. A feature of the protocol that would change which rows count is rejected by name.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from ratchet.errors import ConfigurationError, DataError
from ratchet.io.table.files.filesystem import Store, explained
from ratchet.io.table.files.transaction_log import Log, Logged, Naming, decoded
from ratchet.io.table.table import Deletes

LOG = "_delta_log"
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.\d{10}\.(\d{10})|\.([0-9a-f-]{36}))?\.(?:parquet|json)")
_SIDECARS = "_sidecars"
_READER_VERSION = 3
# Features that do not affect the rows of the listed files, or that are supported.
_FOLLOWED = {
    *("timestampNtz", "vacuumProtocolCheck", "typeWidening", "typeWidening-preview", "columnMapping"),
    *("deletionVectors", "v2Checkpoint", "variantType", "variantType-preview"),
}
_PHYSICAL = "delta.columnMapping.physicalName"
_NUMBER = 20
_TYPES = {
    "byte": pa.int8(),
    "short": pa.int16(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "timestamp_ntz": pa.timestamp("us"),
}
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")


@dataclass
class _Snapshot:
    """The state of the replay. files: those added and not removed, by path below the root.

    kinds: types of the columns by their names in the table; inside: these names, by the physical names in files and
    partitions.
    """

    files: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    kinds: dict[str, Any] = field(default_factory=dict)
    inside: dict[str, str] = field(default_factory=dict)
    partitions: tuple[str, ...] = ()

    def apply(self, action: Mapping[str, Any], where: str) -> None:
        """Apply one action of the log. Raises DataError for an unsupported one."""
        if (added := action.get("add")) is not None:
            self._add(added, where)
        elif (removed := action.get("remove")) is not None:
            path = unquote(removed["path"])
            # A new deletion vector re-adds the same file in the same commit, in any order.
            if path in self.files and _vector(self.files[path]) == _vector(removed):
                del self.files[path]
        elif (metadata := action.get("metaData")) is not None:
            self._describe(metadata)
        elif (protocol := action.get("protocol")) is not None:
            unknown = sorted(set(protocol.get("readerFeatures") or ()) - _FOLLOWED)
            if unknown:
                raise DataError(_refusal(where, unknown[0]))
            if protocol["minReaderVersion"] > _READER_VERSION:
                raise DataError(_refusal(where, f"version {protocol['minReaderVersion']} of the protocol"))

    def _add(self, added: Mapping[str, Any], where: str) -> None:
        path = unquote(added["path"])
        if "://" in path or path.startswith("/"):
            message = (
                f"the Delta table {where} has a file elsewhere, {path} (a shallow clone): only whole tables are read"
            )
            raise DataError(message)
        self.files[path] = added

    def _describe(self, metadata: Mapping[str, Any]) -> None:
        mapped = dict(metadata.get("configuration") or {}).get("delta.columnMapping.mode", "none") != "none"
        fields = json.loads(metadata["schemaString"])["fields"]
        self.kinds = {each["name"]: each["type"] for each in fields}
        self.inside = {each["metadata"][_PHYSICAL] if mapped else each["name"]: each["name"] for each in fields}
        self.partitions = tuple(metadata.get("partitionColumns") or ())

    def log(self, store: Store, version: int) -> Log:
        """The result of the replay."""
        return Log(
            f"version {version} of the Delta table",
            tuple(self._logged(store, path, added) for path, added in self.files.items()),
            Naming(names=self.inside) if self.inside else None,
            {
                name: _type(kind)
                for name, kind in self.kinds.items()
                if name in self.partitions or isinstance(kind, str)
            },
        )

    def _logged(self, store: Store, path: str, added: Mapping[str, Any]) -> Logged:
        values = added.get("partitionValues") or {}
        # A map in a checkpoint is a list of pairs.
        pairs = values.items() if isinstance(values, Mapping) else values
        partitions = {self.inside[name]: self._value(name, value) for name, value in pairs if name in self.inside}
        vector = added.get("deletionVector")
        deletes = () if vector is None else (_deletes(store, vector),)
        return Logged(f"{store.root}/{path}", int(added.get("size") or 0), partitions, deletes)

    def _value(self, name: str, value: str | None) -> str | None:
        """A partition value; instants, written without a zone or in UTC, always end with Z."""
        instant = self.kinds[self.inside[name]] == "timestamp"
        return f"{value}Z" if value and instant and not value.endswith("Z") else value or None


def _type(kind: object) -> pa.DataType:
    decimal = _DECIMAL.fullmatch(str(kind))
    return pa.decimal128(int(decimal[1]), int(decimal[2])) if decimal else _TYPES.get(str(kind), pa.string())


def _vector(action: Mapping[str, Any]) -> tuple[Any, ...] | None:
    vector = action.get("deletionVector")
    return None if vector is None else (vector["storageType"], vector["pathOrInlineDv"], vector.get("offset"))


def _deletes(store: Store, vector: Mapping[str, Any]) -> Deletes:
    """The location of a deletion vector: inline in the log, or a file named by a UUID, optionally in a folder."""
    text = vector["pathOrInlineDv"]
    if vector["storageType"] == "i":
        return Deletes(inline=decoded(text).hex())
    if vector["storageType"] != "u":
        message = f"the Delta table {store.uri} has a deletion vector elsewhere, {text}: only whole tables are read"
        raise DataError(message)
    folder, number = text[:-_NUMBER], UUID(bytes=decoded(text[-_NUMBER:]))
    path = "/".join(part for part in (store.root, folder, f"deletion_vector_{number}.bin") if part)
    return Deletes(path, offset=vector.get("offset") or 0)


def _refusal(where: str, feature: str) -> str:
    return f"the Delta table {where} uses {feature}, which can't be read"


def is_one(store: Store) -> bool:
    """Whether the folder has a log. Raises DataError or TemporaryError if it can't be inspected."""
    with explained(store.uri):
        return bool(store.filesystem.get_file_info(f"{store.root}/{LOG}").type == fs.FileType.Directory)


def snapshot(store: Store, version: int | None) -> Log:
    """The newest snapshot of a table, or the one of a version.

    Raises ConfigurationError for a version that does not exist, DataError for a log that can't be replayed.
    """
    with explained(f"{store.uri}/{LOG}"):
        listed = store.filesystem.get_file_info(fs.FileSelector(f"{store.root}/{LOG}", allow_not_found=True))
    names = sorted(item.base_name for item in listed if item.is_file)
    commits = {int(found[1]): name for name in names if (found := _COMMIT.fullmatch(name))}
    wanted = max(commits, default=-1) if version is None else version
    checkpoint, parts = _checkpoint(names, wanted)
    missing = [number for number in range(checkpoint + 1, wanted + 1) if number not in commits]
    if wanted < 0 or missing:
        _refuse(store, version, sorted(commits))
    made = _Snapshot()
    for name in (*parts, *(commits[number] for number in range(checkpoint + 1, wanted + 1))):
        for action in _actions(store, name):
            try:
                made.apply(action, store.uri)
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                message = (
                    f"the file {store.uri}/{LOG}/{name} can't be replayed: {json.dumps(action, default=str)[:200]}"
                )
                raise DataError(message) from error
    return made.log(store, wanted)


def _checkpoint(names: list[str], wanted: int) -> tuple[int, list[str]]:
    """The newest complete checkpoint that is not newer than `wanted`: its version, −1 without one, and its files."""
    found: dict[tuple[int, int, str], list[str]] = {}
    for name in names:
        if (match := _CHECKPOINT.fullmatch(name)) and int(match[1]) <= wanted:
            found.setdefault((int(match[1]), int(match[2] or 1), match[3] or ""), []).append(name)
    whole = [key for key, files in found.items() if len(files) == key[1]]
    newest = max(whole, default=(-1, 0, ""))
    return newest[0], found.get(newest, [])


def _refuse(store: Store, version: int | None, commits: list[int]) -> None:
    if version is not None:
        there = f"{commits[0]} to {commits[-1]}" if commits else "none"
        message = f"data.snapshot is {version}; the log of {store.uri} has the versions {there}"
        raise ConfigurationError(message)
    message = f"the log of the Delta table {store.uri} has gaps: it can't be replayed"
    raise DataError(message)


def _actions(store: Store, name: str) -> Iterator[Mapping[str, Any]]:
    """The actions in a file of the log; a part of a checkpoint may be in other files, its sidecars."""
    for action in _rows(store, name) if name.endswith(".parquet") else _lines(store, name):
        if isinstance(action, Mapping) and (sidecar := action.get("sidecar")) is not None:
            yield from _rows(store, f"{_SIDECARS}/{sidecar['path'].rpartition('/')[2]}")
        else:
            yield action


def _rows(store: Store, name: str) -> Iterator[Mapping[str, Any]]:
    path = f"{store.root}/{LOG}/{name}"
    with explained(f"{store.uri}/{LOG}/{name}"), store.filesystem.open_input_file(path) as handle:
        reader = pq.ParquetFile(handle)
        wanted = [each for each in ("protocol", "metaData", "add", "sidecar") if each in reader.schema_arrow.names]
        for batch in reader.iter_batches(columns=wanted):
            yield from batch.to_pylist()


def _lines(store: Store, name: str) -> Iterator[Mapping[str, Any]]:
    path = f"{store.root}/{LOG}/{name}"
    with explained(f"{store.uri}/{LOG}/{name}"), store.filesystem.open_input_stream(path) as stream:
        content = stream.read()
    try:
        yield from (json.loads(line) for line in content.decode().split("\n") if line.strip())
    except ValueError as error:
        message = f"the file {store.uri}/{LOG}/{name} can't be read, it seems to be corrupt: {error}"
        raise DataError(message) from error
