"""Turns a trainer's counts into evidence for readers: metrics, plots, tables and the report, all logged to its run.

`jobs.training.train` calls `evaluate` while the model is being saved, and `log` once it has an address. The size of the
count table bounds the work, not the number of rows.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime

from ratchet.core import guardrail
from ratchet.core.evaluation import drift, feature_counts, importance, metrics
from ratchet.core.evaluation.counts import Counts
from ratchet.core.evaluation.drift import FeatureDrift
from ratchet.core.evaluation.explanation import Explanation
from ratchet.core.evaluation.f1 import f1_all_positive
from ratchet.core.evaluation.feature_counts import FeatureCounts
from ratchet.core.evaluation.floor import Floor, floor_of
from ratchet.core.evaluation.guardrails import SliceRow
from ratchet.core.evaluation.metrics import ClassRow
from ratchet.core.evaluation.rolling import RollingDay, rolling, with_floor
from ratchet.core.evaluation.threshold import Threshold
from ratchet.core.guardrail import GuardrailResult
from ratchet.core.objective import F1
from ratchet.core.rival import Rival
from ratchet.core.search import Searched
from ratchet.core.windows import Windows
from ratchet.engines.base import WindowSummary
from ratchet.io.records.tracking import Run
from ratchet.io.table.labels.known import LabelFacts
from ratchet.io.table.snapshot import Snapshot
from ratchet.jobs.training.estimated import Estimated, estimated
from ratchet.jobs.training.guarding import Guarded
from ratchet.jobs.training.refit import Served
from ratchet.jobs.training.rivals import Compared
from ratchet.report import page, pictures
from ratchet.settings import Settings


@dataclass(frozen=True)
class Result:
    """Everything that a trainer measured."""

    settings: Settings
    engine: str
    cycle: str
    snapshot: Snapshot
    windows: Windows
    summaries: tuple[WindowSummary, WindowSummary, WindowSummary]
    labels: LabelFacts | None
    warnings: Sequence[str]
    parameters: Mapping[str, str]
    threshold: Threshold
    counts: Counts
    compared: Compared
    guarded: Guarded
    features: tuple[Sequence[FeatureCounts], Sequence[FeatureCounts]]
    searched: Searched | None


@dataclass(frozen=True)
class Findings:
    """The evaluation of a result. metrics: by name. pictures: PNG files by name."""

    metrics: Mapping[str, float]
    classes: Sequence[ClassRow]
    days: Sequence[RollingDay]
    drift: Sequence[FeatureDrift]
    pictures: Mapping[str, bytes]
    estimate: Estimated


def evaluate(result: Result) -> Findings:
    """Compute the metrics and draw the plots."""
    value, floor = result.threshold.value, _floor(result)
    objective, length = result.settings.promotion.objective, _length(result)
    days = rolling(result.counts, value, result.windows.test, length, objective=objective)
    days = with_floor(days, floor, length)
    return Findings(
        _numbers(result),
        metrics.classification_report(result.counts, value),
        days,
        drift.drift(*result.features),
        pictures.draw(result.counts, result.threshold, days),
        estimated(result.counts, value, result.windows.test, days, length, floor if objective == F1 else None),
    )


def log(result: Result, found: Findings, served: Served, explained: Explanation, run: Run) -> None:
    """Log metrics, plots, tables and the report. served: the logged model that is to serve."""
    more = {**pictures.draw_importance(explained), **_search_picture(result)}
    found = replace(found, pictures={**found.pictures, **more})
    html = page.render(replace(_evidence(result, found, served, run), explained=explained))
    numbers = {**found.metrics, **found.estimate.metrics(), **_refit_numbers(served), **drift.metrics(found.drift)}
    numbers |= result.searched.metrics(found.metrics["f1"]) if result.searched else {}
    run.metrics(numbers | (result.labels.metrics() if result.labels else {}), found.days, found.estimate.days)
    without = "" if result.compared.achieved else "objective"
    tables = {
        "classification_report.csv": _table(ClassRow, found.classes),
        "rolling_metrics.csv": _table(RollingDay, found.days, without),
        "comparison.csv": Rival.to_csv(result.compared.rivals),
        **_slice_tables(result.guarded, without),
        "counts.csv": result.counts.to_csv(),
        "feature_counts.csv": feature_counts.to_csv(result.features[0]),
        "drift.csv": drift.to_csv(found.drift),
    }
    if result.searched:
        tables["search.csv"] = result.searched.to_csv()
    if explained.candidate:
        tables["importance.csv"] = importance.to_csv(explained.by_model())
    texts = {name: text.encode() for name, text in tables.items()}
    run.artifacts({"report.html": html.encode(), **found.pictures, **texts})


def _search_picture(result: Result) -> dict[str, bytes]:
    return {} if result.searched is None else pictures.draw_search(result.searched)


def _slice_tables(guarded: Guarded, without: str) -> dict[str, str]:
    tables = {"slices.csv": _table(SliceRow, guarded.rows, without)} if guarded.rows else {}
    return tables | ({guardrail.NAME: GuardrailResult.to_csv(guarded.results)} if guarded.results else {})


def _length(result: Result) -> int:
    return result.settings.evaluation.rolling_days


def _floor(result: Result) -> Floor:
    settings, test = result.settings, result.windows.test
    own, first = result.counts.confusion(result.threshold.value), test.start or test.end
    samples, share = settings.evaluation.bootstrap_samples, settings.watch.false_alarms
    objective = settings.promotion.objective
    return floor_of(own, first, test.end, _length(result), share, samples, settings.seed, objective)


def _numbers(result: Result) -> dict[str, float]:
    compared = result.compared
    numbers = {
        **metrics.metrics(result.counts, result.threshold.value),
        "f1_low": compared.interval.low,
        "f1_high": compared.interval.high,
        "f1_all_positive": f1_all_positive(result.counts),
        "f1_calibration": result.threshold.f1,
        **_objective_numbers(result),
    }
    return numbers if compared.probability is None else {**numbers, "probability_better": compared.probability}


def _objective_numbers(result: Result) -> dict[str, float]:
    """By another objective than F1; greater is better, so a cost is negative."""
    achieved, interval = result.compared.achieved, result.compared.achieved_interval
    if achieved is None or interval is None:
        return {}
    return {
        "objective": achieved.value,
        "objective_low": interval.low,
        "objective_high": interval.high,
        "objective_constant": achieved.constant,
        "objective_calibration": result.threshold.achieved,
    }


def _refit_numbers(served: Served) -> dict[str, float]:
    return {} if served.flips is None else {"refit_flips": served.flips}


def _evidence(result: Result, found: Findings, served: Served, run: Run) -> page.Evidence:
    links = {**run.addresses(result.settings.tracking.uri), **_models(served)}
    return replace(
        _measured(result, found, links),
        labels=result.labels.sentences(result.settings, result.windows) if result.labels else (),
        warnings=result.warnings,
        slices=result.guarded.rows,
        guardrails=result.guarded.results,
        champion_not_sliced=result.guarded.why,
        refit=served.why,
        refit_flips=served.flips,
        searched=result.searched,
    )


def _measured(result: Result, found: Findings, links: Mapping[str, str]) -> page.Evidence:
    """What was measured of the candidate and its rivals."""
    return page.Evidence(
        model=result.settings.registered_name(result.engine),
        engine=result.engine,
        cycle=result.cycle,
        as_of=result.windows.as_of,
        created=datetime.now(UTC),
        source=result.snapshot.described(result.settings.data.uri),
        summaries=result.summaries,
        metrics=found.metrics,
        f1_interval=result.compared.interval,
        f1_all_positive=found.metrics["f1_all_positive"],
        rivals=result.compared.rivals,
        set_aside=result.compared.set_aside,
        probability_better=result.compared.probability,
        classes=found.classes,
        rolling=found.days,
        drift=found.drift,
        pictures=found.pictures,
        parameters={**result.settings.flattened(), **result.parameters},
        links=links,
        expected=found.estimate.whole,
        past_error=found.estimate.past,
        achieved=result.compared.achieved,
        achieved_interval=result.compared.achieved_interval,
    )


def _models(served: Served) -> dict[str, str]:
    same = served.uri == served.measured_uri
    return {"model": served.uri} if same else {"refitted model": served.uri, "measured model": served.measured_uri}


def _table[T](row: type[T], rows: Iterable[T], without: str = "") -> str:
    """A CSV with one column per field; undefined values are empty. without: part of the names to leave out."""
    every = [field.name for field in fields(row)]  # type: ignore[arg-type]  # every row is a dataclass
    names = [name for name in every if not (without and without in name)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for one in rows:
        values = [getattr(one, name) for name in names]
        writer.writerow("" if value is None or value != value else value for value in values)  # noqa: PLR0124  # NaN
    return text.getvalue()
