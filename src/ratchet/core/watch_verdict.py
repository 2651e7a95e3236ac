"""Whether a champion still performs well on the newest days; used by `jobs.watch_step`.

Imports only the standard library: the watch, which starts a cycle because of it, runs where no engine is installed.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Literal, Protocol, Self

from ratchet.errors import FailedError

Judgement = Literal["low", "fine", "unknown"]
TAG = "ratchet.watch"
_SHARE = 0.9


class Day(Protocol):
    """A day with the metrics over the days that end there, as computed by `core.evaluation.rolling`."""

    @property
    def day(self) -> date: ...
    @property
    def days(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def positives(self) -> int: ...
    @property
    def f1(self) -> float: ...


@dataclass(frozen=True)
class WatchVerdict:
    """The verdict of a watch on a version.

    until: the end of the measured days, exclusive, in ISO 8601. rows, f1: of the newest full window; None if there is
    none yet. floor: the F1 below which a day is low. low_days: how many of the newest days were low. at: the time of
    the verdict.
    """

    until: str
    rows: int | None
    f1: float | None
    floor: float | None
    low_days: int
    verdict: Judgement
    at: str

    @property
    def newest(self) -> date:
        """The newest measured day."""
        return date.fromisoformat(self.until) - timedelta(days=1)

    def to_tag(self) -> str:
        """The verdict as a tag's value."""
        return json.dumps(asdict(self))

    @classmethod
    def from_tag(cls, text: str, where: str) -> Self:
        """Parse a version's tag; raises FailedError, naming the version, if it is invalid."""
        try:
            found = cls(**json.loads(text))
            date.fromisoformat(found.until)
        except (TypeError, ValueError) as error:
            message = f"the tag {TAG} of {where} can't be read: {text!r}; delete the tag in MLflow"
            raise FailedError(message) from error
        return found

    def sentence(self, name: str) -> str:
        """The verdict in one sentence. name: such as `version 3 of flights-sklearn`."""
        if self.f1 is None or self.floor is None:
            return f"{name} has no full window of new days up to {self.newest} yet"
        side = "below" if self.f1 < self.floor else "not below"
        return (
            f"{name} has a rolling F1 of {self.f1:.3f} on {self.newest}, {side} its floor of {self.floor:.3f};"
            f" of the newest days {self.low_days} {'is' if self.low_days == 1 else 'are'} low"
        )


def floor_of(floor: float | None, own_f1: float | None) -> float | None:
    """The F1 below which a day is low: the setting, else nine tenths of the F1 on the version's own test rows."""
    return floor if floor is not None or own_f1 is None else _SHARE * own_f1


def judge(
    days: Sequence[Day], until: date, floor: float | None, windows: int, low: int, length: int, at: str
) -> WatchVerdict:
    """Judge the newest `windows` days that have a full window of `length` days with a positive row in it.

    days: those since the version's own test window, in order. floor: None if the version's own F1 is unknown. low: how
    many must be low, including the newest.
    """
    full = [day for day in days if day.days == length and day.positives][-windows:]
    if not full or floor is None:
        return WatchVerdict(until.isoformat(), None, None, floor, 0, "unknown", at)
    weak = [day for day in full if day.f1 < floor]
    bad = len(weak) >= low and full[-1].f1 < floor
    newest = full[-1]
    return WatchVerdict(until.isoformat(), newest.rows, newest.f1, floor, len(weak), "low" if bad else "fine", at)
