"""The values of an objective, from confusion counts; greater is better. See `core.objective`."""

import numpy as np
import numpy.typing as npt

from ratchet.core.evaluation.counts import Confusion, Counts, Floats, Ints
from ratchet.core.objective import Objective, Weights


def parts(
    objective: Objective,
    true_positive: npt.ArrayLike,
    false_positive: npt.ArrayLike,
    false_negative: npt.ArrayLike,
    true_negative: npt.ArrayLike,
) -> tuple[Floats, Floats]:
    """Numerator and denominator, elementwise; both can be summed over days. The counts may be fractions."""
    counts = [
        np.asarray(count, dtype=np.float64) for count in (true_positive, false_positive, false_negative, true_negative)
    ]

    def total(weights: Weights) -> Floats:
        weighted = [weight * count for weight, count in zip(weights, counts, strict=True)]
        return weighted[0] + weighted[1] + weighted[2] + weighted[3]

    numerator, denominator = objective.weights
    return total(numerator), total(denominator)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """The value, elementwise; 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator > 0)


def parts_of(objective: Objective, confusion: Confusion) -> tuple[Floats, Floats]:
    """Numerator and denominator by day."""
    return parts(objective, *_columns(confusion))


def added_by_day(numerator: Floats, denominator: Floats, value: float) -> Floats:
    """How much each day adds to a ratio of sums, to first order; the sum is 0. value: the ratio over all days.

    By the delta method, a day adds its numerator minus the ratio times its denominator, divided by the sum of all
    denominators.
    """
    return (numerator - value * denominator) / max(float(denominator.sum()), 1.0)


def value_of(objective: Objective, confusion: Confusion) -> float:
    """The value over all days."""
    # Counts are summed before they are weighted: models with the same counts tie, whatever their days.
    return float(ratio(*parts(objective, *(column.sum() for column in _columns(confusion)))))


def _columns(confusion: Confusion) -> tuple[Ints, Ints, Ints, Ints]:
    return confusion.true_positive, confusion.false_positive, confusion.false_negative, confusion.true_negative


def best_constant(objective: Objective, counts: Counts) -> float:
    """The value of labelling every row positive, or every row negative if that is better; it needs no model."""
    positives, negatives = counts.positives, counts.total - counts.positives
    return float(ratio(*parts(objective, [positives, 0], [negatives, 0], [0, positives], [0, negatives])).max())
