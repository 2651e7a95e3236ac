"""Metrics over the trailing days, for each day of the test window."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import nan

from sklearn.metrics import roc_auc_score

from ratchet.core.evaluation.counts import Counts, day_number, day_of
from ratchet.core.evaluation.f1 import f1_of, precision_of, recall_of
from ratchet.core.evaluation.floor import Floor
from ratchet.core.evaluation.metrics import expanded
from ratchet.core.windows import Window


@dataclass(frozen=True)
class RollingDay:
    """The metrics over a day and the days before it; NaN if undefined for these rows.

    days: the number of calendar days of the test window covered; fewer than requested at its beginning, since rows
    before the test window must not count. f1_floor: the F1 below which it is low.
    """

    day: date
    days: int
    rows: int
    positives: int
    accuracy: float
    precision: float
    recall: float
    f1: float
    roc_auc: float
    f1_floor: float = nan


def rolling(counts: Counts, threshold: float, window: Window, days: int, since: date | None = None) -> list[RollingDay]:
    """Compute metrics over the trailing `days` calendar days for each day of the window, which has an end and rows.

    since: the first requested day; None: the window's first day.
    """
    first = int(counts.day.min()) if window.start is None else day_number(window.start)
    begin = first if since is None else max(first, day_number(since))
    last = day_number(window.end - timedelta(days=1))
    return [_measure(counts, threshold, day, max(first, day - days + 1)) for day in range(begin, last + 1)]


def with_floor(days: Sequence[RollingDay], floor: Floor, length: int) -> list[RollingDay]:
    """The same days, each that has a full window of `length` days with its floor."""
    return [replace(day, f1_floor=floor.at(day.rows, day.positives)) if day.days == length else day for day in days]


def _measure(counts: Counts, threshold: float, day: int, start: int) -> RollingDay:
    part = counts.between(start, day)
    length, rows, positives = day - start + 1, part.total, part.positives
    if rows == 0:
        return RollingDay(day_of(day), length, 0, 0, nan, nan, nan, nan, nan)
    confusion = part.confusion(threshold)
    accuracy = float((confusion.true_positive.sum() + confusion.true_negative.sum()) / rows)
    precision, recall, f1 = precision_of(confusion), recall_of(confusion), f1_of(confusion)
    if positives in (0, rows):
        return RollingDay(day_of(day), length, rows, positives, accuracy, precision, recall, f1, nan)
    label, score, weight = expanded(part)
    auc = float(roc_auc_score(label, score, sample_weight=weight))
    return RollingDay(day_of(day), length, rows, positives, accuracy, precision, recall, f1, auc)
