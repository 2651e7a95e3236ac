"""The estimate of a test window: what the scores alone would have led to expect of it, beside what came true."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ratchet.core.evaluation.counts import Counts, day_number
from ratchet.core.evaluation.estimate import (
    EstimatedDay,
    Expected,
    PastError,
    estimates_with_floor,
    expected,
    expected_confusion,
    past_error,
    rolling_estimates,
)
from ratchet.core.evaluation.floor import Floor
from ratchet.core.evaluation.rolling import RollingDay
from ratchet.core.watch_estimate import ESTIMATED_ERROR
from ratchet.core.windows import Window


@dataclass(frozen=True)
class Estimated:
    """whole: of the test window. days: the rolling estimates. past: their error, None without a full window."""

    whole: Expected
    days: Sequence[EstimatedDay]
    past: PastError | None

    def metrics(self) -> Mapping[str, float]:
        """The metrics of the test window."""
        error = {} if self.past is None else {ESTIMATED_ERROR: self.past.mean_absolute}
        return {"f1_estimated": self.whole.f1, **error}


def estimated(
    counts: Counts, threshold: float, test: Window, realised: Sequence[RollingDay], length: int, floor: Floor | None
) -> Estimated:
    """The estimate of a test window. realised: its rolling metrics over `length` days. floor: of F1, if known."""
    days = [day for day in rolling_estimates(counts, threshold, test, length) if day.expected.rows]
    f1 = {day_number(day.day): day.f1 for day in realised if day.rows}
    past = past_error({day_number(day.day): day.expected.f1 for day in days}, f1, length)
    whole = expected(expected_confusion(counts, threshold))
    return Estimated(whole, days if floor is None else estimates_with_floor(days, floor, length), past)
