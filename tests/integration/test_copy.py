"""`ratchet copy` between folders and two real S3 servers, each with buckets of its own."""

import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ratchet.errors import ConfigurationError, FailedError, TemporaryError
from ratchet.io import file_stores
from ratchet.jobs.copy import copy
from tests.integration.conftest import free_port
from tests.integration.s3_server import client, served

BUCKET, SECOND = "ratchet-mlflow", "ratchet-data"
# More than a part of an upload; a name that is no plain word; nothing at all.
FILES = {
    "1/a/model.bin": random.Random(7).randbytes(file_stores.CHUNK_BYTES + 12_345),  # noqa: S311  # no secret
    "1/a/ü b+c=%20.json": b"{}",
    "empty": b"",
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """The addresses of two servers."""
    folders = [tmp_path_factory.mktemp(name) for name in ("here", "there")]
    with served(folders[0], BUCKET) as here, served(folders[1], BUCKET) as there:
        yield here, there


def keys(endpoint, prefix=""):
    return {
        f"{prefix}AWS_ENDPOINT_URL": endpoint,
        f"{prefix}AWS_ACCESS_KEY_ID": "key",
        f"{prefix}AWS_SECRET_ACCESS_KEY": "secret",
    }


@pytest.fixture
def stores(servers):
    """Clients of both servers: the first has FILES in two buckets, the second the same buckets, empty."""
    clients = [client(endpoint) for endpoint in servers]
    for each in clients:
        for bucket in [one["Name"] for one in each.list_buckets()["Buckets"]]:
            for found in each.list_objects_v2(Bucket=bucket).get("Contents", ()):
                each.delete_object(Bucket=bucket, Key=found["Key"])
        each.create_bucket(Bucket=SECOND)
    for bucket in (BUCKET, SECOND):
        for name, content in FILES.items():
            clients[0].put_object(Bucket=bucket, Key=name, Body=content)
    return clients


def copied(*arguments, variables=None, dry_run=False, may_be_empty=False):
    told = []
    copy(
        arguments[:-1],
        arguments[-1],
        told.append,
        dry_run=dry_run,
        may_be_empty=may_be_empty,
        variables=variables or {},
    )
    return told


def held(asked, bucket):
    """All files of a bucket with their content."""
    found = asked.list_objects_v2(Bucket=bucket).get("Contents", ())
    return {one["Key"]: asked.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in found}


def files_in(folder: Path):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


SIZE = sum(map(len, FILES.values())) / 1e6


def test_a_backup_and_its_way_back(servers, stores, tmp_path):
    _, there = stores
    own = keys(servers[0])
    dump = tmp_path / "mlflow.dump"
    dump.write_bytes(b"database")
    backup = tmp_path / "backup"
    told = copied(f"s3://{BUCKET}", f"s3://{SECOND}/", str(dump), str(backup), variables=own)
    assert told == [
        f"s3://{BUCKET} to {backup}/{BUCKET}: 3 files ({SIZE:.1f} MB) copied and read back, 0 were there",
        f"s3://{SECOND} to {backup}/{SECOND}: 3 files ({SIZE:.1f} MB) copied and read back, 0 were there",
        f"{dump} to {backup}/mlflow.dump: 1 file (0.0 MB) copied and read back, 0 were there",
    ]
    assert files_in(backup) == {
        f"{bucket}/{name}": body for bucket in (BUCKET, SECOND) for name, body in FILES.items()
    } | {"mlflow.dump": b"database"}
    # To a store that has only the buckets.
    copied(f"{backup}/{BUCKET}", f"{backup}/{SECOND}", "s3://", variables=keys(servers[1]))
    assert held(there, BUCKET) == held(there, SECOND) == FILES


def test_from_one_store_to_another(servers, stores):
    _, there = stores
    both = keys(servers[0], "FROM_") | keys(servers[1], "TO_") | keys("http://127.0.0.1:1")
    there.put_object(Bucket=BUCKET, Key="own", Body=b"kept")
    copied(f"s3://{BUCKET}", "s3://", variables=both)
    assert held(there, BUCKET) == FILES | {"own": b"kept"}
    copied(f"s3://{BUCKET}/1/a", f"s3://{SECOND}/backup", variables=both)
    assert set(held(there, SECOND)) == {"backup/a/model.bin", "backup/a/ü b+c=%20.json"}


def test_again_only_what_has_changed_is_copied(servers, stores):
    here, there = stores
    both = keys(servers[0]) | keys(servers[1], "TO_")
    copied(f"s3://{BUCKET}", "s3://", variables=both)
    here.put_object(Bucket=BUCKET, Key="1/a/ü b+c=%20.json", Body=b"[]")  # of the same size
    here.put_object(Bucket=BUCKET, Key="new", Body=b"new")
    here.delete_object(Bucket=BUCKET, Key="empty")
    # What is sent in parts has no MD5, and it is too new for its time to tell.
    (line,) = copied(f"s3://{BUCKET}", "s3://", variables=both, dry_run=True)
    assert line.endswith(": 2 files (0.0 MB) would be copied, 1 are there")
    assert "new" not in held(there, BUCKET)
    (line,) = copied(f"s3://{BUCKET}", "s3://", variables=both)
    assert line.endswith(": 2 files (0.0 MB) copied and read back, 1 were there")
    assert held(there, BUCKET) == held(here, BUCKET) | {"empty": b""}


def test_a_file_in_parts_that_another_tool_has_written_is_copied(servers, stores):
    _, there = stores
    there.put_object(Bucket=BUCKET, Key="1/a/model.bin", Body=b"x" * len(FILES["1/a/model.bin"]))
    stores[0].upload_fileobj(io.BytesIO(FILES["1/a/model.bin"]), BUCKET, "1/a/model.bin")
    copied(f"s3://{BUCKET}", "s3://", variables=keys(servers[0]) | keys(servers[1], "TO_"))
    assert held(there, BUCKET) == FILES


def test_from_and_to_a_store_that_encrypts_only_what_has_changed_is_copied_again(servers, stores, monkeypatch):
    """Its ETag looks like an MD5, and is another for the same content."""
    here, there = stores
    entries = file_stores._Bucket.entries

    def encrypted(bucket):
        for entry in entries(bucket):
            tag = hashlib.sha256(f"{bucket.client.meta.endpoint_url} {entry.state}".encode()).hexdigest()[:32]
            yield replace(entry, state=tag, md5=tag)

    monkeypatch.setattr(file_stores._Bucket, "entries", encrypted)
    both = keys(servers[0]) | keys(servers[1], "TO_")
    copied(f"s3://{BUCKET}", "s3://", variables=both)
    (line,) = copied(f"s3://{BUCKET}", "s3://", variables=both)
    assert line.endswith(": 0 files (0.0 MB) copied and read back, 3 were there")
    here.put_object(Bucket=BUCKET, Key="1/a/ü b+c=%20.json", Body=b"[]")  # of the same size
    there.put_object(Bucket=BUCKET, Key="empty", Body=b"")  # by another tool
    (line,) = copied(f"s3://{BUCKET}", "s3://", variables=both)
    assert line.endswith(": 2 files (0.0 MB) copied and read back, 1 were there")
    assert held(there, BUCKET) == held(here, BUCKET)


def test_a_file_that_is_old_and_of_the_same_size_is_left(tmp_path):
    (tmp_path / "from").mkdir()
    source, target = tmp_path / "from" / "file", tmp_path / "to" / "from" / "file"
    source.write_bytes(b"old")
    os.utime(source, (time.time() - 7200,) * 2)
    assert "1 file" in copied(str(source.parent), str(tmp_path / "to"))[0]
    assert "0 files (0.0 MB) copied and read back, 1 were there" in copied(str(source.parent), str(tmp_path / "to"))[0]
    source.write_bytes(b"new")
    assert "1 file" in copied(str(source.parent), str(tmp_path / "to"))[0]
    assert target.read_bytes() == b"new"


def test_what_is_written_wrongly_is_told(tmp_path, monkeypatch):
    write = file_stores._Folder.write

    class Cut:
        def __init__(self, content):
            self._content = content

        def read(self, size=-1, /):
            return self._content.read(size)[:-1]

    monkeypatch.setattr(
        file_stores._Folder, "write", lambda self, path, content, state: write(self, path, Cut(content), state)
    )
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "file").write_bytes(b"content")
    with pytest.raises(FailedError, match=r"'file' of .*from is not the same in .*/to/from after its copy"):
        copied(str(tmp_path / "from"), str(tmp_path / "to"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("s3://absent", "elsewhere"), "the bucket of s3://absent does not exist"),
        ((f"s3://{BUCKET}/absent", "elsewhere"), f"there is nothing at s3://{BUCKET}/absent"),
        (("/absent/folder", f"s3://{BUCKET}"), "there is nothing at /absent/folder"),
        (("s3://", "elsewhere"), "'s3://' has no name to copy it by"),
        (("ftp://x/y", f"s3://{BUCKET}"), "'ftp://x/y' is no store"),
        ((f"s3://{BUCKET}", "s3://"), f"'s3://{BUCKET}' would be copied to itself"),
    ],
)
def test_an_address_that_can_not_work(servers, stores, arguments, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        copied(*arguments, variables=keys(servers[0]))


def test_nothing_is_copied_before_all_sources_are_there(servers, stores, tmp_path):
    with pytest.raises(ConfigurationError, match="there is nothing at /absent"):
        copied(f"s3://{BUCKET}", "/absent", str(tmp_path / "to"), variables=keys(servers[0]))
    assert not (tmp_path / "to").exists()
    lines = copied(f"s3://{BUCKET}", "/absent", str(tmp_path / "to"), variables=keys(servers[0]), may_be_empty=True)
    assert "0 files (0.0 MB) copied and read back" in lines[1]


def test_a_store_that_refuses(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    with (
        served(tmp_path, BUCKET, INITIAL_NO_AUTH_ACTION_COUNT="1") as endpoint,
        pytest.raises(
            ConfigurationError, match="the store refuses to list s3://ratchet-mlflow/x/file: InvalidAccessKeyId"
        ),
    ):
        copied(str(tmp_path / "file"), f"s3://{BUCKET}/x", variables=keys(endpoint))


def test_a_store_that_is_away(tmp_path):
    endpoint = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(TemporaryError, match=f"the store of s3://{BUCKET} does not answer: .*{endpoint}"):
        copied(f"s3://{BUCKET}", str(tmp_path), variables=keys(endpoint))


def test_a_call_that_is_killed_is_repeated(servers, stores, tmp_path):
    """Killed while it copies, by SIGTERM, which it obeys with 143, and by SIGKILL."""
    here, _ = stores
    for number in range(200):
        here.put_object(Bucket=SECOND, Key=f"many/{number}", Body=b"x" * 1000)
    command = [sys.executable, "-m", "ratchet", "copy", f"s3://{SECOND}/many", str(tmp_path)]
    variables = {**os.environ, **keys(servers[0])}
    for blow in (signal.SIGTERM, signal.SIGKILL):
        process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        before = len(files_in(tmp_path))
        while len(files_in(tmp_path)) == before and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(blow)
        assert process.wait(60) in (143, -9)
    subprocess.run(command, env=variables, check=True, timeout=300, stdout=subprocess.DEVNULL)
    whole = {name: body for name, body in files_in(tmp_path / "many").items() if not name.startswith(".ratchet-new-")}
    assert whole == {str(number): b"x" * 1000 for number in range(200)}
