"""What the console tells beyond the exporter's metrics: a champion's days, the last candidates, the newest cycles.

They are fields of the facts in `core.exported`, and are never samples: their values are sentences, days and ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ratchet.core.objective import FloorWords, floor_words

# What the console has room for.
MOST_DAYS = 366
MOST_CYCLES = 10


@dataclass(frozen=True)
class Curve:
    """A rolling measure by day, the newest MOST_DAYS.

    name: F1, F2 or cost. values: as people read them, so a cost is positive; by the number of days since 1970. floors:
    of those days that have one; for a cost, the limit. greater_is_better: whether a value below its floor is low.
    """

    name: str
    values: Mapping[int, float] = field(default_factory=dict)
    floors: Mapping[int, float] = field(default_factory=dict)
    greater_is_better: bool = True

    @property
    def floor_words(self) -> FloorWords:
        """The words for its floor."""
        return floor_words(greater_is_better=self.greater_is_better)

    def is_low(self, day: int) -> bool:
        """Whether a day's value is on the wrong side of its floor."""
        value, floor = self.values.get(day), self.floors.get(day)
        if value is None or floor is None:
            return False
        return value < floor if self.greater_is_better else value > floor


@dataclass(frozen=True)
class Trained:
    """An engine's newest run in a cycle.

    begun: a Unix time. status: as MLflow has it: RUNNING, FINISHED, FAILED, KILLED. decision: promoted, held, staged,
    or empty. reason: a sentence. page, report: paths in MLflow's UI, of the run and its report; empty if it has none.
    f1, low, high: on its test rows, with the 95 % interval; None where unknown.
    """

    cycle: str
    begun: float
    status: str
    decision: str = ""
    reason: str = ""
    page: str = ""
    report: str = ""
    f1: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class CycleStep:
    """A step of a cycle. state, said: as in `ratchet status`. seconds: until its end, or until now; None if unknown."""

    name: str
    state: str
    seconds: float | None = None
    said: str = ""


@dataclass(frozen=True)
class CycleNow:
    """A cycle whose Job exists: running, waiting, done, failed. began, ended: Unix times. said: why it has no step."""

    cycle: str
    state: str
    began: float | None = None
    ended: float | None = None
    steps: Sequence[CycleStep] = ()
    said: str = ""

    @property
    def runs(self) -> bool:
        """Whether it is not over yet."""
        return self.state in ("running", "waiting")
