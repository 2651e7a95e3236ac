"""Folds that go forward in time inside the training window: what comes later scores what was fitted on earlier days."""

from dataclasses import dataclass
from datetime import date, timedelta

from ratchet.core.windows import Period
from ratchet.errors import DataError

LEAST_DAYS = 7


@dataclass(frozen=True)
class Fold:
    """Fit on the days before `known`, score those from `start` to `end`, exclusive."""

    known: date
    start: date
    end: date


def forward_folds(first: date, end: date, number: int, gap: Period | None) -> tuple[Fold, ...]:
    """Divide the days from `first` to `end`, exclusive, into one more part than there are folds, of equal length.

    gap: before each scored part, so that the labels of a fit were known when the part began, as between windows. Raises
    DataError if a part has less than a week, or no day is left to fit on.
    """
    days = (end - first).days
    length = days // (number + 1)
    starts = [end - timedelta(days=length * part) for part in range(number, 0, -1)]
    folds = tuple(
        Fold(start if gap is None else gap.before(start), start, start + timedelta(days=length)) for start in starts
    )
    if length < LEAST_DAYS or (folds[0].known - first).days < LEAST_DAYS:
        message = (
            f"the training window has {days} days, too few for {number} folds of a search with at least {LEAST_DAYS} "
            f"days each to fit on and to score: a longer windows.train, fewer folds or no search help"
        )
        raise DataError(message)
    return folds
