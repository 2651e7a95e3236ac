"""Delta and Iceberg tables that Spark wrote (`written/write.py`): we read the rows that Spark reads, and no others."""

import json
import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratchet.core.windows import Window
from ratchet.errors import ConfigurationError, DataError, TemporaryError
from ratchet.io.table import inspection, reader
from ratchet.io.table.snapshot import Snapshot
from tests.unit.event_tables import WRITTEN, settings, unpacked

TABLES = sorted(path.name.removesuffix(".tar.xz") for path in WRITTEN.glob("*.tar.xz"))
EVER = Window("test", None, date(2100, 1, 1))


def _all(table: inspection.Table, names: list[str]) -> pa.Table:
    """The rows as a model gets them, with the day, in an order of their own."""
    found = reader.batches(table, reader.pieces(table, [EVER]), [EVER], names)
    rows = pa.Table.from_batches(found).select([*names, "__label__", "__day__"])
    rows = rows.cast(
        pa.schema([(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in rows.schema])
    )
    return rows.sort_by([(name, "ascending") for name in rows.schema.names])


def _expected(name: str, names: list[str], table: inspection.Table) -> pa.Table:
    spark = pq.read_table(WRITTEN / f"{name}.parquet")
    days = spark.column("at").cast(pa.timestamp("us")).cast(pa.date32()).cast(pa.int32()).cast(pa.int64())
    columns = {each: spark.column(each).cast(pa.float64() if each in table.numeric else pa.string()) for each in names}
    rows = pa.table({**columns, "__label__": spark.column("late"), "__day__": days})
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
    with pytest.raises(TemporaryError, match="has changed since the table was looked at, or is gone"):
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
