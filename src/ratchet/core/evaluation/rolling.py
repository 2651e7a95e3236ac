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
from ratchet.core.evaluation.objective_values import value_of
from ratchet.core.objective import F1, Objective
from ratchet.core.windows import Window


@dataclass(frozen=True)
class RollingDay:
    """The metrics over a day and the days before it; NaN if undefined for these rows.

    days: the number of calendar days of the test window covered; fewer than requested at its beginning, since rows
    before the test window must not count. f1_floor: the F1 below which it is low. objective, objective_floor: the same
    of the objective, greater is better, and then f1_floor is undefined; NaN if that is F1.
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
    objective: float = nan
    objective_floor: float = nan


def rolling(
    counts: Counts, threshold: float, window: Window, days: int, since: date | None = None, objective: Objective = F1
) -> list[RollingDay]:
    """Compute metrics over the trailing `days` calendar days for each day of the window, which has an end and rows.

    since: the first requested day; None: the window's first day.
    """
    first = int(counts.day.min()) if window.start is None else day_number(window.start)
    begin = first if since is None else max(first, day_number(since))
    last = day_number(window.end - timedelta(days=1))
    return [_measure(counts, threshold, day, max(first, day - days + 1), objective) for day in range(begin, last + 1)]


def with_floor(days: Sequence[RollingDay], floor: Floor, length: int) -> list[RollingDay]:
    """The same days, each that has a full window of `length` days with its floor."""
    return [_with_floor(day, floor) if day.days == length else day for day in days]


def _with_floor(day: RollingDay, floor: Floor) -> RollingDay:
    at = floor.at(day.rows, day.positives)
    return replace(day, f1_floor=at) if floor.objective == F1 else replace(day, objective_floor=at)


def _measure(counts: Counts, threshold: float, day: int, start: int, objective: Objective) -> RollingDay:
    part = counts.between(start, day)
    length, rows, positives = day - start + 1, part.total, part.positives
    if rows == 0:
        return RollingDay(day_of(day), length, 0, 0, nan, nan, nan, nan, nan)
    confusion = part.confusion(threshold)
    accuracy = float((confusion.true_positive.sum() + confusion.true_negative.sum()) / rows)
    precision, recall, f1 = precision_of(confusion), recall_of(confusion), f1_of(confusion)
    auc = nan
    if positives not in (0, rows):
        label, score, weight = expanded(part)
        auc = float(roc_auc_score(label, score, sample_weight=weight))
    value = nan if objective == F1 else value_of(objective, confusion)
    return RollingDay(day_of(day), length, rows, positives, accuracy, precision, recall, f1, auc, objective=value)
