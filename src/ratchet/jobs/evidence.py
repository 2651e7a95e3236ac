"""Turns a trainer's counts into what people read: metrics, pictures, tables and the report, all logged to its run.

Called by `jobs.train`, once. Its work is bounded by the size of the count table, not by the number of rows.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ratchet.core import metrics, pictures, report
from ratchet.core.counts import Counts
from ratchet.core.rival import Rival
from ratchet.core.rolling import RollingDay, rolling
from ratchet.core.threshold import Threshold, choose
from ratchet.core.windows import Windows
from ratchet.engines.base import WindowSummary
from ratchet.errors import DataError
from ratchet.io.tracking import Run
from ratchet.jobs.rivals import Compared
from ratchet.settings import Settings


@dataclass(frozen=True)
class Result:
    """All that a trainer measured."""

    settings: Settings
    engine: str
    cycle: str
    windows: Windows
    summaries: tuple[WindowSummary, WindowSummary, WindowSummary]
    parameters: Mapping[str, str]
    threshold: Threshold
    counts: Counts
    compared: Compared


def log(result: Result, run: Run) -> Mapping[str, float]:
    """Log metrics, pictures, tables and the report; returns the metrics."""
    numbers = numbers_of(result)
    days = rolling(result.counts, result.threshold.value, result.windows.test, result.settings.evaluation.rolling_days)
    classes = metrics.classification_report(result.counts, result.threshold.value)
    images = pictures.draw(result.counts, result.threshold, days)
    page = report.render(_evidence(result, run, numbers, days, classes, images))
    run.metrics(numbers, days)
    run.artifacts(
        {
            **images,
            "report.html": page.encode(),
            "classification_report.csv": table(
                ("class", "precision", "recall", "f1", "support"),
                ((row.name, row.precision, row.recall, row.f1, row.support) for row in classes),
            ),
            "rolling_metrics.csv": table(
                tuple(RollingDay.__dataclass_fields__), (tuple(vars(day).values()) for day in days)
            ),
            "comparison.csv": Rival.to_csv(result.compared.rivals).encode(),
        }
    )
    return numbers
