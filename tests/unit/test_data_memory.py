"""The estimate of memory, and the sentence of a window that does not fit."""

from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ratchet.errors import DataError
from ratchet.io.table import inspection, memory
from tests.unit.event_tables import DECEMBER, NOVEMBER, csv, parquet, settings

TREES = "hist_gradient_boosting"


@pytest.fixture
def table(tmp_path: Path) -> inspection.EventTable:
    return inspection.inspect(settings(parquet(tmp_path / "events.parquet", row_group_size=60)))


def _grown(table: inspection.EventTable, factor: int) -> inspection.EventTable:
    """The same table as if each row group had so many times its rows."""
    groups = tuple(replace(group, rows=group.rows * factor) for group in table.files[0].row_groups)
    return replace(table, files=(replace(table.files[0], row_groups=groups),))


def test_a_window_that_fits_passes(table: inspection.EventTable) -> None:
    inspection.check_memory(table, [NOVEMBER, DECEMBER], TREES, "1GiB")
    inspection.check_memory(table, [NOVEMBER, DECEMBER], TREES, None)


def test_a_window_that_does_not_fit_is_refused_with_what_helps(table: inspection.EventTable) -> None:
    expected = (
        r"need about \d+\.\d GiB of memory and 1\.0 GiB are available .*windows\.train, fewer columns or the Spark"
    )
    with pytest.raises(DataError, match=expected):
        inspection.check_memory(_grown(table, 1_000_000), [NOVEMBER, DECEMBER], TREES, "1GiB")


def test_without_a_setting_the_machine_or_the_cgroup_is_the_limit(table: inspection.EventTable) -> None:
    with pytest.raises(DataError, match=r"the machine's memory|the limit of the cgroup"):
        inspection.check_memory(_grown(table, 10**10), [NOVEMBER], TREES, None)


def test_the_estimate_grows_with_rows_and_columns_and_the_window(table: inspection.EventTable) -> None:
    large = _grown(table, 1_000_000)
    fewer = replace(large, numeric=("speed",), categorical=())
    assert inspection.memory_needed(large, [NOVEMBER], TREES) > 2 * inspection.memory_needed(
        _grown(table, 100_000), [NOVEMBER], TREES
    )
    assert inspection.memory_needed(large, [NOVEMBER], TREES) < inspection.memory_needed(
        large, [NOVEMBER], "logistic_regression"
    )
    assert inspection.memory_needed(fewer, [NOVEMBER], TREES) < inspection.memory_needed(large, [NOVEMBER], TREES)
    assert inspection.memory_needed(large, [NOVEMBER], TREES) < inspection.memory_needed(
        large, [NOVEMBER, DECEMBER], TREES
    )


def test_csv_is_estimated_by_its_rows_too(tmp_path: Path) -> None:
    table = inspection.inspect(settings(csv(tmp_path / "events.csv")))
    assert inspection.memory_needed(_grown(table, 1_000_000), [NOVEMBER], TREES) > inspection.memory_needed(
        table, [NOVEMBER], TREES
    )


def _limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> tuple[int, str]:
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/").replace("_max", ".max")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    return memory._available()


def test_the_limit_of_a_cgroup_of_version_2_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _limits(tmp_path, monkeypatch, memory_max="1048576\n") == (1_048_576, "the limit of the cgroup")


def test_the_limit_of_a_cgroup_of_version_1_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("2097152\n")
    assert _limits(tmp_path, monkeypatch)[0] == 2_097_152


@pytest.mark.parametrize("text", ["max\n", f"{2**63 - 4096}\n"])
def test_a_cgroup_without_a_limit_leaves_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    machine = psutil.virtual_memory().total
    assert _limits(tmp_path, monkeypatch, memory_max=text) == (machine, "the machine's memory")
