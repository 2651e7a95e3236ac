"""A table that is written down as a snapshot and read back is the same table, whatever happens to its files later."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from ratchet.errors import DataError, TemporaryError
from ratchet.io.table import inspection, snapshot
from ratchet.io.table.snapshot import Snapshot
from tests.unit.event_tables import DECEMBER, NOVEMBER, ROWS, columns, csv, parquet, settings

AS_OF = date(2024, 1, 1)


def _again(table: inspection.EventTable) -> inspection.EventTable:
    """The table by what stands in its snapshot, without a look at its files."""
    text = Snapshot.of(table, AS_OF).to_json(table.store)
    read = Snapshot.from_json(text, table.store)
    assert (read.as_of, read.to_json(table.store)) == (AS_OF, text)
    return inspection.inspect(table.settings, read.looked)


def _rows(table: inspection.EventTable) -> list[pa.Table]:
    return [inspection.load(table, window, table.features).frame for window in (NOVEMBER, DECEMBER)]


def _parquet(folder: Path) -> None:
    parquet(folder / "month=11" / "1.parquet", row_group_size=50)
    parquet(folder / "month=12" / "2.parquet", columns(speed=pa.array([3] * ROWS, pa.int8()), stops=None))


def _csv(folder: Path) -> None:
    csv(folder / "1.csv")
    csv(folder / "2.csv", columns(carrier=None))


def _delta(folder: Path) -> None:
    write_deltalake(folder, pa.table(columns()), partition_by=["carrier"])
    write_deltalake(folder, pa.table(columns()).slice(0, 9), mode="append", partition_by=["carrier"])


@pytest.mark.parametrize("write", [_parquet, _csv, _delta])
def test_a_table_by_its_snapshot_is_the_table_that_was_looked_at(tmp_path: Path, write) -> None:
    write(tmp_path)
    table = inspection.inspect(settings(tmp_path))
    assert _again(table) == table


@pytest.mark.parametrize("write", [_parquet, _csv, _delta])
def test_files_that_came_later_are_not_read(tmp_path: Path, write) -> None:
    write(tmp_path)
    table = inspection.inspect(settings(tmp_path))
    before = _rows(table)
    write_more = {_parquet: parquet, _csv: csv}.get(write)
    if write_more is None:
        write_deltalake(tmp_path, pa.table(columns()), mode="overwrite", partition_by=["carrier"])
        DeltaTable(tmp_path).optimize.compact()
    else:
        write_more(tmp_path / f"3.{write_more.__name__}")
    for one, other in zip(before, _rows(_again(table)), strict=True):
        assert one.equals(other)
    assert sum(map(len, _rows(inspection.inspect(table.settings)))) != sum(map(len, before))


@pytest.mark.parametrize("write", [_parquet, _csv])
def test_a_file_that_was_replaced_or_is_gone_is_worth_another_try_and_is_named(tmp_path: Path, write) -> None:
    write(tmp_path)
    table = inspection.inspect(settings(tmp_path))
    path = next(tmp_path.rglob("1.*"))
    content = path.read_bytes()
    # The same size, and with it a row that would be refused, if it were the table's.
    for changed in (content.replace(b"AA", b"AB"), content.replace(b"AA", b"AB").replace(b"2023", b"2x23"), None):
        if changed is None:
            path.unlink()
        elif path.suffix == ".csv":
            path.write_bytes(changed)
        else:
            parquet(path, columns(carrier=pa.array(["AB"] * ROWS)), row_group_size=50)
        with pytest.raises(TemporaryError, match=rf"{path.name} has changed since the table was inspected, or is gone"):
            _rows(_again(table))


def test_a_file_that_was_bad_when_it_was_looked_at_is_still_the_datas_fault(tmp_path: Path) -> None:
    path = csv(tmp_path / "events.csv", columns(speed=pa.array(["fast"] * ROWS)))
    table = inspection.inspect(settings(path, numeric=("speed",), categorical=()))
    with pytest.raises(DataError, match="can't be read in the column 'speed'"):
        _rows(_again(table))


def test_other_settings_of_the_table_ask_for_another_snapshot(tmp_path: Path) -> None:
    asked = {snapshot.asked(settings(tmp_path, **each)) for each in ({}, {"timezone": "Asia/Tokyo"}, {"snapshot": 3})}
    assert len(asked) == 3
