"""A table as a cycle reads it: recorded by the first trainer to inspect it, read by all others.

`snapshot.json` is an artifact of each run; `jobs.training.pinned_snapshot` finds the one of a cycle. So both engines,
and each attempt, read the same files, and only the first inspects them.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from ratchet.io.table.files.filesystem import Store
from ratchet.io.table.files.table_files import Looked
from ratchet.io.table.table import Deletes, EventTable, File, RowGroup
from ratchet.settings import Data

NAME = "snapshot.json"
_SHAPE = ("columns", "stored", "types")


@dataclass(frozen=True)
class Snapshot:
    """The table as a cycle reads it. as_of: the end of its test window. taken: when the table was inspected."""

    as_of: date
    taken: datetime
    looked: Looked

    @classmethod
    def of(cls, table: EventTable, as_of: date) -> "Snapshot":
        """The snapshot of a table that has just been inspected."""
        looked = Looked(table.format, table.files, table.schema, table.remarks, version=table.version)
        return cls(as_of, datetime.now(UTC).replace(microsecond=0), looked)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that change with any file's content."""
        seal = hashlib.sha256()
        for file in self.looked.files:
            seal.update(f"{file.path}\0{file.size}\0{file.fingerprint}\0{file.deletes}\0".encode())
        return seal.hexdigest()[:16]

    def described(self, uri: str) -> str:
        """A description of it for users, in one sentence."""
        looked = self.looked
        names = {"parquet": "Parquet", "csv": "CSV"}
        count, size = len(looked.files), sum(file.size for file in looked.files) / 1e6
        which = f"{count:,} {names[looked.format]} file{'' if count == 1 else 's'}, {size:,.1f} MB"
        version = "" if looked.version is None else f", {looked.version}"
        return (
            f"Read from {uri}: {which}{version}, as they were at {self.taken:%Y-%m-%d %H:%M} UTC. All steps and "
            f"attempts of the cycle read these; {NAME} of the run lists them."
        )

    def to_json(self, store: Store) -> str:
        """As `from_json` reads it: paths below the root begin with a dot, types are Arrow's messages in Base64."""
        looked = self.looked
        shapes = list(dict.fromkeys((file.columns, file.stored, file.types) for file in looked.files))
        content = {
            "as_of": self.as_of.isoformat(),
            "taken": self.taken.isoformat(),
            "uri": store.uri,
            "format": looked.format,
            "version": looked.version,
            "remarks": looked.remarks,
            "schema": _encoded(looked.schema),
            "shapes": [
                {"columns": columns, "stored": stored, "types": _encoded(_unnamed(types))}
                for columns, stored, types in shapes
            ],
            "files": [
                {
                    **{key: value for key, value in asdict(file).items() if key not in _SHAPE},
                    "path": f".{file.path.removeprefix(store.root)}" if file.path.startswith(store.root) else file.path,
                    "row_groups": [astuple(group) for group in file.row_groups],
                    "shape": shapes.index((file.columns, file.stored, file.types)),
                }
                for file in looked.files
            ],
        }
        return json.dumps(content, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes, store: Store) -> "Snapshot":
        """The snapshot that `to_json` wrote, for a store that has the same files below its root."""
        content = json.loads(text)
        shapes = [
            {
                "columns": tuple(each["columns"]),
                "stored": tuple(each["stored"]),
                "types": tuple(_decoded(each["types"]).types),
            }
            for each in content["shapes"]
        ]
        looked = Looked(
            content["format"],
            tuple(_file(each | shapes[each.pop("shape")], store) for each in content["files"]),
            _decoded(content["schema"]),
            tuple(content["remarks"]),
            version=content["version"],
        )
        return cls(date.fromisoformat(content["as_of"]), datetime.fromisoformat(content["taken"]), looked)


def asked(settings: Data) -> str:
    """16 hexadecimal digits that change with any setting of what is read, since such settings change the snapshot."""
    return hashlib.sha256(settings.model_dump_json(exclude={"checks", "bounds"}).encode()).hexdigest()[:16]


def _file(given: Mapping[str, Any], store: Store) -> File:
    return File(
        **{
            **given,
            "path": store.root + given["path"][1:] if given["path"].startswith(".") else given["path"],
            "row_groups": tuple(RowGroup(*group) for group in given["row_groups"]),
            "partitions": tuple((name, value) for name, value in given["partitions"]),
            "deletes": tuple(Deletes(**each) for each in given["deletes"]),
            "unnamed": tuple(given["unnamed"]),
        }
    )


def _unnamed(types: tuple[pa.DataType, ...]) -> pa.Schema:
    return pa.schema([pa.field(str(place), kind) for place, kind in enumerate(types)])


def _encoded(schema: pa.Schema) -> str:
    return b64encode(schema.serialize().to_pybytes()).decode()


def _decoded(text: str) -> pa.Schema:
    return pa.ipc.read_schema(pa.BufferReader(b64decode(text)))
