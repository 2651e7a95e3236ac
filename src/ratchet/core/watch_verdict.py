"""Whether a champion still performs well on the newest days; used by `jobs.watch_step`.

Imports only the standard library: the watch, which starts a cycle because of it, runs where no engine is installed.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from math import isnan, nan
from typing import Any, Literal, Protocol, Self

from ratchet.core.objective import F1, Objective
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

    # Only where another objective than F1 decides.
    @property
    def objective(self) -> float: ...
    @property
    def objective_floor(self) -> float: ...


@dataclass(frozen=True)
class WatchVerdict:
    """The verdict of a watch on a version.

    until: the end of the measured days, exclusive, in ISO 8601. rows, f1: of the newest full window; None if there is
    none yet. floor: the F1 below which that window is low. low_days: how many of the newest days were low. at: the time
    of the verdict. objective, value: the other objective that decides instead of F1, as its setting, and the window's
    value, greater is better; the floor is then its.
    """

    until: str
    rows: int | None
    f1: float | None
    floor: float | None
    low_days: int
    verdict: Judgement
    at: str
    objective: str | dict[str, Any] | None = None
    value: float | None = None

    @property
    def newest(self) -> date:
        """The newest measured day."""
        return date.fromisoformat(self.until) - timedelta(days=1)

    def to_tag(self) -> str:
        """The verdict as a tag's value."""
        left_out = () if self.objective else ("objective", "value")
        return json.dumps({name: value for name, value in asdict(self).items() if name not in left_out})

    @classmethod
    def from_tag(cls, text: str, where: str) -> Self:
        """Parse a version's tag; raises FailedError, naming the version, if it is invalid."""
        try:
            found = cls(**json.loads(text))
            date.fromisoformat(found.until)
            Objective.parse(found.objective or "f1")
        except (TypeError, ValueError) as error:
            message = f"the tag {TAG} of {where} can't be read: {text!r}; delete the tag in MLflow"
            raise FailedError(message) from error
        return found

    def sentence(self, name: str) -> str:
        """The verdict in one sentence. name: such as `version 3 of flights-sklearn`."""
        value = self.f1 if self.objective is None else self.value
        if value is None or self.floor is None:
            return f"{name} has no full window of new days up to {self.newest} yet"
        by = Objective.parse(self.objective or "f1")
        side = "" if value < self.floor else "not "
        return (
            f"{name} has a rolling {by.name} of {by.shown(value):.3f} on {self.newest},"
            f" {side}{by.floor_words.passed} of {by.shown(self.floor):.3f};"
            f" of the newest days {self.low_days} {'is' if self.low_days == 1 else 'are'} low"
        )


def floor_of(fixed: float | None, measured: float | None, own: float | None, objective: Objective = F1) -> float:
    """The F1, or value of another objective, below which a day is low; NaN if it is unknown.

    fixed: the setting `watch.floor`, which goes first, except for a cost. measured: by `core.evaluation.floor`; None or
    NaN if the version was trained before there was such a floor. own: F1 on the version's own test rows, of which nine
    tenths are then the floor.
    """
    if fixed is not None and objective.cost is None:
        return fixed
    if measured is not None and not isnan(measured):
        return measured
    if own is None:
        return nan
    return _SHARE * own if objective.cost is None else own / _SHARE


def judge(
    days: Sequence[Day], until: date, windows: int, low: int, length: int, at: str, objective: Objective = F1
) -> WatchVerdict:
    """Judge the newest `windows` days that have a full window of `length` days with a positive row in it, and a floor.

    days: those since the version's own test window, in order. low: how many must be low, including the newest.
    """
    by_f1 = objective == F1
    judged = [(day, day.f1, day.f1_floor) if by_f1 else (day, day.objective, day.objective_floor) for day in days]
    full = [one for one in judged if one[0].days == length and one[0].positives and not isnan(one[2])][-windows:]
    form = None if by_f1 else objective.form
    if not full:
        return WatchVerdict(until.isoformat(), None, None, None, 0, "unknown", at, form)
    newest, value, floor = full[-1]
    weak = sum(one < its_floor for _, one, its_floor in full)
    verdict: Judgement = "low" if weak >= low and value < floor else "fine"
    own = None if by_f1 else value
    return WatchVerdict(until.isoformat(), newest.rows, newest.f1, floor, weak, verdict, at, form, own)
