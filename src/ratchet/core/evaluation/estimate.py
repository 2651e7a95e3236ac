"""What F1, precision and recall to expect of rows whose labels are not known yet, from their calibrated scores.

A row with the calibrated score s is positive with probability s. So the scores at or above the threshold add up to the
expected true positives, those below it to the expected false negatives, and F1 follows from them (confidence-based
performance estimation, CBPE: J. Kivimäki, J. Białek, W. Kuberski and J. Nurminen, "Performance estimation in binary
classification using calibrated confidence", arXiv:2505.05295, 2025; also NannyML's documentation, "Estimation of
performance of the monitored model"). F1, precision and recall are ratios of expected counts, which differ from expected
ratios by the order of 1 / rows; scores are rounded down by less than 1 / levels.

It sees a change of the features and of the base rate as far as the features show it. It doesn't see a changed concept:
where features and label relate differently than in the calibration window, a score is no longer a probability.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import nan, sqrt

import numpy as np

from ratchet.core.evaluation.counts import Counts, Floats, Ints, day_number, day_of
from ratchet.core.evaluation.f1 import f1
from ratchet.core.evaluation.floor import Floor
from ratchet.core.windows import Window


@dataclass(frozen=True)
class ExpectedConfusion:
    """Expected right and wrong labels by day: arrays of equal length, sorted by day, each day once.

    The variances are those of independent rows whose scores are right; true and false positives share one, as false and
    true negatives do.
    """

    day: Ints
    true_positive: Floats
    false_positive: Floats
    false_negative: Floats
    true_negative: Floats
    variance_above: Floats
    variance_below: Floats


@dataclass(frozen=True)
class Expected:
    """What is to be expected of some rows; NaN without rows.

    positives: the expected number of positive rows. f1_error: the standard error of the realised F1 by chance alone,
    were the rows independent and the scores right; that of days alike is greater.
    """

    rows: int
    positives: float
    precision: float
    recall: float
    f1: float
    f1_error: float


@dataclass(frozen=True)
class EstimatedDay:
    """The expected metrics over a day and the days before it; day, days, f1_floor: as in a `RollingDay`."""

    day: date
    days: int
    expected: Expected
    f1_floor: float = nan


@dataclass(frozen=True)
class PastError:
    """Estimated minus realised rolling F1 on past days: the mean absolute error, and the mean error by month."""

    mean_absolute: float
    by_month: Mapping[str, float]


def expected_confusion(counts: Counts, threshold: float) -> ExpectedConfusion:
    """The expected confusion by day where `score >= threshold` is labelled positive. The labels don't count."""
    days, where = np.unique(counts.day, return_inverse=True)
    above = counts.score >= threshold
    positive, variance = counts.score * counts.rows, counts.score * (1 - counts.score) * counts.rows

    def daily(values: Floats, side: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
        return np.bincount(where, weights=np.where(side, values, 0.0), minlength=len(days))

    negative = counts.rows - positive
    return ExpectedConfusion(
        days,
        daily(positive, above),
        daily(negative, above),
        daily(positive, ~above),
        daily(negative, ~above),
        daily(variance, above),
        daily(variance, ~above),
    )


def expected(confusion: ExpectedConfusion, first: int | None = None, last: int | None = None) -> Expected:
    """The expected metrics of the days first to last, inclusive; None: of all."""
    begin = 0 if first is None else int(np.searchsorted(confusion.day, first))
    part = slice(begin, None if last is None else int(np.searchsorted(confusion.day, last + 1)))
    hit, false, miss, right, above, below = (
        float(column[part].sum())
        for column in (
            confusion.true_positive,
            confusion.false_positive,
            confusion.false_negative,
            confusion.true_negative,
            confusion.variance_above,
            confusion.variance_below,
        )
    )
    rows, whole = round(hit + false + miss + right), 2 * hit + false + miss
    if not rows:
        return Expected(0, 0.0, nan, nan, nan, nan)
    # The delta method on F1 = 2 TP / (labelled positive + TP + FN), of which TP and FN vary.
    slopes = (2 * (hit + false + miss) / whole**2, 2 * hit / whole**2) if whole else (0.0, 0.0)
    error = sqrt(slopes[0] ** 2 * above + slopes[1] ** 2 * below)
    return Expected(rows, hit + miss, _share(hit, false), _share(hit, miss), float(f1(hit, false, miss)), error)


def rolling_estimates(
    counts: Counts, threshold: float, window: Window, days: int, since: date | None = None
) -> list[EstimatedDay]:
    """The expected metrics over the same days as `core.evaluation.rolling.rolling`, for each day of the window."""
    confusion = expected_confusion(counts, threshold)
    first = int(counts.day.min()) if window.start is None else day_number(window.start)
    begin = first if since is None else max(first, day_number(since))
    last = day_number(window.end - timedelta(days=1))
    return [
        EstimatedDay(day_of(day), day - start + 1, expected(confusion, start, day))
        for day in range(begin, last + 1)
        for start in [max(first, day - days + 1)]
    ]


def estimates_with_floor(days: Sequence[EstimatedDay], floor: Floor, length: int) -> list[EstimatedDay]:
    """The same days, each that has a full window of `length` days with its floor at the expected positives."""
    return [
        replace(day, f1_floor=floor.at(day.expected.rows, round(day.expected.positives))) if day.days == length else day
        for day in days
    ]


def past_error(estimated: Mapping[int, float], realised: Mapping[int, float], length: int) -> PastError | None:
    """The error on the days with a full window of `length` days of which both are known; None if there are none.

    estimated, realised: rolling F1 by the number of the day, without NaN.
    """
    full = [day for day in estimated if all(day - back in realised for back in range(length))]
    if not full:
        return None
    months: dict[str, list[float]] = {}
    for day in sorted(full):
        months.setdefault(f"{day_of(day):%Y-%m}", []).append(estimated[day] - realised[day])
    errors = [error for month in months.values() for error in month]
    mean = sum(map(abs, errors)) / len(errors)
    return PastError(mean, {month: sum(found) / len(found) for month, found in months.items()})


def _share(part: float, rest: float) -> float:
    return part / (part + rest) if part + rest else 0.0
