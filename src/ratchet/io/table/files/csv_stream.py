"""The bytes of a CSV file: decompressed according to its first bytes, and hashed while they are read."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from ratchet.io.table.files.filesystem import Store

_BLOCK_BYTES = 8 * 1024 * 1024
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
# A line end of two characters and a quote, in an encoding with four bytes for each.
_END_BYTES = 12


def opened(store: Store, path: str) -> Any:
    """The file's decompressed bytes, regardless of its name."""
    return store.filesystem.open_input_stream(path, compression=_compression(store, path))


@contextmanager
def sealed(store: Store, path: str, seal: Any) -> Iterator[Any]:
    """The file's decompressed bytes for Arrow; seal: a hash that gets all of the file's own bytes."""
    compression = _compression(store, path)
    with store.filesystem.open_input_stream(path, compression=None) as stream:
        hashed = _Sealed(stream, seal)
        file = pa.PythonFile(hashed, mode="r")
        yield file if compression is None else pa.CompressedInputStream(file, compression)
        hashed.finish()


def seal_all(store: Store, path: str, seal: Any) -> None:
    """Hash a whole file."""
    with store.filesystem.open_input_stream(path, compression=None) as stream:
        _Sealed(stream, seal).finish()


def ends_with_quote(store: Store, path: str) -> bool:
    """Whether the last character of the text before the final line ends is a quote."""
    end = b""
    with opened(store, path) as stream:
        while block := stream.read(_BLOCK_BYTES):
            end = (end + block)[-_END_BYTES:]
    return end.rstrip(b"\r\n\0").endswith(b'"')


def _compression(store: Store, path: str) -> str | None:
    with store.filesystem.open_input_stream(path, compression=None) as stream:
        head = stream.read(4)
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


class _Sealed(io.RawIOBase):
    """A stream whose bytes are hashed as they are read."""

    def __init__(self, stream: Any, seal: Any) -> None:
        self._stream, self._seal = stream, seal

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content = bytes(self._stream.read(None if size < 0 else size))
        self._seal.update(content)
        return content

    def finish(self) -> None:
        """Hash the unread rest, which may follow the end of compressed text."""
        while self.read(_BLOCK_BYTES):
            pass
