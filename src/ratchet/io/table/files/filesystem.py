"""The storage of a table's files: a local path or `s3://bucket/prefix`, through one filesystem interface.

`io.table.inspection` reads and `jobs.flights` writes through it. Any S3 service is supported: the endpoint, the
region and the credentials come from AWS's own environment variables, so no secret is a setting.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from pyarrow import fs

from ratchet.errors import ConfigurationError, DataError, FailedError, RatchetError, TemporaryError, first_line

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "MLFLOW_S3_ENDPOINT_URL")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_CONNECT_SECONDS = 5
_REQUEST_SECONDS = 30
_ATTEMPTS = 4
_FORBIDDEN = ("ACCESS_DENIED", "403", "Forbidden", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "AccessDenied")
_MISSING = ("NO_SUCH_BUCKET", "NO_SUCH_KEY", "RESOURCE_NOT_FOUND", "404", "does not exist", "not found")
# Parts of an error that may contain such words by chance: a key, a bucket, the endpoint's port.
_NAMES = re.compile(r"'[^']*'|\bport \d+")


@dataclass(frozen=True)
class Store:
    """A filesystem and the path in it of an address. root: without scheme and trailing slash."""

    uri: str
    filesystem: Any
    root: str

    @property
    def remote(self) -> bool:
        return self.uri.startswith("s3://")

    def relative(self, path: str) -> str:
        """The path below the root; if the table is a single file, its name."""
        return path.removeprefix(f"{self.root}/") if path != self.root else path.rpartition("/")[2]


def address(store: Store, path: str) -> str:
    """The address of a file for messages."""
    return f"s3://{path}" if store.remote else path


def open_store(uri: str, what: str = "data.uri") -> Store:
    """The store of an address; sends no request. Raises ConfigurationError for an unknown scheme.

    what: the setting or argument with the address, for the message.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return Store(uri, fs.LocalFileSystem(), str(Path(uri).absolute()))
    if scheme == "file":
        return Store(uri, fs.LocalFileSystem(), str(Path(unquote(urlsplit(uri).path)).absolute()))
    if scheme == "s3" and rest.strip("/"):
        return Store(uri, _s3(), rest.strip("/"))
    message = f"{what} is {uri!r}; a local path or s3://bucket/prefix is accepted"
    raise ConfigurationError(message)


def s3_endpoint() -> str | None:
    """The address of the S3 service; None for Amazon's own."""
    return next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), None)


def _s3() -> Any:
    endpoint = s3_endpoint()
    region = next((os.environ[name] for name in _REGIONS if os.environ.get(name)), "us-east-1")
    where = {} if endpoint is None else _endpoint(endpoint)
    return fs.S3FileSystem(
        region=region,
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_REQUEST_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        **where,
    )


def _endpoint(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        message = f"the S3 endpoint is {url!r}; http://host:port or https://host is accepted"
        raise ConfigurationError(message)
    return {"scheme": parts.scheme, "endpoint_override": parts.netloc + parts.path.rstrip("/")}


@contextmanager
def explained(what: str, doing: str = "reading") -> Iterator[None]:
    """Turn Arrow's errors into one sentence about `what`, an address; doing: `reading` or `writing`.

    Raises DataError if it is missing, forbidden or corrupt, TemporaryError if the store does not respond, FailedError
    if it can't be written.
    """
    try:
        yield
    except RatchetError:
        raise
    except FileNotFoundError as error:
        message = f"there is nothing at {what}"
        raise DataError(message) from error
    except PermissionError as error:
        message = f"{doing} {what} is not permitted"
        raise DataError(message) from error
    except UnicodeDecodeError as error:
        message = f"a name below {what} is not UTF-8: {error.object!r}"
        raise DataError(message) from error
    except pa.ArrowInvalid as error:
        message = f"the file {what} can't be read, it seems to be corrupt: {words_of(error)}"
        raise DataError(message) from error
    except OSError as error:
        raise _explanation(what, doing, error) from error


def _explanation(what: str, doing: str, error: OSError) -> RatchetError:
    text = words_of(error)
    said = _NAMES.sub("", text)
    if any(word in said for word in _FORBIDDEN):
        return DataError(f"{doing} {what} is not permitted: the store rejects the credentials")
    if any(word in said for word in _MISSING):
        return DataError(f"there is nothing at {what}: the bucket or the object does not exist")
    if what.startswith("s3://") and "AWS Error" in text:
        return TemporaryError(f"the store of {what} does not answer: {text}")
    if doing == "writing":
        return FailedError(f"writing {what} failed: {text}")
    return DataError(f"the file {what} can't be read, it seems to be corrupt: {text}")


def changed(where: str) -> TemporaryError:
    """The error for a file that has changed since the table was inspected; where: its address."""
    return TemporaryError(f"the file {where} has changed since the table was inspected, or is gone: start again")


def words_of(error: BaseException) -> str:
    """The first line of an error's text, for use within a sentence."""
    return first_line(error).rstrip(".")
