"""Whether a champion still performs well on the newest days; used by `jobs.watch_step`.

Imports only the standard library: the watch, which starts a cycle because of it, runs where no engine is installed.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from math import isnan, nan
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
    @property
    def f1_floor(self) -> float: ...


@dataclass(frozen=True)
class WatchVerdict:
    """The verdict of a watch on a version.

    until: the end of the measured days, exclusive, in ISO 8601. rows, f1: of the newest full window; None if there is
    none yet. floor: the F1 below which that window is low. low_days: how many of the newest days were low. at: the time
    of the verdict.
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


def floor_of(fixed: float | None, measured: float | None, own_f1: float | None) -> float:
    """The F1 below which a day is low; NaN if it is unknown.

    fixed: the setting `watch.floor`, which goes first. measured: by `core.evaluation.floor`; None or NaN if the version
    was trained before there was such a floor. own_f1: F1 on the version's own test rows, of which nine tenths are then
    the floor.
    """
    if fixed is not None:
        return fixed
    if measured is not None and not isnan(measured):
        return measured
    return nan if own_f1 is None else _SHARE * own_f1


def judge(days: Sequence[Day], until: date, windows: int, low: int, length: int, at: str) -> WatchVerdict:
    """Judge the newest `windows` days that have a full window of `length` days with a positive row in it, and a floor.

    days: those since the version's own test window, in order. low: how many must be low, including the newest.
    """
    full = [day for day in days if day.days == length and day.positives and not isnan(day.f1_floor)][-windows:]
    if not full:
        return WatchVerdict(until.isoformat(), None, None, None, 0, "unknown", at)
    newest = full[-1]
    weak = sum(day.f1 < day.f1_floor for day in full)
    verdict: Judgement = "low" if weak >= low and newest.f1 < newest.f1_floor else "fine"
    return WatchVerdict(until.isoformat(), newest.rows, newest.f1, newest.f1_floor, weak, verdict, at)
