"""What a champion is expected to do on the newest days, before their labels are known; written by `jobs.watch_step`.

Imports only the standard library, like `core.watch_verdict`: whoever reads it needs no engine. It starts no cycle.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Self

from ratchet.errors import FailedError

TAG = "ratchet.estimate"
ESTIMATED = {
    "f1": "rolling_f1_estimated",
    "precision": "rolling_precision_estimated",
    "recall": "rolling_recall_estimated",
    "positives": "rolling_positives_estimated",
    "f1_floor": "rolling_f1_estimated_floor",
}
"""The metrics of an estimated day, by what they estimate."""
ESTIMATED_ERROR = "rolling_f1_estimated_error"
"""The mean absolute error of past estimates."""
MOST_MONTHS = 36
"""Of the months with an error, so many of the newest are kept: a tag is bounded."""
BLIND_SPOT = (
    "it can't see a changed concept, where features and label relate differently than in the calibration window"
)


@dataclass(frozen=True)
class WatchEstimate:
    """The expected metrics of the rolling window that ends on the newest scored day, labelled or not.

    until: the end of the scored days, exclusive, in ISO 8601. positives: the expected number of positive rows. floor:
    the F1 below which such a window is low; None if unknown. mean_absolute_error: of the estimated rolling F1 on
    past days; None if there are none yet. error_by_month: estimated minus realised, by month (`2013-12`).
    """

    until: str
    positives: float
    f1: float
    precision: float
    recall: float
    floor: float | None = None
    mean_absolute_error: float | None = None
    error_by_month: Mapping[str, float] = field(default_factory=dict)

    @property
    def newest(self) -> date:
        """The newest scored day."""
        return date.fromisoformat(self.until) - timedelta(days=1)

    def to_tag(self) -> str:
        """The estimate as a tag's value."""
        return json.dumps({**asdict(self), "error_by_month": dict(sorted(self.error_by_month.items())[-MOST_MONTHS:])})

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

    def sentence(self) -> str:
        """The estimate in a sentence that follows the verdict's."""
        past = "no past estimate can be checked yet"
        if self.mean_absolute_error is not None:
            past = f"past estimates were off by {self.mean_absolute_error:.3f} on average"
        return (
            f"from the scores alone, a rolling F1 of {self.f1:.3f} is expected on {self.newest}; {past}; {BLIND_SPOT}"
        )
