"""The sample: what it holds, that it holds no leak, and that its page says so."""

import re
from pathlib import Path

import pandas as pd
import pytest

from ratchet import configuration
from ratchet.io.table import inspection
from ratchet.jobs import flights

PAGE = Path("docs/data.md").read_text(encoding="utf-8")
KNOWN_TOO_LATE = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flights")
    flights.write(str(folder))
    return folder


@pytest.fixture(scope="module")
def sample(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder)


def _columns_of(table: str) -> set[str]:
    """Names in the first column of a table of the page."""
    after = PAGE.partition(table)[2]
    rows = next(block for block in after.split("\n\n") if block.startswith("|")).splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_sample_is_the_flights_that_arrived_by_month(folder: Path, sample: pd.DataFrame) -> None:
    assert len(sample) == 327_346
    assert sample["late"].mean() == pytest.approx(0.237, abs=0.0005)
    assert sorted(path.name for path in folder.iterdir()) == [f"year_month=2013-{month:02}" for month in range(1, 13)]


def test_a_month_holds_its_own_days_in_order(folder: Path) -> None:
    at = pd.read_parquet(folder / "year_month=2013-12", columns=["scheduled_departure"])["scheduled_departure"]
    assert at.is_monotonic_increasing
    assert set(at.dt.month) == {12}


def test_no_column_is_known_only_when_it_is_too_late(sample: pd.DataFrame) -> None:
    assert not KNOWN_TOO_LATE & set(sample.columns)
    assert _columns_of("### What would be a leak") == KNOWN_TOO_LATE


def test_counts_are_of_what_was_scheduled_not_of_what_flew(sample: pd.DataFrame) -> None:
    counted = sample.groupby(["scheduled_departure", "origin"])["departures_same_hour"].nunique()
    assert counted.max() == 1
    hour = [sample["scheduled_departure"].dt.floor("h"), "origin"]
    flown = sample.groupby(hour)["late"].transform("size")
    assert (sample["departures_same_hour"] >= flown).all()
    # On 9 February a storm kept most planes on the ground.
    storm = sample["scheduled_departure"].between("2013-02-08 15:00", "2013-02-08 20:00")
    assert (sample.loc[storm, "departures_same_hour"] > flown[storm]).mean() > 0.9


def test_the_page_describes_every_column(sample: pd.DataFrame) -> None:
    assert _columns_of("## The sample: flights") == set(sample.columns) - {"year_month"}


def test_the_configuration_names_columns_of_the_sample(folder: Path) -> None:
    settings = configuration.load("dev", [f"data.uri={folder}"]).data
    table = inspection.inspect(settings)
    assert set(table.features) == _columns_of("## The sample: flights") - {"late", "scheduled_departure"}


def test_writing_again_replaces_what_was_there(folder: Path, sample: pd.DataFrame) -> None:
    assert flights.write(str(folder)) == len(sample)
    pd.testing.assert_frame_equal(pd.read_parquet(folder), sample)


def test_the_page_lists_what_counts_as_missing_in_csv() -> None:
    from ratchet.core.category_texts import MISSING_TEXTS

    assert all(f"`{text}`" in PAGE for text in MISSING_TEXTS if text.strip())
