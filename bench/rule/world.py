"""What a history is: rows with days, and the days on which a version is decided on."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from ratchet.core.evaluation.counts import day_number
from ratchet.core.windows import Period, Windows, windows_until
from ratchet.io.table.inspection import DAY

MONTH = Period(1, "mo")


@dataclass(frozen=True)
class World:
    """One history of a table.

    rows: features, `LABEL` and `DAY`, sorted by day. decisions: the days `as_of`, ascending; the days from one to the
    next are a period, in which the version that the decision left in service serves. test, calibration: the lengths of
    these windows. estimator: a name that the scikit-learn engine knows.
    """

    name: str
    rows: pd.DataFrame
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    decisions: tuple[date, ...]
    test: Period = MONTH
    calibration: Period = MONTH
    estimator: str = "hist_gradient_boosting"

    @property
    def features(self) -> list[str]:
        return [*self.categorical, *self.numeric]

    def windows(self, as_of: date) -> Windows:
        """The windows of a decision's candidate; training begins with the table."""
        return windows_until(as_of, self.test, self.calibration, None)

    def between(self, start: date | None, end: date | None) -> pd.DataFrame:
        """The rows of the days from `start` to `end`, exclusive; None: from the first, to the last that is used."""
        days, end = self.rows[DAY].to_numpy(), end or self.decisions[-1]
        first = 0 if start is None else int(np.searchsorted(days, day_number(start)))
        return self.rows.iloc[first : int(np.searchsorted(days, day_number(end)))]
