"""Copies stores to another and compares both: a backup, its way back, or a move to another store.

What is there already is left: of the same size and either with the same MD5, or copied from this state of the source,
or newer where a store knows no MD5. Nothing is deleted, so a call that was killed is repeated, and a backup keeps what
its source has lost.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePosixPath
from threading import Event

from ratchet.errors import ConfigurationError, FailedError
from ratchet.io.file_stores import CHUNK_BYTES, S3, Entry, Place, Readable, place

FROM, TO = "FROM_", "TO_"
_AT_ONCE = 4
# Clocks of two stores may differ by less than this: a file that changed so shortly before its copy is copied again.
_CLOCKS = timedelta(hours=1)


def copy(
    sources: Sequence[str],
    target: str,
    told: Callable[[str], None],
    *,
    dry_run: bool,
    may_be_empty: bool,
    variables: Mapping[str, str] = os.environ,
) -> None:
    """Copy each source to `target`/<its last name>, in order, and compare; `told` gets a sentence about each.

    target: s3:// stands for the store itself, whose buckets then have the sources' names. dry_run: only compare.
    may_be_empty: whether a source may be missing. Raises ConfigurationError for addresses or credentials that can't
    work, TemporaryError if a store does not answer, FailedError for a file that is not the same in both afterwards.
    """
    pairs = [_pair(source, target, variables) for source in sources]
    lacking = [pair.source.address for pair in pairs if not may_be_empty and not pair.source.exists()]
    if lacking:
        message = f"there is nothing at {lacking[0]}"
        raise ConfigurationError(message)
    for pair in pairs:
        told(f"{pair.source.address} to {pair.target.address}: {pair.compared() if dry_run else pair.copied()}")


def _pair(source: str, target: str, variables: Mapping[str, str]) -> "_Pair":
    there = f"{'s3:/' if target == S3 else target.rstrip('/')}/{_last_name(source)}"
    if source.rstrip("/") == there and not any(name.startswith((f"{FROM}AWS_", f"{TO}AWS_")) for name in variables):
        message = f"{source!r} would be copied to itself; another target is accepted"
        raise ConfigurationError(message)
    return _Pair(place(source, variables, FROM), place(there, variables, TO))


def _last_name(source: str) -> str:
    name = PurePosixPath(source.removeprefix(S3)).name
    if name in ("", "..", "."):
        message = (
            f"{source!r} has no name to copy it by; a folder, a file, s3://bucket or s3://bucket/prefix is accepted"
        )
        raise ConfigurationError(message)
    return name


@dataclass(frozen=True)
class _Pair:
    source: Place
    target: Place
    stopped: Event = field(default_factory=Event)

    def compared(self) -> str:
        """A sentence on what would be copied."""
        there, missing = self._entries()
        return f"{_files(missing)} would be copied, {len(there):,} are there"

    def copied(self) -> str:
        """Copy what is missing; a sentence on what was copied and compared."""
        there, missing = self._entries()
        done = [entry for entry, found in zip(missing, self._each(self._copy, missing), strict=True) if found]
        gone = len(missing) - len(done)
        vanished = f", {gone:,} vanished meanwhile" if gone else ""
        return f"{_files(done)} copied and read back, {len(there):,} were there{vanished}"

    def _entries(self) -> tuple[list[Entry], list[Entry]]:
        """The files of the source that the target has in the same state, and all others."""
        found = {entry.path: entry for entry in self.target.entries()}
        entries = sorted(self.source.entries(), key=lambda entry: entry.path)
        same = self._each(lambda entry: self._is_same(entry, found.get(entry.path)), entries)
        there = [entry for entry, left in zip(entries, same, strict=True) if left]
        return there, [entry for entry, left in zip(entries, same, strict=True) if not left]

    def _each(self, work: Callable[[Entry], bool], entries: Sequence[Entry]) -> list[bool]:
        """The results of some work on each entry, in order; an error or a signal stops it."""
        pool = ThreadPoolExecutor(_AT_ONCE)
        try:
            return [*pool.map(work, entries)]
        except BaseException:
            self.stopped.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _is_same(self, entry: Entry, there: Entry | None) -> bool:
        if there is None or there.size != entry.size:
            return False
        if entry.md5 is not None and entry.md5 == there.md5:
            return True
        if None in (entry.md5, there.md5) and there.modified >= entry.modified + _CLOCKS:
            return True
        # A request for each such file, where a listing told nothing: far less than its content.
        return self.target.kept_state(entry.path) == entry.state

    def _copy(self, entry: Entry) -> bool:
        """Copy a file and read it back; False if it is gone from the source."""
        content = self.source.open(entry.path)
        if content is None:
            return False
        with closing(content):
            sent = _Digested(content, self.stopped)
            self.target.write(entry.path, sent, entry.state)
        written = self.target.open(entry.path)
        if written is not None:
            with closing(written):
                received = _Digested(written, self.stopped)
                while received.read(CHUNK_BYTES):
                    pass
        if written is None or received.digest() != sent.digest():
            message = f"{entry.path!r} of {self.source.address} is not the same in {self.target.address} after its copy"
            raise FailedError(message)
        return True


class _Digested:
    """What is read of a content, with a digest of it. stopped: ends the reading, because the call has ended."""

    def __init__(self, content: Readable, stopped: Event) -> None:
        self._content, self._stopped = content, stopped
        self._hash = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        if self._stopped.is_set():
            message = "the copy was stopped"
            raise FailedError(message)
        chunk = self._content.read(size)
        self._hash.update(chunk)
        return chunk

    def digest(self) -> bytes:
        return self._hash.digest()


def _files(entries: Sequence[Entry]) -> str:
    files = "1 file" if len(entries) == 1 else f"{len(entries):,} files"
    return f"{files} ({sum(entry.size for entry in entries) / 1e6:,.1f} MB)"
