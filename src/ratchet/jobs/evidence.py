"""Turns a trainer's counts into what people read: metrics, pictures, tables and the report, all logged to its run.

Called by `jobs.train`, once. Its work is bounded by the size of the count table, not by the number of rows.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from ratchet.core import drift, feature_counts, metrics, pictures, report
from ratchet.core.counts import Counts
from ratchet.core.drift import FeatureDrift
from ratchet.core.feature_counts import FeatureCounts
from ratchet.core.metrics import ClassRow
from ratchet.core.rival import Rival
from ratchet.core.rolling import RollingDay, rolling
from ratchet.core.threshold import Threshold
from ratchet.core.windows import Windows
from ratchet.engines.base import WindowSummary
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
    warnings: Sequence[str]
    parameters: Mapping[str, str]
    threshold: Threshold
    counts: Counts
    compared: Compared
    features: tuple[Sequence[FeatureCounts], Sequence[FeatureCounts]]
    model_uri: str


def log(result: Result, run: Run) -> Mapping[str, float]:
    """Log metrics, pictures, tables and the report; returns the metrics."""
    training, newest = result.features
    moved = drift.drift(training, newest)
    numbers = _numbers(result)
    days = rolling(result.counts, result.threshold.value, result.windows.test, result.settings.evaluation.rolling_days)
    classes = metrics.classification_report(result.counts, result.threshold.value)
    images = pictures.draw(result.counts, result.threshold, days)
    page = report.render(_evidence(result, run, numbers, days, classes, images, moved))
    run.metrics({**numbers, **drift.metrics(moved)}, days)
    tables = {
        "classification_report.csv": _table(ClassRow, classes),
        "rolling_metrics.csv": _table(RollingDay, days),
        "comparison.csv": Rival.to_csv(result.compared.rivals),
        "counts.csv": result.counts.to_csv(),
        "feature_counts.csv": feature_counts.to_csv(training),
        "drift.csv": drift.to_csv(moved),
    }
    run.artifacts({"report.html": page.encode(), **images, **{name: text.encode() for name, text in tables.items()}})
    return numbers


def _numbers(result: Result) -> dict[str, float]:
    compared = result.compared
    numbers = {
        **metrics.metrics(result.counts, result.threshold.value),
        "f1_low": compared.interval.low,
        "f1_high": compared.interval.high,
        "f1_all_positive": metrics.f1_all_positive(result.counts),
        "f1_calibration": result.threshold.f1,
    }
    return numbers if compared.probability is None else {**numbers, "probability_better": compared.probability}


def _evidence(
    result: Result,
    run: Run,
    numbers: Mapping[str, float],
    days: Sequence[RollingDay],
    classes: Sequence[ClassRow],
    images: Mapping[str, bytes],
    moved: Sequence[FeatureDrift],
) -> report.Evidence:
    return report.Evidence(
        model=result.settings.registered_name(result.engine),
        engine=result.engine,
        cycle=result.cycle,
        as_of=result.windows.as_of,
        created=datetime.now(UTC),
        summaries=result.summaries,
        metrics=numbers,
        f1_interval=result.compared.interval,
        f1_all_positive=numbers["f1_all_positive"],
        rivals=result.compared.rivals,
        probability_better=result.compared.probability,
        classes=classes,
        rolling=days,
        drift=moved,
        pictures=images,
        parameters={**result.settings.flattened(), **result.parameters},
        links={**run.addresses(result.settings.tracking.uri), "model": result.model_uri},
        warnings=result.warnings,
    )


def _table[T](row: type[T], rows: Iterable[T]) -> str:
    """A CSV with a column for each field; a value that is not defined is left empty."""
    names = [field.name for field in fields(row)]  # type: ignore[arg-type]  # every row is a dataclass
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for one in rows:
        values = [getattr(one, name) for name in names]
        writer.writerow("" if value is None or value != value else value for value in values)  # noqa: PLR0124  # NaN
    return text.getvalue()
