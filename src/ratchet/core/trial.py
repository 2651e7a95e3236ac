"""Whether a version may serve, judged by its server's behaviour in a trial.

`jobs.promotion.validate` tries a version in the image that will serve it and writes the verdict to the version as a
tag; `jobs.promotion.conclude` applies it. Imports only the standard library.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from ratchet.errors import FailedError

TAG = "ratchet.validation"
# Libraries sum in different orders on different processors; a truly different probability differs by more.
_SAME_PROBABILITY = 1e-6


@dataclass(frozen=True)
class Trial:
    """The observations of a version's server.

    broken: why the trial could not be completed, in one sentence; empty if it was. rows: number of rows labelled.
    wrong: number of labels that differ from the trainer's. apart: the largest difference of a probability from the
    trainer's. malformed: the status returned for each malformed request, by its defect. latencies: seconds of each
    single-row request. memory_bytes: the server's peak memory.
    """

    broken: str = ""
    rows: int = 0
    wrong: int = 0
    apart: float = 0.0
    malformed: Mapping[str, int] | None = None
    latencies: Sequence[float] = ()
    memory_bytes: int = 0
    start_seconds: float = 0.0


@dataclass(frozen=True)
class TrialVerdict:
    """The verdict on a trial. reason: a sentence without its full stop. at: the time, in ISO 8601."""

    outcome: Literal["passed", "failed"]
    reason: str
    p95_seconds: float | None
    memory_bytes: int
    start_seconds: float
    at: str

    @property
    def passed(self) -> bool:
        """Whether the version may serve."""
        return self.outcome == "passed"

    @classmethod
    def from_tag(cls, text: str) -> "TrialVerdict":
        """Parse a version's tag; raises FailedError if it is invalid."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            message = f"the tag {TAG} can't be read: {text!r}; delete it in MLflow and validate again"
            raise FailedError(message) from error

    def to_tag(self) -> str:
        """The verdict as a tag's value."""
        return json.dumps(asdict(self), ensure_ascii=False)


def judge(trial: Trial, latency_seconds: float, memory_limit: int, at: str) -> TrialVerdict:
    """Judge a trial: passed, or failed because of the first defect.

    latency_seconds: the limit of the latencies' 95th percentile. memory_limit: the server's limit in bytes.
    """
    slow = p95(trial.latencies)
    reason = trial.broken or _wrong(trial, slow, latency_seconds, memory_limit)
    good = (
        f"all {trial.rows} labels are the trainer's, 95 of 100 requests took at most {_seconds(slow)},"
        f" and {_mib(trial.memory_bytes)} were used"
    )
    start = round(trial.start_seconds, 2)
    return TrialVerdict("failed" if reason else "passed", reason or good, slow, trial.memory_bytes, start, at)


def p95(latencies: Sequence[float]) -> float | None:
    """The smallest latency that 95 of 100 requests don't exceed (nearest rank); None if there are none."""
    return round(sorted(latencies)[math.ceil(0.95 * len(latencies)) - 1], 4) if latencies else None


def _wrong(trial: Trial, slow: float | None, latency_seconds: float, memory_limit: int) -> str:
    if trial.wrong:
        return f"{trial.wrong} of {trial.rows} labels are not the trainer's"
    if not trial.apart <= _SAME_PROBABILITY:
        return f"a probability differs from the trainer's by {trial.apart:.3g}"
    for what, status in (trial.malformed or {}).items():
        if not 400 <= status < 500:  # noqa: PLR2004  # HTTP's range
            return f"a request with {what} was answered with {status} instead of 4xx"
    if slow is None or slow > latency_seconds:
        return f"95 of 100 requests took at most {_seconds(slow)}, and serving.latency_seconds is {latency_seconds:g}"
    if trial.memory_bytes > memory_limit:
        return f"its server used {_mib(trial.memory_bytes)} of memory, and {_mib(memory_limit)} is its limit"
    return ""


def _seconds(value: float | None) -> str:
    return "no time that is known" if value is None else f"{value:.3f} s"


def _mib(count: int) -> str:
    return f"{count / 1024**2:.0f} MiB"
