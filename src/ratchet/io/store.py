"""Addresses of tables: where their files lie, on this machine or in a bucket.

`s3://bucket/prefix` goes to the endpoint of the usual AWS variables; credentials come from there, too.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from ratchet.errors import ConfigurationError, DataError, TemporaryError

_CONNECT_SECONDS = 10
_REQUEST_SECONDS = 60
_AWAY = ("connect", "timeout", "timed out", "resolve host", "network")


def filesystem_of(uri: str) -> tuple[fs.FileSystem, str]:
    """The filesystem of an address, and the path in it; raises ConfigurationError for a scheme that is unknown."""
    if "://" not in uri:
        return fs.LocalFileSystem(), str(Path(uri).absolute())
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return fs.LocalFileSystem(), parts.path
    if parts.scheme not in ("s3", "s3a"):
        message = f"data.uri {uri}: {parts.scheme}:// is not known; a local path, file:// and s3:// are"
        raise ConfigurationError(message)
    return _bucket_filesystem(), f"{parts.netloc}{parts.path}".rstrip("/")


def s3_endpoint() -> str | None:
    """The address of the S3 service, where it is not Amazon's own."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "MLFLOW_S3_ENDPOINT_URL")
    return next((value for name in names if (value := os.environ.get(name))), None)


def _bucket_filesystem() -> fs.FileSystem:
    endpoint = s3_endpoint()
    place = {} if endpoint is None else {"endpoint_override": endpoint, "scheme": urlsplit(endpoint).scheme}
    return fs.S3FileSystem(
        region=os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION") or "us-east-1",
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_REQUEST_SECONDS,
        **place,
    )


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn what Arrow says of a file that can't be read into an error of ours; `what` names the file or the table."""
    try:
        yield
    except FileNotFoundError as error:
        message = f"{what} does not exist"
        raise DataError(message) from error
    except PermissionError as error:
        message = f"{what} may not be read: permission denied"
        raise DataError(message) from error
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise _translated(what, error) from error


def _translated(what: str, error: Exception) -> DataError | TemporaryError:
    text = " ".join(str(error).split())
    lowered = text.lower()
    if "access_denied" in lowered or "access denied" in lowered or "403" in lowered or "forbidden" in lowered:
        return DataError(f"{what} may not be read: access denied by the S3 service")
    if "no_such_bucket" in lowered or "bucket does not exist" in lowered or "404" in lowered:
        return DataError(f"{what} does not exist: no such bucket or key")
    if isinstance(error, OSError) and any(word in lowered for word in _AWAY):
        return TemporaryError(f"{what} can't be reached: {text}")
    if "utf8" in lowered or "utf-8" in lowered:
        return DataError(f"{what} is not UTF-8 text: {text}")
    return DataError(f"{what} can't be read: {text}")
