"""Delta and Iceberg tables that Spark wrote (`written/write.py`): we read the rows that Spark reads, and no others."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.io.pyarrow import PyArrowFile
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestContent, write_manifest
from pyiceberg.serializers import FromInputFile

from ratchet.core.windows import Window
from ratchet.errors import ConfigurationError, DataError, TemporaryError
from ratchet.io.table import inspection, reader
from ratchet.io.table.files import iceberg
from ratchet.io.table.files.filesystem import open_store
from ratchet.io.table.snapshot import Snapshot
from tests.unit.event_tables import WRITTEN, settings, unpacked

TABLES = sorted(path.name.removesuffix(".tar.xz") for path in WRITTEN.glob("*.tar.xz"))
EVER = Window("test", None, date(2100, 1, 1))


def _all(table: inspection.EventTable, names: list[str]) -> pa.Table:
    """The rows as a model gets them, with the day, in an order of their own."""
    found = reader.batches(table, reader.pieces(table, [EVER]), [EVER], names)
    rows = pa.Table.from_batches(found).select([*names, inspection.LABEL, inspection.DAY])
    rows = rows.cast(
        pa.schema([(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in rows.schema])
    )
    return rows.sort_by([(name, "ascending") for name in rows.schema.names])


def _expected(name: str, names: list[str], table: inspection.EventTable) -> pa.Table:
    spark = pq.read_table(WRITTEN / f"{name}.parquet")
    days = spark.column("at").cast(pa.timestamp("us")).cast(pa.date32()).cast(pa.int32()).cast(pa.int64())
    columns = {each: spark.column(each).cast(pa.float64() if each in table.numeric else pa.string()) for each in names}
    rows = pa.table({**columns, inspection.LABEL: spark.column("late"), inspection.DAY: days})
    return rows.sort_by([(each, "ascending") for each in rows.schema.names])


def test_there_are_tables_of_both_kinds() -> None:
    assert len(TABLES) >= 6


@pytest.mark.parametrize("name", TABLES)
def test_we_read_the_rows_that_spark_reads(tmp_path: Path, name: str) -> None:
    table = inspection.inspect(settings(unpacked(name, tmp_path)))
    names = sorted(table.features)
    assert names == sorted(set(pq.read_schema(WRITTEN / f"{name}.parquet").names) - {"at", "late"})
    rows = _all(table, names)
    assert rows.equals(_expected(name, names, table))
    assert sum(file.rows or 0 for file in table.files) == rows.num_rows


@pytest.mark.parametrize("name", TABLES)
def test_a_snapshot_of_it_is_the_same_table_wherever_it_lies(tmp_path: Path, name: str) -> None:
    table = inspection.inspect(settings(unpacked(name, tmp_path)))
    text = Snapshot.of(table, table.end).to_json(table.store)
    again = inspection.inspect(table.settings, Snapshot.from_json(text, table.store).looked)
    assert again == table
    assert _all(again, list(table.features)).equals(_all(table, list(table.features)))


@pytest.mark.parametrize("name", ["delta_vectors", "iceberg_places", "iceberg_vectors"])
def test_rows_that_are_deleted_change_the_digest_though_no_file_is_rewritten(tmp_path: Path, name: str) -> None:
    folder = unpacked(name, tmp_path)
    newest = inspection.inspect(settings(folder))
    kind, number = newest.version.split(maxsplit=1)
    first = inspection.inspect(settings(folder, snapshot=_earlier(folder) if kind == "snapshot" else 1))
    assert {file.fingerprint for file in first.files} & {file.fingerprint for file in newest.files}
    assert inspection.digest(first, EVER) != inspection.digest(newest, EVER)
    assert number.endswith("table")


def _earlier(folder: Path) -> int:
    """The id of the snapshot after the table's first delete."""
    newest = max(folder.glob("metadata/v*.metadata.json"), key=lambda path: int(path.name[1:].partition(".")[0]))
    return json.loads(newest.read_text())["snapshots"][1]["snapshot-id"]


def test_an_older_snapshot_is_read_where_it_is_named_and_an_unknown_one_refused(tmp_path: Path) -> None:
    folder = unpacked("iceberg_vectors", tmp_path)
    older = inspection.inspect(settings(folder, snapshot=_earlier(folder)))
    assert older.version == f"snapshot {_earlier(folder)} of the Iceberg table"
    assert sum(file.rows for file in older.files) > sum(
        file.rows for file in inspection.inspect(settings(folder)).files
    )
    with pytest.raises(ConfigurationError, match=r"data\.snapshot is 5; the Iceberg table .* has the snapshots \d+"):
        inspection.inspect(settings(folder, snapshot=5))


def test_a_deletion_vector_that_is_broken_or_gone_is_said(tmp_path: Path) -> None:
    folder = unpacked("delta_vectors", tmp_path)
    table = inspection.inspect(settings(folder))
    for path in folder.glob("*.bin"):
        content = bytearray(path.read_bytes())
        content[-6] ^= 255
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"deletion vector at .* is corrupt"):
        inspection.inspect(settings(folder))
    for path in folder.glob("*.bin"):
        path.unlink()
    with pytest.raises(TemporaryError, match="has changed since the table was inspected, or is gone"):
        inspection.load(table, EVER, table.features)


def test_the_folder_of_an_iceberg_table_that_has_no_metadata_is_a_folder_of_files(tmp_path: Path) -> None:
    folder = unpacked("iceberg_renamed", tmp_path)
    shutil.rmtree(folder / "metadata")
    with pytest.raises(DataError, match="'fare' is not in"):
        inspection.inspect(settings(folder, numeric=("fare",)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format-version": 9}, "can't be read"),
        ({"current-snapshot-id": -1, "snapshots": [], "refs": {}}, "has no rows"),
    ],
)
def test_metadata_that_cannot_be_followed_are_refused(tmp_path: Path, change, sentence: str) -> None:
    folder = unpacked("iceberg_renamed", tmp_path)
    content = json.loads((folder / "metadata" / "v1.metadata.json").read_text())
    (folder / "metadata" / "v99.metadata.json").write_text(json.dumps(content | change))
    with pytest.raises(DataError, match=sentence):
        inspection.inspect(settings(folder))


def _rewrite(folder: Path, content: ManifestContent, change: Callable[[DataFile], None]) -> None:
    """Write the manifests of an Iceberg table's newest snapshot again, with other entries."""
    store = open_store(str(folder))
    newest = max(folder.glob("metadata/v*.metadata.json"), key=lambda path: int(path.name[1:].partition(".")[0]))
    files = iceberg._files(store, "")
    about = FromInputFile.table_metadata(files.new_input(str(newest)))
    files = iceberg._files(store, about.location)
    snapshot = about.current_snapshot()
    for manifest in (each for each in snapshot.manifests(files) if each.content == content):
        entries = manifest.fetch_manifest_entry(files)
        output = PyArrowFile(manifest.manifest_path, files.located(manifest.manifest_path), store.filesystem)
        spec = about.specs()[manifest.partition_spec_id]
        with write_manifest(2, spec, about.schema(), output, snapshot.snapshot_id, "null") as writer:
            for entry in entries:
                change(entry.data_file)
                writer.existing(entry)


def _with_equality_deletes(folder: Path) -> None:
    _rewrite(folder, ManifestContent.DELETES, lambda file: file._data.__setitem__(0, DataFileContent.EQUALITY_DELETES))


def _with_orc_files(folder: Path) -> None:
    _rewrite(folder, ManifestContent.DATA, lambda file: file._data.__setitem__(2, FileFormat.ORC))


def _with_a_default(folder: Path) -> None:
    newest = max(folder.glob("metadata/v*.metadata.json"), key=lambda path: int(path.name[1:].partition(".")[0]))
    content = json.loads(newest.read_text())
    schema = next(each for each in content["schemas"] if each["schema-id"] == content["current-schema-id"])
    schema["fields"].append({"id": 99, "name": "fee", "required": False, "type": "int", "initial-default": 5})
    changed = content | {"format-version": 3, "last-column-id": 99, "next-row-id": 0}
    newest.write_text(json.dumps(changed))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_with_equality_deletes, "uses equality deletes, which can't be read"),
        (_with_orc_files, "uses ORC files, which can't be read"),
        (_with_a_default, "uses a default value for the column 'fee' in older files, which can't be read"),
    ],
)
def test_what_would_change_the_rows_is_refused_by_its_name(
    tmp_path: Path, change: Callable[[Path], None], sentence: str
) -> None:
    folder = unpacked("iceberg_places", tmp_path)
    change(folder)
    with pytest.raises(DataError, match=sentence):
        inspection.inspect(settings(folder))


@pytest.mark.parametrize("inside", ["", "iceberg_renamed/data"])
def test_what_is_part_of_an_iceberg_table_or_holds_one_is_refused(tmp_path: Path, inside: str) -> None:
    unpacked("iceberg_renamed", tmp_path)
    with pytest.raises(DataError, match=r"(holds|is part of) the Iceberg table .*/iceberg_renamed: "):
        inspection.inspect(settings(tmp_path / inside))
