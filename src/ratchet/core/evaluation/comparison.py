"""Confidence in a difference in F1: the bootstrap over days.

Rows of one day are correlated (a storm delays all of a day's flights), so days are resampled, not rows: each resample
draws as many days as there are, with replacement, and F1 is computed from the summed counts (Efron and Tibshirani, "An
Introduction to the Bootstrap", 1993, chapters 8 and 13). Both models get the same days, which pairs the comparison.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ratchet.core.evaluation.counts import Confusion, Floats, Ints
from ratchet.core.evaluation.f1 import f1

# With fewer days, the bootstrap underestimates the uncertainty.
FEWEST_DAYS = 14


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of the resamples."""

    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """The candidate compared with each version on the same rows.

    interval: of the candidate's F1. intervals: of each version's. probabilities: for each version the share of
    resamples in which the candidate's F1 is greater; None if there are rows of fewer than 14 days. Ties count against
    the candidate.
    """

    interval: Interval
    intervals: Mapping[int, Interval]
    probabilities: Mapping[int, float | None]


def compare(candidate: Confusion, versions: Mapping[int, Confusion], samples: int, seed: int) -> Comparison:
    """Resample the candidate's days `samples` times and compute every model's F1 on each resample."""
    days = candidate.day
    weights = _day_weights(len(days), samples, seed)
    own = _resampled_f1(candidate, weights)
    theirs = {number: _resampled_f1(confusion.reindexed(days), weights) for number, confusion in versions.items()}
    known = len(days) >= FEWEST_DAYS
    return Comparison(
        _interval(own),
        {number: _interval(values) for number, values in theirs.items()},
        {number: float((own > values).mean()) if known else None for number, values in theirs.items()},
    )


def _day_weights(days: int, samples: int, seed: int) -> Ints:
    """How often each day is drawn in each resample: (samples, days)."""
    return np.random.default_rng(seed).multinomial(days, np.full(days, 1 / days), size=samples)


def _resampled_f1(confusion: Confusion, weights: Ints) -> Floats:
    return f1(weights @ confusion.true_positive, weights @ confusion.false_positive, weights @ confusion.false_negative)


def _interval(values: Floats) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(low), float(high))
