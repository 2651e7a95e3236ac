"""Files in a bucket of an S3 store or in a folder: listed, read, written; what `ratchet copy` works on.

Unlike `io.table.files`, it tells two stores apart in one process, each with credentials of its own, and needs no Arrow.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError

from ratchet.errors import ConfigurationError, FailedError, TemporaryError, first_line

S3 = "s3://"
CHUNK_BYTES = 8 * 1024**2
_CLIENT = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": 4},
    # Stores other than Amazon's may not know the checksums of newer clients; `ratchet copy` compares the bytes itself.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
# One part at a time, because each is kept in memory.
_UPLOAD = TransferConfig(multipart_threshold=CHUNK_BYTES, multipart_chunksize=CHUNK_BYTES, use_threads=False)
_REFUSED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "Forbidden", "AllAccessDisabled")
_MISSING = ("NoSuchKey", "404", "NotFound")
_NEW = ".ratchet-new-"
# In the metadata of what is copied to a store.
_STATE = "ratchet-source-state"


@dataclass(frozen=True)
class Entry:
    """A file. path: below the place's address; empty if the address is the file itself. modified: with time zone.

    state: what the store has for the content, and changes with it. md5: of the content, in hexadecimal, if the store
    says so: one that encrypts with a key of its own has another digest of that form.
    """

    path: str
    size: int
    modified: datetime
    state: str
    md5: str | None = None


class Readable(Protocol):
    """Something to read bytes from, in order; raises as a `Place` does."""

    def read(self, size: int = -1, /) -> bytes: ...


class Place(Protocol):
    """A bucket, a prefix of one, a folder, or a single file.

    All methods raise ConfigurationError if the store refuses or there is no such bucket, TemporaryError if it does not
    answer, FailedError if a file can't be read or written.
    """

    @property
    def address(self) -> str: ...

    def entries(self) -> Iterator[Entry]:
        """All files, in no particular order; none if there is nothing at the address."""
        ...

    def exists(self) -> bool:
        """Whether there is anything, if only an empty bucket or folder."""
        ...

    def open(self, path: str) -> "Content | None":
        """The content of a file; None if it is gone."""
        ...

    def write(self, path: str, content: "Readable", state: str) -> None:
        """Write a file; it appears whole or not at all. state: of the source, which the place keeps if it can."""
        ...

    def kept_state(self, path: str) -> str | None:
        """The state with which a file was written; None if it is not kept, or the file is gone."""
        ...


@dataclass(frozen=True)
class Content:
    """The content of an open file, to be closed."""

    address: str
    stream: Any

    def read(self, size: int = -1, /) -> bytes:
        with _explained(self.address, "read"):
            chunk: bytes = self.stream.read(size if size >= 0 else None)
            return chunk

    def close(self) -> None:
        self.stream.close()


def place(address: str, variables: Mapping[str, str], prefix: str) -> Place:
    """The place of an address: s3://bucket, s3://bucket/prefix or a local path.

    variables: the environment; if it has any of AWS's variables with this prefix, only these count, otherwise the
    usual ones do. Sends no request. Raises ConfigurationError for another scheme.
    """
    if address.startswith(S3):
        bucket, _, key = address.removeprefix(S3).strip("/").partition("/")
        if not bucket:
            message = f"{address!r} names no bucket; s3://bucket or s3://bucket/prefix is accepted"
            raise ConfigurationError(message)
        return _Bucket(address.rstrip("/"), bucket, key, _client(variables, prefix))
    if "://" in address:
        message = f"{address!r} is no store; a local path, s3://bucket or s3://bucket/prefix is accepted"
        raise ConfigurationError(message)
    return _Folder(address)


def _client(variables: Mapping[str, str], prefix: str) -> Any:
    own = {key.removeprefix(prefix): value for key, value in variables.items() if key.startswith(f"{prefix}AWS_")}
    given = own or variables
    try:
        return boto3.client(
            "s3",
            endpoint_url=given.get("AWS_ENDPOINT_URL_S3") or given.get("AWS_ENDPOINT_URL") or None,
            region_name=given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION") or "us-east-1",
            aws_access_key_id=given.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=given.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=given.get("AWS_SESSION_TOKEN"),
            config=_CLIENT,
        )
    except (BotoCoreError, ValueError) as error:
        message = f"the settings of the store in {prefix if own else ''}AWS_… are not accepted: {first_line(error)}"
        raise ConfigurationError(message) from error


@dataclass(frozen=True)
class _Bucket:
    """prefix: without slashes around it; empty for the whole bucket."""

    address: str
    bucket: str
    prefix: str
    client: Any

    def entries(self) -> Iterator[Entry]:
        below = f"{self.prefix}/" if self.prefix else ""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        with _explained(self.address, "list"):
            for found in (found for page in pages for found in page.get("Contents", ())):
                key, size, changed = found["Key"], found["Size"], found["LastModified"]
                # Of what was uploaded in parts it is another digest, with a hyphen.
                tag = found["ETag"].strip('"')
                if key == self.prefix or (key.startswith(below) and not key.endswith("/")):
                    path = "" if key == self.prefix else key.removeprefix(below)
                    yield Entry(path, size, changed, tag, None if "-" in tag else tag)

    def exists(self) -> bool:
        return not self.prefix or any(self.entries())

    def open(self, path: str) -> Content | None:
        found = self._asked(self.client.get_object, path)
        return None if found is None else Content(_below(self.address, path), found["Body"])

    def write(self, path: str, content: Readable, state: str) -> None:
        about = {"Metadata": {_STATE: state}}
        with _explained(_below(self.address, path), "write"):
            self.client.upload_fileobj(content, self.bucket, _below(self.prefix, path), about, Config=_UPLOAD)

    def kept_state(self, path: str) -> str | None:
        found = self._asked(self.client.head_object, path)
        state: str | None = None if found is None else found["Metadata"].get(_STATE)
        return state

    def _asked(self, request: Callable[..., Any], path: str) -> Any:
        """The answer to a request about a file; None if it is gone."""
        with _explained(_below(self.address, path), "read"):
            try:
                return request(Bucket=self.bucket, Key=_below(self.prefix, path))
            except ClientError as error:
                if error.response["Error"]["Code"] in _MISSING:
                    return None
                raise


@dataclass(frozen=True)
class _Folder:
    address: str

    def entries(self) -> Iterator[Entry]:
        root = Path(self.address)
        with _explained(self.address, "list"):
            if root.is_file():
                yield _entry(root, "")
                return
            for folder, _, files in root.walk(on_error=_raise):
                for name in (name for name in files if not name.startswith(_NEW)):
                    yield _entry(folder / name, (folder / name).relative_to(root).as_posix())

    def exists(self) -> bool:
        return Path(self.address).exists()

    def open(self, path: str) -> Content | None:
        address = _below(self.address, path)
        with _explained(address, "read"):
            try:
                return Content(address, Path(address).open("rb"))
            except FileNotFoundError:
                return None

    def kept_state(self, path: str) -> None:  # noqa: ARG002  # a file system keeps none, and has no other digest
        return None

    def write(self, path: str, content: Readable, state: str) -> None:  # noqa: ARG002  # it is not kept
        final = Path(self.address) / path
        if ".." in Path(path).parts or final.name.startswith(_NEW):
            message = f"{path!r} can't be the name of a file in the folder {self.address}"
            raise ConfigurationError(message)
        with _explained(str(final), "write"):
            final.parent.mkdir(parents=True, exist_ok=True)
            new = final.with_name(f"{_NEW}{final.name}")
            with new.open("wb") as file:
                while chunk := content.read(CHUNK_BYTES):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            new.replace(final)


def _entry(file: Path, path: str) -> Entry:
    about = file.stat()
    return Entry(path, about.st_size, datetime.fromtimestamp(about.st_mtime, UTC), str(about.st_mtime_ns))


def _raise(error: OSError) -> None:
    # A folder that does not exist has no files.
    if not isinstance(error, FileNotFoundError):
        raise error


def _below(address: str, path: str) -> str:
    return "/".join(part for part in (address, path) if part)


@contextmanager
def _explained(what: str, doing: str) -> Iterator[None]:
    """Turn the errors of a store into one sentence about `what`, an address; doing: `list`, `read` or `write`."""
    try:
        yield
    except ClientError as error:
        raise _refusal(error.response["Error"]["Code"], what, doing, error) from error
    except NoCredentialsError as error:
        message = (
            f"there are no credentials to {doing} {what}; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are accepted"
        )
        raise ConfigurationError(message) from error
    except ParamValidationError as error:
        message = f"{what} can't be the address of a file in a bucket: {str(error).rpartition(': ')[2]}"
        raise ConfigurationError(message) from error
    except BotoCoreError as error:
        message = f"the store of {what} does not answer: {first_line(error)}"
        raise TemporaryError(message) from error
    except OSError as error:
        message = f"{what} can't be {'written' if doing == 'write' else 'read'}: {error.strerror or first_line(error)}"
        raise FailedError(message) from error


def _refusal(code: str, what: str, doing: str, error: ClientError) -> ConfigurationError | TemporaryError:
    if code in _REFUSED:
        return ConfigurationError(f"the store refuses to {doing} {what}: {code}")
    if code == "NoSuchBucket":
        return ConfigurationError(f"the bucket of {what} does not exist")
    return TemporaryError(f"the store of {what} can't {doing} it: {first_line(error)}")
