"""A trainer: reads the windows, fits, calibrates, chooses the threshold, and logs the evidence to MLflow.

It measures but does not decide. Both engines use this module; `cli` calls it, on a cluster in an image that has only
one of them. If it is killed, running it again for the same cycle ends in the same state.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import structlog

from ratchet import background
from ratchet.core.evaluation.counts import Confusion, Counts
from ratchet.core.evaluation.explanation import Explanation
from ratchet.core.evaluation.f1 import f1_all_positive, f1_of
from ratchet.core.evaluation.few_positives import PARAMETER, calibration_method
from ratchet.core.evaluation.threshold import Threshold, choose, choose_expected
from ratchet.core.windows import Windows
from ratchet.engines.base import Engine, WindowSummary
from ratchet.engines.opening import open_engine
from ratchet.errors import FailedError
from ratchet.io.records import samples, tracking
from ratchet.io.records.candidates import Candidates
from ratchet.io.records.connection import connect, mlflow_errors
from ratchet.io.records.registered_model import RegisteredModel
from ratchet.io.records.tracking import Run
from ratchet.io.records.version import Version
from ratchet.io.table import inspection
from ratchet.io.table.inspection import EventTable
from ratchet.io.table.labels import known
from ratchet.io.table.labels.known import LabelFacts
from ratchet.io.table.snapshot import Snapshot
from ratchet.jobs.training import gate, guarding, late_labels, pinned_snapshot, refit, rivals, searching
from ratchet.jobs.training.explaining import explain
from ratchet.jobs.training.guarding import Guarded
from ratchet.jobs.training.layout import slice_columns, windows_of
from ratchet.jobs.training.refit import Served
from ratchet.jobs.training.rivals import Compared
from ratchet.settings import Settings

if TYPE_CHECKING:
    from ratchet.jobs.training.evidence import Result

log = structlog.get_logger()


@dataclass(frozen=True)
class Trained:
    """The result of a trainer: its run, and whether the run existed before."""

    run_id: str
    f1: float
    already: bool


def train(
    settings: Settings,
    engine_name: str,
    cycle: str,
    as_of: date | None,
    opened: Engine | None = None,
    *,
    because: str | None = None,
) -> Trained:
    """Train one engine for a cycle; returns the complete run.

    as_of: the day on which the test window ends, exclusive; None takes it from the cycle's snapshot, initially the end
    of the data. opened: the engine, if the caller has opened it for an early start; it is closed here. because: why the
    cycle was started, if given. Raises RatchetError.
    """
    with mlflow_errors(settings.tracking), opened or open_engine(engine_name, settings) as engine:
        client = connect(settings.tracking)
        candidates = Candidates(client, settings.experiment, settings.model)
        if (found := candidates.newest(engine_name, cycle)) is not None:
            log.info("train.already_done", cycle=cycle, engine=engine_name, run=found.run_id)
            return Trained(found.run_id, found.metric("f1"), already=True)
        experiment = tracking.experiment_id(client, settings.experiment, settings.tracking)
        with tracking.recorded_run(client, experiment, model=settings.model, cycle=cycle, engine=engine_name) as run:
            log.info("train.started", cycle=cycle, engine=engine_name, run=run.run_id)
            run.params(settings.flattened())
            work = _looked(settings, run, engine, cycle, as_of)
            tags = _window_tags(work.windows) | settings.promotion.objective.tags()
            run.tags(tags | ({} if because is None else {"ratchet.because": because}))
            return Trained(run.run_id, _train(work), already=False)


@dataclass(frozen=True)
class _Work:
    """The inputs of a trainer: the table and its windows, an engine, and a run to write to."""

    settings: Settings
    run: Run
    engine: Engine
    table: EventTable
    snapshot: Snapshot
    windows: Windows
    cycle: str


def _looked(settings: Settings, run: Run, engine: Engine, cycle: str, as_of: date | None) -> _Work:
    """The inputs, once the table has been looked at."""
    table, snapshot = pinned_snapshot.table_of(settings, run, cycle, as_of)
    gate.check_bounds(settings, table)
    if as_of is not None:
        known.check_as_of(as_of, table)
    windows = windows_of(settings, as_of or snapshot.as_of)
    peak = windows.in_memory(refit=settings.windows.refit)
    memory = inspection.memory_needed(table, peak, settings.sklearn.estimator)
    log.info("table.looked", files=len(table.files), until=windows.as_of.isoformat(), memory=memory)
    return _Work(settings, run, engine, table, snapshot, windows, cycle)


def _train(work: _Work) -> float:
    """Measure a candidate and log it; returns its F1."""
    settings, run, engine, windows = work.settings, work.run, work.engine, work.windows
    versions, chosen, extra = _versions(work)
    labels = _labels(work)
    summaries = _timed("read", _read, work, extra)
    warnings = _tell_of_data(work) + _gated(work, versions)
    # Importing the plotting libraries takes a second; the fit, mostly outside Python, leaves room for it.
    background.begin("import-evidence", _import_evidence)
    searched = searching.search(settings, engine, run, work.cycle)
    parameters = _timed("fit", engine.fit)
    calibration = _timed("calibrate", engine.calibrate)
    threshold, method = _threshold(work, calibration)
    parameters = {PARAMETER: method, **searching.parameters(searched), **parameters}
    # Spark saves a model in many small consecutive jobs; the work below uses the idle cores meanwhile.
    logged = run.beside(engine.log_model)
    counts = _timed("score", engine.count_test)
    warnings += _told(late_labels.warnings(settings, work.table, (calibration, counts)))
    compared = _timed("compare", rivals.compare, settings, engine, versions, chosen, counts, threshold.value)
    guarded = _timed("guard", guarding.guard, settings, engine, versions, counts, threshold.value)
    own = counts.confusion(threshold.value)
    explaining = background.begin("explain", _timed, "explain", explain, settings, engine, versions, own, compared)
    serving = run.beside(lambda: _served(work, own, f1_all_positive(counts), compared, guarded, logged))
    features = _timed("count_features", engine.count_features)
    run.params(_not_yet_logged(run, parameters))
    from ratchet.jobs.training.evidence import Result

    data = (work.cycle, work.snapshot, windows, summaries, labels, warnings)
    result = Result(settings, engine.name, *data, parameters, threshold, counts, compared, guarded, features, searched)
    return _log(work, result, serving, explaining)


def _versions(work: _Work) -> tuple[tuple[Version, ...], tuple[Version, ...], tuple[str, ...]]:
    """The existing versions, those to score, and the columns besides the features that they or the slices need."""
    settings, run, name = work.settings, work.run, work.engine.name
    model = RegisteredModel.read(run.client, settings.registered_name(name))
    versions = () if model is None else model.versions
    leads = partial(rivals.last_leads, run.client, settings, name, versions)
    chosen = rivals.to_rescore(versions, settings.promotion, leads)
    trained_on = model.columns(chosen, run.experiment_id) if model else []
    extra = (*rivals.extra_columns(trained_on, work.table), *slice_columns(settings, work.table))
    return tuple(versions), chosen, extra


def _labels(work: _Work) -> LabelFacts | None:
    """Rows that don't count because of when their label becomes known; None if no setting leaves any out."""
    found = known.counted(work.table, work.windows)
    if found is not None:
        log.info("data.labels", **vars(found))
    return found


def _threshold(work: _Work, calibration: Counts) -> tuple[Threshold, str]:
    """Choose the threshold; returns it and the method of calibration."""
    method = calibration_method(calibration.positives)
    choice = choose_expected if method == "sigmoid" else choose
    threshold = choice(calibration, work.settings.promotion.objective)
    work.engine.set_threshold(threshold.value)
    return threshold, method


def _read(work: _Work, extra: Sequence[str]) -> tuple[WindowSummary, WindowSummary, WindowSummary]:
    """Read the windows; an error says, too, if labels seem to arrive late."""
    with late_labels.hinting(work.table, work.windows):
        return work.engine.read(work.table, work.windows, extra)


def _served(
    work: _Work, own: Confusion, positives: float, compared: Compared, guarded: Guarded, logged: Future[str]
) -> Served:
    """The model that is to serve; both models are logged when it returns. positives: F1 of labelling all positive."""
    settings, engine = work.settings, work.engine
    better = guarded.why_held(settings) is None and refit.worthwhile(
        compared, f1_of(own), positives, settings.promotion
    )
    if not settings.windows.refit or not better:
        return refit.measured(logged, expected=settings.windows.refit)
    flips = _timed("refit", engine.refit)
    return refit.refitted(engine, flips, work.windows.as_of, settings.promotion.refit_flips, logged)


def _tell_of_data(work: _Work) -> tuple[str, ...]:
    """Log the data read, with any warnings; returns the warnings."""
    table, windows = work.table, work.windows
    warnings = _told((*table.remarks, *work.engine.warnings))
    for window, context in ((windows.train, "training"), (windows.test, "test")):
        work.run.data_input(context, table.uri, inspection.digest(table, window), inspection.column_kinds(table))
    return warnings


def _gated(work: _Work, versions: tuple[Version, ...]) -> tuple[str, ...]:
    champion = gate.champion_counts(work.run.client, versions)
    return _timed("gate", gate.pass_through, work.settings, work.engine, work.table, work.windows, champion)


def _told(warnings: tuple[str, ...]) -> tuple[str, ...]:
    for warning in warnings:
        log.warning("data.warning", warning=warning)
    return warnings


def _log(work: _Work, result: "Result", serving: Future[Served], explaining: Future[Explanation]) -> float:
    """Log the results, and the models once saved; a run is complete only if the model to serve is verified."""
    from ratchet.jobs.training import evidence

    run, engine = work.run, work.engine
    found = _timed("evaluate", evidence.evaluate, result)
    served = _timed("log_model", serving.result)
    sample = _timed("sample", engine.sample, served.role)
    checking = background.begin("verify", engine.mislabelled, served.uri, served.role)
    explained = explaining.result()
    _timed("log", evidence.log, result, found, served, explained, run)
    run.artifacts({samples.NAME: samples.to_json(sample.rows, sample.labels, sample.probabilities).encode()})
    wrong = _timed("verify", checking.result)
    verified = {"ratchet.model_uri": served.uri, "ratchet.verified": "false" if wrong else "true"}
    run.tags(verified | served.tags())
    if wrong:
        message = (
            f"the logged model {served.uri} labels {wrong} of the sampled test rows otherwise than the trainer did"
        )
        raise FailedError(message)
    run.tags({"ratchet.complete": "true"})
    f1 = found.metrics["f1"]
    log.info("train.done", f1=round(f1, 4), threshold=round(result.threshold.value, 4), model=served.uri)
    return f1


def _window_tags(windows: Windows) -> dict[str, str]:
    return {
        "ratchet.as_of": windows.as_of.isoformat(),
        "ratchet.test_from": str(windows.test.start),
        "ratchet.test_until": windows.test.end.isoformat(),
    }


def _import_evidence() -> None:
    import ratchet.core.evaluation.late_labels
    import ratchet.jobs.training.evidence  # noqa: F401  # for what the import itself does


def _not_yet_logged(run: Run, parameters: Mapping[str, str]) -> dict[str, str]:
    """Omit parameters written by autologging, because MLflow rejects a second value for a name."""
    logged = run.client.get_run(run.run_id).data.params
    return {name: value for name, value in parameters.items() if name not in logged}


def _timed[**P, R](step: str, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    begin = time.monotonic()
    result = call(*args, **kwargs)
    log.info(f"train.{step}", seconds=round(time.monotonic() - begin, 2))
    return result
