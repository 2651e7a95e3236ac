"""Where an address leads, and what the errors on the way there become."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from ratchet.errors import ConfigurationError, DataError, FailedError, RatchetError, TemporaryError
from ratchet.io.table import inspection
from ratchet.io.table.files.filesystem import explained, open_store
from ratchet.jobs import flights
from tests.unit.event_tables import parquet, settings


def test_a_file_address_is_a_local_path(tmp_path: Path) -> None:
    path = parquet(tmp_path / "with space" / "events.parquet")
    assert inspection.inspect(settings(path.as_uri())).files[0].path == str(path)


def test_a_relative_path_counts_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet(tmp_path / "events.parquet")
    monkeypatch.chdir(tmp_path)
    assert inspection.inspect(settings("events.parquet")).files[0].path == str(tmp_path / "events.parquet")


@pytest.mark.parametrize("uri", ["hdfs://host/table", "s3://", "http://host/table.parquet"])
def test_other_addresses_are_refused(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="a local path or s3://bucket/prefix is accepted"):
        open_store(uri)


def test_an_endpoint_without_a_scheme_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "minio:9000")
    with pytest.raises(ConfigurationError, match="the S3 endpoint is 'minio:9000'"):
        open_store("s3://bucket/table")


@pytest.mark.parametrize(
    ("raised", "kind", "sentence"),
    [
        (FileNotFoundError("gone"), DataError, "there is nothing at s3://b/t"),
        (PermissionError("no"), DataError, "reading s3://b/t is not permitted"),
        (OSError("AWS Error ACCESS_DENIED during HeadObject operation"), DataError, "is not permitted"),
        (OSError("AWS Error NO_SUCH_BUCKET during ListObjectsV2"), DataError, "there is nothing at s3://b/t"),
        (OSError("AWS Error NETWORK_CONNECTION during GetObject"), TemporaryError, "does not answer"),
        (OSError("AWS Error SLOW_DOWN during GetObject"), TemporaryError, "does not answer"),
        (OSError("key 'day=403' in bucket 'b': AWS Error SLOW_DOWN"), TemporaryError, "does not answer"),
        (OSError("AWS Error NETWORK_CONNECTION: no connection to 127.0.0.1 port 40425"), TemporaryError, "not answer"),
        (OSError("Couldn't deserialize thrift"), DataError, "seems to be corrupt: Couldn't deserialize thrift"),
        (pa.ArrowInvalid("Parquet magic bytes not found.\nMore"), DataError, "corrupt: Parquet magic bytes not found"),
        (FailedError("as it was"), FailedError, "as it was"),
    ],
)
def test_each_error_becomes_what_the_operator_must_do(
    raised: Exception, kind: type[RatchetError], sentence: str
) -> None:
    with pytest.raises(kind, match=sentence), explained("s3://b/t"):
        raise raised


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "_flights", lambda: pd.DataFrame({"year_month": ["2013-01"]}))
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(FailedError, match=f"writing {blocked} failed"):
        flights.write(str(blocked))
