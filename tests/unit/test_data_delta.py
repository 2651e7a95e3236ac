"""Delta tables, written by Delta's own library: the rows of a snapshot and no others."""

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from ratchet.errors import ConfigurationError, DataError
from ratchet.io.table import inspection
from tests.unit.event_tables import DECEMBER, FIRST, NOVEMBER, ROWS, columns, parquet, settings


def _table(**changed) -> pa.Table:
    return pa.table(columns(**changed))


def _loaded(path: Path, **changed):
    table = inspection.inspect(settings(path, **changed))
    return table, [inspection.load(table, window, table.features).frame for window in (NOVEMBER, DECEMBER)]


def test_rows_that_were_replaced_or_deleted_do_not_count(tmp_path: Path) -> None:
    write_deltalake(tmp_path, _table(speed=pa.array([99.0] * ROWS)))
    write_deltalake(tmp_path, _table(), mode="overwrite")
    DeltaTable(tmp_path).delete("carrier = 'AA'")
    _, (november, december) = _loaded(tmp_path)
    assert len(november) + len(december) == sum(row % 3 != 0 for row in range(ROWS))
    assert november["speed"].max() == 6.0
    assert set(november["carrier"]) == {"BB", "CC"}


def test_an_older_snapshot_is_read_where_it_is_named(tmp_path: Path) -> None:
    write_deltalake(tmp_path, _table(speed=pa.array([99.0] * ROWS)))
    write_deltalake(tmp_path, _table(), mode="overwrite")
    _, (november, _) = _loaded(tmp_path, snapshot=0)
    assert set(november["speed"]) == {99.0}
    with pytest.raises(ConfigurationError, match=r"data\.snapshot is 7; the log of .* has the versions 0 to 1"):
        _loaded(tmp_path, snapshot=7)


def test_partitions_are_columns_with_their_types_and_names_are_decoded(tmp_path: Path) -> None:
    made = _table(carrier=pa.array([("A/A", "B B", None)[row % 3] for row in range(ROWS)]))
    write_deltalake(tmp_path, made, partition_by=["stops", "carrier"])
    table, (november, _) = _loaded(tmp_path)
    assert (table.numeric, table.categorical) == (("speed", "stops"), ("carrier",))
    assert november["stops"].value_counts().to_dict() == {0.0: 40, 1.0: 40, 2.0: 40}
    assert november["carrier"].value_counts(dropna=False).sort_index().tolist() == [40, 40, 40]


def test_a_log_with_a_checkpoint_whose_first_commits_are_gone_is_read(tmp_path: Path) -> None:
    write_deltalake(tmp_path, _table(), partition_by=["carrier"])
    for _ in range(3):
        DeltaTable(tmp_path).optimize.compact()
        write_deltalake(tmp_path, _table().slice(0, 4), mode="append", partition_by=["carrier"])
    DeltaTable(tmp_path).create_checkpoint()
    DeltaTable(tmp_path).optimize.compact()
    for commit in sorted((tmp_path / "_delta_log").glob("*.json"))[:3]:
        commit.unlink()
    _, (november, december) = _loaded(tmp_path)
    assert (len(november), len(december)) == (120 + 12, 124)


def test_a_column_that_came_later_is_missing_before(tmp_path: Path) -> None:
    write_deltalake(tmp_path, _table(speed=None))
    write_deltalake(tmp_path, _table(), mode="append", schema_mode="merge")
    _, (november, _) = _loaded(tmp_path)
    assert november["speed"].isna().sum() == 120


def test_a_log_without_metadata_names_its_files(tmp_path: Path) -> None:
    """Some write no more than that; Delta's own library refuses it."""
    parquet(tmp_path / "old.parquet", columns(speed=pa.array([99.0] * ROWS)))
    parquet(tmp_path / "new.parquet")
    log = tmp_path / "_delta_log"
    log.mkdir()
    (log / f"{0:020}.json").write_text('{"add":{"path":"old.parquet"}}\n')
    (log / f"{1:020}.json").write_text('{"remove":{"path":"old.parquet"}}\n{"add":{"path":"new.parquet"}}\n')
    _, (november, december) = _loaded(tmp_path)
    assert (len(november), len(december), november["speed"].max()) == (120, 124, 6.0)


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        ({"protocol": {"minReaderVersion": 3, "readerFeatures": ["catalogManaged"]}}, "uses catalogManaged, which"),
        (
            {"add": {"path": "a.parquet", "deletionVector": {"storageType": "p", "pathOrInlineDv": "s3://b/v.bin"}}},
            "has a deletion vector elsewhere, s3://b/v.bin",
        ),
        ({"add": {"path": "s3://elsewhere/a.parquet"}}, r"has a file elsewhere"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(tmp_path: Path, action, sentence: str) -> None:
    write_deltalake(tmp_path, _table())
    (tmp_path / "_delta_log" / f"{1:020}.json").write_text(json.dumps(action))
    with pytest.raises(DataError, match=sentence):
        inspection.inspect(settings(tmp_path))


def test_a_log_with_gaps_or_without_files_is_refused(tmp_path: Path) -> None:
    write_deltalake(tmp_path, _table())
    (tmp_path / "_delta_log" / f"{2:020}.json").write_text("{}")
    with pytest.raises(DataError, match="has gaps"):
        inspection.inspect(settings(tmp_path))
    (tmp_path / "_delta_log" / f"{2:020}.json").unlink()
    DeltaTable(tmp_path).delete()
    with pytest.raises(DataError, match=r"version 1 of the Delta table .* has no rows"):
        inspection.inspect(settings(tmp_path))


def test_a_folder_has_no_snapshots(tmp_path: Path) -> None:
    parquet(tmp_path / "data" / "1.parquet")
    with pytest.raises(
        ConfigurationError, match=r"data\.snapshot is 3, and .* is neither a Delta nor an Iceberg table"
    ):
        inspection.inspect(settings(tmp_path, snapshot=3))


def test_timestamps_of_a_delta_table_are_instants(tmp_path: Path) -> None:
    local = [datetime.fromisoformat(f"{FIRST:%Y-%m-%d}T03:00:00+00:00")] * ROWS
    write_deltalake(tmp_path, _table(at=pa.array(local, pa.timestamp("us", "UTC"))))
    assert inspection.inspect(settings(tmp_path, timezone="America/New_York")).end.isoformat() == "2023-11-01"


def _log(path: Path, *actions) -> None:
    (path / "_delta_log" / f"{1:020}.json").write_text("\n".join(map(json.dumps, actions)))


@pytest.mark.parametrize("kind", [None, "json", "parquet"])
def test_a_checkpoint_of_version_2_is_read_with_its_sidecars(tmp_path: Path, kind: str | None) -> None:
    write_deltalake(tmp_path, _table())
    DeltaTable(tmp_path).create_checkpoint()
    log, sidecar = tmp_path / "_delta_log", f"{uuid4()}.parquet"
    classic = log / f"{0:020}.checkpoint.parquet"
    actions = pq.read_table(classic)
    added = pc.is_valid(actions["add"])
    (log / "_sidecars").mkdir()
    pq.write_table(actions.filter(added).select(["add"]), log / "_sidecars" / sidecar)
    rest = actions.filter(pc.invert(added))
    named = [{"path": sidecar, "sizeInBytes": 1, "modificationTime": 1}, *[None] * (rest.num_rows - 1)]
    rest = rest.append_column("sidecar", pa.array(named))
    classic.unlink()
    name = classic.name if kind is None else f"{0:020}.checkpoint.{uuid4()}.{kind}"
    if kind == "json":
        lines = [{key: value for key, value in row.items() if value} for row in rest.to_pylist()]
        (log / name).write_text("\n".join(json.dumps(line, default=str) for line in lines))
    else:
        pq.write_table(rest, log / name)
    _log(tmp_path, {"commitInfo": {}})
    (log / f"{0:020}.json").unlink()
    _, (november, december) = _loaded(tmp_path)
    assert (len(november), len(december)) == (120, 124)


@pytest.mark.parametrize("feature", ["typeWidening-preview", "variantType"])
def test_features_that_leave_the_rows_alone_are_followed(tmp_path: Path, feature: str) -> None:
    write_deltalake(tmp_path, _table())
    _log(tmp_path, {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": [feature]}})
    assert len(_loaded(tmp_path)[1][0]) == 120


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"protocol": {"minReaderVersion": 4}}', "uses version 4 of the protocol"),
        ("5", r"1\.json can't be replayed: 5"),
        ('{"add": {}}', 'can\'t be replayed: {"add"'),
        ('{"metaData": {"schemaString": "x"}}', "can't be replayed"),
        ('{"add"', "seems to be corrupt"),
    ],
)
def test_a_log_that_makes_no_sense_is_refused(tmp_path: Path, line: str, sentence: str) -> None:
    write_deltalake(tmp_path, _table())
    (tmp_path / "_delta_log" / f"{1:020}.json").write_text(line)
    with pytest.raises(DataError, match=sentence):
        inspection.inspect(settings(tmp_path))


def test_partitions_are_numbers_and_dates_where_the_table_says_so(tmp_path: Path) -> None:
    rate = pa.array([Decimal(row % 3) for row in range(ROWS)], pa.decimal128(10, 2))
    write_deltalake(tmp_path, _table(rate=rate, day=pa.array([FIRST.date()] * ROWS)), partition_by=["rate", "day"])
    table, (november, _) = _loaded(tmp_path, exclude=("day",))
    assert table.numeric == ("speed", "stops", "rate")
    assert sorted(set(november["rate"])) == [0.0, 1.0, 2.0]
    with pytest.raises(DataError, match=r"the column 'day' .* has the type date32"):
        inspection.inspect(settings(tmp_path))


def test_a_partition_by_timestamp_is_an_instant(tmp_path: Path) -> None:
    instants = pa.array([FIRST.replace(hour=23)] * ROWS, pa.timestamp("us", "UTC"))
    write_deltalake(tmp_path, _table(at=instants), partition_by=["at"])
    assert inspection.inspect(settings(tmp_path, timezone="Europe/Berlin")).end.isoformat() == "2023-11-03"


def test_a_column_that_no_file_has_yet_is_missing(tmp_path: Path) -> None:
    write_deltalake(tmp_path, _table())
    first = (tmp_path / "_delta_log" / f"{0:020}.json").read_text().splitlines()
    metadata = next(action["metaData"] for action in map(json.loads, first) if "metaData" in action)
    schema = json.loads(metadata["schemaString"])
    schema["fields"].append({"name": "later", "type": "double", "nullable": True, "metadata": {}})
    _log(tmp_path, {"metaData": {**metadata, "schemaString": json.dumps(schema)}})
    table, (november, _) = _loaded(tmp_path)
    assert "later" in table.numeric
    assert november["later"].isna().all()


def test_a_delta_table_that_is_hidden_in_a_folder_of_files_is_not_looked_at(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "_old", _table())
    parquet(tmp_path / "1.parquet")
    assert len(_loaded(tmp_path)[1][0]) == 120


@pytest.mark.parametrize("inside", ["", "carrier=AA", "file"])
def test_what_is_part_of_a_delta_table_or_holds_one_is_refused(tmp_path: Path, inside: str) -> None:
    write_deltalake(tmp_path / "events", _table(), partition_by=["carrier"])
    uri = tmp_path if not inside else tmp_path / "events" / "carrier=AA"
    if inside == "file":
        uri = next(uri.glob("*.parquet"))
    with pytest.raises(DataError, match=r"(holds|is part of) the Delta table .*/events: "):
        inspection.inspect(settings(uri))
