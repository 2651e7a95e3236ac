"""Iceberg tables: the files of a snapshot, according to the table's metadata, without a catalog.

pyiceberg reads the metadata and the manifests; the one reader of all tables reads the files themselves. Unsupported
features that would change which rows count are rejected by name.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from ratchet.errors import ConfigurationError, DataError, RatchetError, first_line
from ratchet.io.table import columns
from ratchet.io.table.files.filesystem import Store, explained
from ratchet.io.table.files.transaction_log import Log, Logged, Naming
from ratchet.io.table.table import Deletes

FOLDER = "metadata"
METADATA = re.compile(r"v?(\d+)?.*\.metadata\.json(?:\.gz)?")


def is_one(store: Store) -> bool:
    """Whether the folder has Iceberg metadata. Raises DataError or TemporaryError if it can't be inspected."""
    with explained(store.uri):
        return bool(_metadata(store))


def _metadata(store: Store) -> list[tuple[int, int, str]]:
    """Number, time and path of each metadata file, the oldest first."""
    selector = fs.FileSelector(f"{store.root}/{FOLDER}", allow_not_found=True)
    listed = [item for item in store.filesystem.get_file_info(selector) if item.is_file]
    found = [(match, item) for item in listed if (match := METADATA.fullmatch(item.base_name))]
    return sorted((int(match[1] or 0), item.mtime_ns or 0, item.path) for match, item in found)


def snapshot(store: Store, wanted: int | None) -> Log:
    """The newest snapshot of a table, or the one with an id.

    Raises ConfigurationError for an id that does not exist, DataError for an unsupported or corrupt table.
    """
    with explained(store.uri):
        newest = _metadata(store)[-1][2]
        try:
            return _snapshot(store, newest, wanted)
        except (RatchetError, OSError, pa.ArrowException):
            raise
        except Exception as error:  # pyiceberg raises many kinds of errors
            message = f"the Iceberg table {store.uri} can't be read: {first_line(error)}"
            raise DataError(message) from error


def _snapshot(store: Store, newest: str, wanted: int | None) -> Log:
    from pyiceberg.catalog.noop import NoopCatalog
    from pyiceberg.serializers import FromInputFile
    from pyiceberg.table import StaticTable

    io = _files(store, "")
    about = FromInputFile.table_metadata(io.new_input(newest))
    io = _files(store, about.location)
    _check_there(store, about, wanted)
    scan = StaticTable(("table",), about, newest, io, NoopCatalog("table")).scan(snapshot_id=wanted)
    schema = scan.projection()
    for column in schema.fields:
        if column.initial_default is not None:
            raise DataError(_refusal(store, f"a default value for the column {column.name!r} in older files"))
    specs = {number: _identities(spec, schema) for number, spec in about.specs().items()}
    return Log(
        f"snapshot {about.current_snapshot_id if wanted is None else wanted} of the Iceberg table",
        tuple(_logged(store, io, task, specs[task.file.spec_id]) for task in _planned(store, scan)),
        Naming({column.field_id: column.name for column in schema.fields}, dict(_names(about, schema))),
        {each.name: columns.plain(each.type) for each in schema.as_arrow()},
    )


def _check_there(store: Store, about: Any, wanted: int | None) -> None:
    ids = [each.snapshot_id for each in about.snapshots]
    if wanted is not None and wanted not in ids:
        there = ", ".join(map(str, ids[-5:])) or "none"
        message = f"data.snapshot is {wanted}; the Iceberg table {store.uri} has the snapshots {there}"
        raise ConfigurationError(message)


def _planned(store: Store, scan: Any) -> list[Any]:
    """The files of a snapshot, each with its delete files."""
    try:
        return list(scan.plan_files())
    except ValueError as error:
        if "equality" in str(error).lower():
            raise DataError(_refusal(store, "equality deletes")) from error
        raise


def _logged(store: Store, io: Any, task: Any, identities: Sequence[tuple[int, Any, Any, Any]]) -> Logged:
    file = task.file
    if file.file_format.value != "PARQUET":
        raise DataError(_refusal(store, f"{file.file_format.value} files"))
    deletes = tuple(each for delete in task.delete_files for each in _deletes(io, delete, file.file_path))
    partitions = {
        column.name: None if file.partition[place] is None else transform.to_human_string(kind, file.partition[place])
        for place, column, transform, kind in identities
    }
    return Logged(io.located(file.file_path), file.file_size_in_bytes, partitions, deletes)


def _names(about: Any, schema: Any) -> Iterator[tuple[str, str]]:
    """The table's names of columns in files without field ids, according to its name mapping."""
    mapping = about.name_mapping()
    for each in mapping or ():
        if each.field_id in schema.field_ids:
            yield from ((name, schema.find_column_name(each.field_id)) for name in each.names)


def _identities(spec: Any, schema: Any) -> list[tuple[int, Any, Any, Any]]:
    """The columns that a file may lack because its partition has their value: position, column, transform, type."""
    from pyiceberg.transforms import IdentityTransform

    return [
        (place, schema.find_field(field.source_id), field.transform, schema.find_field(field.source_id).field_type)
        for place, field in enumerate(spec.fields)
        if isinstance(field.transform, IdentityTransform) and field.source_id in schema.field_ids
    ]


def _deletes(io: Any, delete: Any, data_file: str) -> Iterator[Deletes]:
    """The lists of a data file's deleted rows: a bitmap in a Puffin file, or a file of positions."""
    from pyiceberg.table.puffin import PuffinFile

    path = io.located(delete.file_path)
    if delete.file_format.value != "PUFFIN":
        yield Deletes(path, data_file=data_file)
        return
    with io.new_input(delete.file_path).open() as stream:
        blobs = PuffinFile(stream.read()).footer.blobs
    for blob in blobs:
        if blob.properties.get("referenced-data-file") == data_file:
            yield Deletes(path, offset=blob.offset)


def _files(store: Store, location: str) -> Any:
    """File access for pyiceberg through the store, with its endpoint and credentials.

    location: the table's location according to its metadata. The table may have been copied or renamed since, and
    writers use s3a:// or file: for the same location.
    """
    from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

    believed = _plain(location)

    class Files(PyArrowFileIO):
        def located(self, address: str) -> str:
            path = _plain(address)
            inside = believed and path.startswith(f"{believed}/")
            return store.root + path.removeprefix(believed) if inside else path

        def new_input(self, location: str) -> PyArrowFile:
            return PyArrowFile(location=location, path=self.located(location), fs=store.filesystem)

    return Files()


def _plain(address: str) -> str:
    """The path of an address in the filesystem of its scheme."""
    parts = urlsplit(address)
    if parts.scheme in ("", "file"):
        return parts.path.rstrip("/") if parts.scheme else address.rstrip("/")
    return f"{parts.netloc}{parts.path}".rstrip("/")


def _refusal(store: Store, feature: str) -> str:
    return f"the Iceberg table {store.uri} uses {feature}, which can't be read"
