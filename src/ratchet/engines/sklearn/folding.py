"""The rows of a search's folds, and the check of its space, for the scikit-learn engine."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ratchet.core.evaluation.counts import day_number, day_of
from ratchet.core.folds import forward_folds
from ratchet.core.windows import Windows
from ratchet.engines import folding
from ratchet.engines.sklearn.pipeline import accepted
from ratchet.io.table.inspection import DAY, LABEL
from ratchet.settings import Settings


def check_space(settings: Settings) -> None:
    """Raises ConfigurationError if the search names a parameter that the estimator does not have.

    What an own estimator's function accepts is not known.
    """
    choice = settings.sklearn
    if choice.search is not None and not choice.own:
        folding.check_space("sklearn.search", choice.estimator, choice.search, accepted(choice.estimator))


def folded(frame: pd.DataFrame, windows: Windows, settings: Settings) -> Sequence[tuple[slice, slice]]:
    """For each fold the rows to fit on and those to score. frame: the training rows, in ascending order of days.

    Raises DataError if the window is too short, or if one of these parts has rows of one class only.
    """
    search = settings.sklearn.search
    assert search is not None  # noqa: S101  # only a search has folds
    day, label = frame[DAY].to_numpy(), frame[LABEL].to_numpy()
    parts = []
    for fold in forward_folds(day_of(day[0]), windows.train.end, search.folds, settings.gap):
        known, start, end = (int(np.searchsorted(day, day_number(one))) for one in (fold.known, fold.start, fold.end))
        for rows in (label[:known], label[start:end]):
            folding.check_classes(fold, len(rows), int(rows.sum()))
        parts.append((slice(0, known), slice(start, end)))
    return parts
