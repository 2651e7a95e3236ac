"""A real S3 server (moto's) as a process, for tests of tables in buckets and of copies between stores."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.integration.conftest import free_port

START_SECONDS = 60


@contextmanager
def served(folder: Path, bucket: str, **variables: str) -> Iterator[str]:
    """A server with this bucket as long as the block lasts; yields its address."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "s3.log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield _when_up(process, f"http://127.0.0.1:{port}", bucket, folder / "s3.log")
    finally:
        process.terminate()
        process.wait(30)


def _when_up(process: subprocess.Popen[bytes], endpoint: str, bucket: str, log: Path) -> str:
    asked = client(endpoint)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            asked.create_bucket(Bucket=bucket)
        except (BotoCoreError, ClientError):
            time.sleep(0.1)
        else:
            return endpoint
    pytest.fail(f"the S3 server is not up (exit {process.poll()}):\n{log.read_text()[-3000:]}")


def client(endpoint: str):
    keys = {"aws_access_key_id": "writer", "aws_secret_access_key": "secret"}
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5)
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=config, **keys)
