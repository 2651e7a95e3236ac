"""The lock: one registrar at a time for each registered model, one trainer at a time that writes a cycle's snapshot.

MLflow has no compare-and-set. A process that wants the lock sets its own tag on the model or experiment, then reads all
such tags. It holds the lock if there is no other live announcement; otherwise it removes its own, waits for a random
time and tries again. Of two concurrent announcements, the later writer sees the earlier, so both can never hold the
lock. This requires only that every later read sees a committed write. `docs/decisions/0002-the-lock.md` explains the
alternatives.
"""

import json
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ratchet.errors import TemporaryError
from ratchet.io.records import process_identity
from ratchet.io.records.process_identity import ProcessIdentity

PREFIX = "ratchet.lock."

# Actions must begin in the first two thirds of the time, so that the last has ended before the lock expires.
_USABLE = 2 / 3
_SHORTEST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_WAIT = 3


@dataclass(frozen=True)
class Announcement:
    """A process that waits for or holds the lock.

    place: the machine's boot and process namespace, in which `pid` and `started` identify one process permanently;
    empty if the system doesn't provide it. since: seconds since 1970 by the holder's clock. seconds: its duration.
    """

    who: str
    host: str
    place: str
    pid: int
    started: str
    since: float
    seconds: float


@dataclass
class Lock:
    """One attempt to hold the lock on a registered model.

    seconds: how long it may be held; also, how long a killed holder can block others. clock: seconds since 1970. ticks:
    seconds of a monotonic clock.
    """

    client: MlflowClient
    name: str
    seconds: float
    who: str
    clock: Callable[[], float] = time.time
    ticks: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    key: str = field(default_factory=lambda: PREFIX + uuid.uuid4().hex)
    _announced: float = 0.0
    _seen: dict[str, float] = field(default_factory=dict)

    def acquire(self) -> None:
        """Wait for the lock; raises TemporaryError, naming the holder, after three times its duration."""
        deadline = self.ticks() + _WAIT * self.seconds
        longest = _SHORTEST_PAUSE
        while True:
            holder = self._other()
            if holder is None:
                self._announce()
                holder = self._other()
                if holder is None:
                    return
                self.release()
            if self.ticks() >= deadline:
                message = f"{self.name} is locked by {_described(holder)}"
                raise TemporaryError(message)
            longest = min(2 * longest, _LONGEST_PAUSE)
            self.sleep(random.uniform(_SHORTEST_PAUSE / 2, longest))  # noqa: S311  # no secret

    def check(self) -> None:
        """Raise TemporaryError if the lock is lost, or so old that the next action might outlast it."""
        age = self.ticks() - self._announced
        if age > self.seconds * _USABLE:
            message = (
                f"the lock on {self.name} was held for {age:.0f} s, and no act may begin after"
                f" {self.seconds * _USABLE:.0f} s; run it again, or raise promotion.lock_seconds if MLflow is this slow"
            )
            raise TemporaryError(message)
        if self.key not in self._tags():
            message = f"the lock on {self.name} was taken over by another registrar; run it again"
            raise TemporaryError(message)

    def release(self) -> None:
        """Remove the announcement; if that fails, it expires."""
        with suppress(MlflowException):
            self._remove(self.key)

    def _announce(self) -> None:
        self._announced = self.ticks()
        own = process_identity.own()
        announcement = Announcement(self.who, own.host, own.place, own.pid, own.started, self.clock(), self.seconds)
        self._set(self.key, json.dumps(asdict(announcement)))

    def _other(self) -> Announcement | None:
        """The oldest live announcement of another process; dead ones are removed."""
        live = []
        for key, text in self._tags().items():
            if key == self.key:
                continue
            announcement = self._parsed(text)
            if not self._dead(key + text, announcement):
                live.append(announcement)
                continue
            with suppress(MlflowException):  # another process may remove it, too
                self._remove(key)
        return min(live, key=lambda announcement: announcement.since, default=None)

    def _parsed(self, text: str) -> Announcement:
        """The announcement; an unreadable one may be a newer Ratchet's, so it counts until seen to expire."""
        try:
            return Announcement(**json.loads(text))
        except (TypeError, ValueError):
            return Announcement("a registrar of another version", "?", "", 0, "", self.clock(), self.seconds)

    def _dead(self, seen_as: str, announcement: Announcement) -> bool:
        """Whether no process acts under this announcement any more.

        Its process is gone from this machine; or this process has observed it for its full duration, whatever the
        clocks show; or by the clocks it ended so long ago that no plausible clock skew matters.
        """
        first_seen = self._seen.setdefault(seen_as, self.ticks())
        return (
            process_identity.gone(
                ProcessIdentity(announcement.host, announcement.place, announcement.pid, announcement.started)
            )
            or self.ticks() - first_seen >= announcement.seconds
            or self.clock() >= announcement.since + 2 * announcement.seconds
        )

    def _tags(self) -> Mapping[str, str]:
        return {key: value for key, value in self._all_tags().items() if key.startswith(PREFIX)}

    def _all_tags(self) -> Mapping[str, str]:
        tags: Mapping[str, str] = self.client.get_registered_model(self.name).tags
        return tags

    def _set(self, key: str, text: str) -> None:
        self.client.set_registered_model_tag(self.name, key, text)

    def _remove(self, key: str) -> None:
        self.client.delete_registered_model_tag(self.name, key)


class ExperimentLock(Lock):
    """The same on an experiment; name: its id."""

    def _all_tags(self) -> Mapping[str, str]:
        tags: Mapping[str, str] = self.client.get_experiment(self.name).tags
        return tags

    def _set(self, key: str, text: str) -> None:
        self.client.set_experiment_tag(self.name, key, text)

    def _remove(self, key: str) -> None:
        self.client.delete_experiment_tag(self.name, key)


def locked(client: MlflowClient, name: str, seconds: float, who: str) -> AbstractContextManager[Lock]:
    """Hold the lock on a registered model, which must exist; raises TemporaryError if another process holds it."""
    return holding(Lock(client, name, seconds, who))


@contextmanager
def holding(lock: Lock) -> Iterator[Lock]:
    """Hold a lock; raises TemporaryError if another process holds it."""
    try:
        lock.acquire()
        yield lock
    finally:
        lock.release()


def _described(announcement: Announcement) -> str:
    since = datetime.fromtimestamp(announcement.since, UTC)
    until = datetime.fromtimestamp(announcement.since + announcement.seconds, UTC)
    return (
        f"{announcement.who} on {announcement.host} (process {announcement.pid}) since {since:%Y-%m-%d %H:%M:%S} UTC,"
        f" at most until {until:%H:%M:%S}"
    )
