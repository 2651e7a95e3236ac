"""Tables in a bucket, with a real S3 server (moto's) as a process."""

import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from ratchet.errors import DataError, TemporaryError
from ratchet.io.table import inspection
from ratchet.jobs import flights
from tests.integration.conftest import free_port
from tests.integration.s3_server import client, served
from tests.integration.scoring_fixtures import like
from tests.integration.verbs import ratchet
from tests.unit.event_tables import DECEMBER, NOVEMBER, csv, parquet, settings, unpacked

BUCKET = "tables"


def _point_to(endpoint: str, monkeypatch: pytest.MonkeyPatch, variable: str = "AWS_ENDPOINT_URL_S3") -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "MLFLOW_S3"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(variable, endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "reader")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("s3"), BUCKET) as address:
        yield address


@pytest.fixture
def put(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], None]:
    """Uploads a file; the process's variables then point to the server."""
    _point_to(endpoint, monkeypatch)
    return lambda path, key: client(endpoint).upload_file(str(path), BUCKET, key)


@pytest.mark.parametrize(("write", "name"), [(parquet, "events.parquet"), (csv, "events.csv")])
def test_a_table_in_a_bucket_reads_as_it_does_here(put, tmp_path: Path, write, name: str) -> None:
    here = inspection.inspect(settings(write(tmp_path / name)))
    put(tmp_path / name, f"{write.__name__}/{name}")
    for uri in (f"s3://{BUCKET}/{write.__name__}/", f"s3://{BUCKET}/{write.__name__}/{name}"):
        there = inspection.inspect(settings(uri))
        assert there.end == date(2024, 1, 1)
        assert inspection.digest(there, NOVEMBER) == inspection.digest(here, NOVEMBER)
        frames = [inspection.load(table, DECEMBER, table.features).frame for table in (here, there)]
        pd.testing.assert_frame_equal(*frames)


@pytest.mark.parametrize("name", ["delta_vectors", "iceberg_places", "iceberg_vectors"])
def test_a_table_with_deleted_rows_in_a_bucket_reads_as_it_does_here(put, tmp_path: Path, name: str) -> None:
    for path in unpacked(name, tmp_path).rglob("*"):
        if path.is_file():
            put(path, str(path.relative_to(tmp_path)))
    tables = [inspection.inspect(settings(uri)) for uri in (tmp_path / name, f"s3://{BUCKET}/{name}")]
    for window in (NOVEMBER, DECEMBER):
        frames = [inspection.load(table, window, table.features).frame for table in tables]
        pd.testing.assert_frame_equal(*frames)
    assert inspection.digest(tables[0], NOVEMBER) == inspection.digest(tables[1], NOVEMBER)


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "MLFLOW_S3_ENDPOINT_URL"])
def test_any_of_the_usual_variables_names_the_endpoint(
    put, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    put(parquet(tmp_path / "events.parquet"), "two/events.parquet")
    _point_to(endpoint, monkeypatch, variable)
    assert len(inspection.inspect(settings(f"s3://{BUCKET}/two")).files) == 1


@pytest.mark.usefixtures("put")
def test_the_sample_is_written_to_a_bucket() -> None:
    rows = flights.write(f"s3://{BUCKET}/flights")
    table = inspection.inspect(
        settings(f"s3://{BUCKET}/flights", timestamp="scheduled_departure", timezone="America/New_York")
    )
    assert sum(file.rows or 0 for file in table.files) == rows == 327_346
    assert table.end == date(2014, 1, 1)


@pytest.mark.usefixtures("put")
@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("s3://nowhere/table", "there is no bucket 'nowhere' for s3://nowhere/table"),
        ("s3://nowhere", "there is no bucket 'nowhere' for s3://nowhere"),
        (f"s3://{BUCKET}/nothing", f"there is no object or prefix at s3://{BUCKET}/nothing"),
    ],
)
def test_a_missing_bucket_or_prefix_is_refused(uri: str, sentence: str) -> None:
    with pytest.raises(DataError) as refused:
        inspection.inspect(settings(uri))
    assert str(refused.value) == sentence


def test_a_corrupt_object_is_refused_by_its_address(put, tmp_path: Path) -> None:
    broken = tmp_path / "2.parquet"
    broken.write_bytes(b"no Parquet at all, but long enough to look")
    put(parquet(tmp_path / "1.parquet"), "broken/1.parquet")
    put(broken, "broken/2.parquet")
    with pytest.raises(DataError, match=rf"s3://{BUCKET}/broken/2\.parquet can't be read, it seems to be corrupt"):
        inspection.inspect(settings(f"s3://{BUCKET}/broken"))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_table_in_a_bucket_is_scored_into_a_bucket_and_scored_again(
    put, endpoint, flights_slice, registered, tmp_path
) -> None:
    folder = like(registered, tmp_path, flights_slice)
    put(Path(flights_slice) / "year_month=2013-05" / "part-0.parquet", "to-score/month=5/1.parquet")
    call = ("score", "sklearn", f"s3://{BUCKET}/to-score", f"s3://{BUCKET}/scores/may", "--env", "test")
    asked, found = client(endpoint), []
    for _ in range(2):
        done = ratchet(folder, *call)
        assert done.returncode == 0, done.stderr
        listed = asked.list_objects_v2(Bucket=BUCKET, Prefix="scores/may/")["Contents"]
        found.append({each["Key"]: each["Size"] for each in listed if each["Size"]})
        assert {key.rpartition("/")[2] for key in found[-1]} == {"_STARTED", "_SUCCESS", "part-00000.parquet"}
        asked.put_object(Bucket=BUCKET, Key="scores/may/part-00007.parquet", Body=b"left by a call that was killed")
    assert found[0]["scores/may/part-00000.parquet"] == found[1]["scores/may/part-00000.parquet"]
    inside = ratchet(folder, *call[:3], f"s3://{BUCKET}/to-score/month=5", "--env", "test")
    assert inside.returncode == 2
    away = ratchet(folder, *call[:3], "s3://nowhere/scores", "--env", "test")
    assert away.returncode == 3
    assert "nowhere" in away.stderr


def test_credentials_without_permission_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # This server lets one request pass, the creation of the bucket, and knows no user for the others.
    with served(tmp_path, BUCKET, INITIAL_NO_AUTH_ACTION_COUNT="1") as address:
        _point_to(address, monkeypatch)
        for uri in (f"s3://{BUCKET}/table", f"s3://{BUCKET}"):
            with pytest.raises(DataError, match=f"reading {uri} is not permitted"):
                inspection.inspect(settings(uri))


def test_an_endpoint_that_is_away_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    _point_to(f"http://127.0.0.1:{free_port()}", monkeypatch)
    with pytest.raises(TemporaryError, match=f"the store of s3://{BUCKET}/table does not answer"):
        inspection.inspect(settings(f"s3://{BUCKET}/table"))
