"""The rows of a search's folds, for the Spark engine."""

from collections.abc import Sequence
from typing import Any

from ratchet.core.evaluation.counts import day_number, day_of
from ratchet.core.folds import forward_folds
from ratchet.core.windows import Windows
from ratchet.engines import folding
from ratchet.engines.spark.reading import column
from ratchet.io.table.table import DAY, LABEL
from ratchet.settings import Settings


def folded(rows: Any, windows: Windows, settings: Settings) -> Sequence[tuple[Any, Any]]:
    """For each fold the rows to fit on and those to score. rows: of the training window.

    Raises DataError if the window is too short, or if one of these parts has rows of one class only.
    """
    search = settings.spark.search
    assert search is not None  # noqa: S101  # only a search has folds
    counted = rows.groupBy(DAY, LABEL).count().toPandas()
    day, label, number = (counted[name].to_numpy() for name in (DAY, LABEL, "count"))
    parts = []
    for fold in forward_folds(day_of(int(day.min())), windows.train.end, search.folds, settings.gap):
        known, start, end = (day_number(one) for one in (fold.known, fold.start, fold.end))
        for chosen in (day < known, (day >= start) & (day < end)):
            folding.check_classes(fold, int(number[chosen].sum()), int(number[chosen & (label == 1)].sum()))
        later = rows.where((column(DAY) >= start) & (column(DAY) < end))
        parts.append((rows.where(column(DAY) < known), later))
    return parts
