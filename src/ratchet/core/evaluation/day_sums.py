"""Sums by day of what a model does with some rows, and the measures that follow from them.

Each measure is a ratio of two sums over days, so that it can be computed anew for resampled days, and for any group of
rows. An engine returns these sums for groups whose count table would be too large (`core.slices`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ratchet.core.evaluation.counts import Bools, Confusion, Floats, Ints
from ratchet.core.evaluation.objective_values import added_by_day, parts_of
from ratchet.core.objective import F1
from ratchet.core.slices import Group

# scikit-learn's log loss clips probabilities of float64 alike.
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class DaySums:
    """Sums over the rows of each day: arrays of equal length, sorted by day, each day once.

    squared_error: of (score - label)². log_loss: of -ln(score) for positive rows, -ln(1 - score) for the others.
    """

    confusion: Confusion
    squared_error: Floats
    log_loss: Floats

    @classmethod
    def from_rows(
        cls,
        day: npt.ArrayLike,
        label: npt.ArrayLike,
        predicted: npt.ArrayLike,
        rows: npt.ArrayLike,
        squared_error: npt.ArrayLike,
        log_loss: npt.ArrayLike,
    ) -> "DaySums":
        """Sum up rows of (day, label, predicted label, count, sums): arrays of equal length, in any order."""
        confusion = Confusion.from_rows(day, label, predicted, rows)
        place = np.searchsorted(confusion.day, np.asarray(day, dtype=np.int64))

        def by_day(values: npt.ArrayLike) -> Floats:
            return np.bincount(place, np.asarray(values, dtype=np.float64), len(confusion.day))

        return cls(confusion, by_day(squared_error), by_day(log_loss))

    def reindexed(self, days: Ints) -> "DaySums":
        """The same sums on the given sorted days: absent days are zero, days that are not given are left out."""
        kept = np.isin(self.confusion.day, days)
        place = np.searchsorted(days, self.confusion.day[kept])

        def spread(values: Floats) -> Floats:
            result = np.zeros(len(days))
            result[place] = values[kept]
            return result

        confusion = self.confusion.selected(kept).reindexed(days)
        return DaySums(confusion, spread(self.squared_error), spread(self.log_loss))

    @property
    def days(self) -> int:
        """The number of days with rows."""
        one = self.confusion
        return int(((one.true_positive + one.false_positive + one.false_negative + one.true_negative) > 0).sum())

    @property
    def positives(self) -> int:
        return int((self.confusion.true_positive + self.confusion.false_negative).sum())


@dataclass(frozen=True)
class Ratio:
    """A measure by day: the sum of `numerator` divided by the sum of `denominator`, 0 if that is 0."""

    numerator: Floats
    denominator: Floats

    @property
    def value(self) -> float:
        below = float(self.denominator.sum())
        return float(self.numerator.sum()) / below if below else 0.0

    @property
    def influence(self) -> Floats:
        """How much each day adds to the measure, to first order; the sum is 0."""
        return added_by_day(self.numerator, self.denominator, self.value)


def _f1(one: DaySums) -> Ratio:
    return Ratio(*parts_of(F1, one.confusion))


def _precision(one: DaySums) -> Ratio:
    right = one.confusion.true_positive.astype(np.float64)
    return Ratio(right, right + one.confusion.false_positive)


def _recall(one: DaySums) -> Ratio:
    found = one.confusion.true_positive.astype(np.float64)
    return Ratio(found, found + one.confusion.false_negative)


def _accuracy(one: DaySums) -> Ratio:
    right = one.confusion.true_positive + one.confusion.true_negative
    return Ratio(right.astype(np.float64), _rows(one))


def _brier(one: DaySums) -> Ratio:
    return Ratio(one.squared_error, _rows(one))


def _log_loss(one: DaySums) -> Ratio:
    return Ratio(one.log_loss, _rows(one))


def _rows(one: DaySums) -> Floats:
    kinds = one.confusion
    rows = kinds.true_positive + kinds.false_positive + kinds.false_negative + kinds.true_negative
    return rows.astype(np.float64)


MEASURES: Mapping[str, Callable[[DaySums], Ratio]] = {
    "f1": _f1,
    "precision": _precision,
    "recall": _recall,
    "accuracy": _accuracy,
    "brier": _brier,
    "log_loss": _log_loss,
}
"""By the names of the run's metrics."""


def row_losses(score: Floats, label: Bools) -> tuple[Floats, Floats]:
    """The squared error and the log loss of each row."""
    clipped = np.clip(score, EPSILON, 1 - EPSILON)
    return (score - label) ** 2, -np.log(np.where(label, clipped, 1 - clipped))


def sums_by_group(
    group: Sequence[npt.ArrayLike],
    day: npt.ArrayLike,
    label: npt.ArrayLike,
    predicted: npt.ArrayLike,
    rows: npt.ArrayLike,
    losses: Sequence[npt.ArrayLike],
) -> dict[Group, DaySums]:
    """Separate a table of sums into its groups: arrays of equal length, in any order.

    group: places and numbers. losses: sums of squared errors and of log losses.
    """
    place, number = (np.asarray(column, dtype=np.int64) for column in group)
    columns = [np.asarray(column) for column in (day, label, predicted, rows, *losses)]
    found: dict[Group, DaySums] = {}
    for each in sorted(set(zip(place.tolist(), number.tolist(), strict=True))):
        kept = (place == each[0]) & (number == each[1])
        found[each] = DaySums.from_rows(*(column[kept] for column in columns))
    return found
