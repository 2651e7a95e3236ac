"""A watch of one engine's champion: scores the new days, adds them to its record, and judges it.

`cli` calls it, on a cluster in the image that trained the version. It may be killed between any two requests and run
again: no day is scored or logged twice, and the verdict is written last.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import structlog

from ratchet.core.evaluation import drift
from ratchet.core.evaluation.counts import Counts, day_number
from ratchet.core.evaluation.floor import Floor
from ratchet.core.evaluation.floor import floor_of as measured_floor
from ratchet.core.evaluation.rolling import RollingDay, rolling, with_floor
from ratchet.core.objective import F1
from ratchet.core.watch_estimate import ESTIMATED, WatchEstimate
from ratchet.core.watch_verdict import WatchVerdict, floor_of, judge
from ratchet.core.windows import Window
from ratchet.engines.opening import open_engine
from ratchet.errors import FailedError
from ratchet.io.records.connection import connect, mlflow_errors
from ratchet.io.records.registered_model import RegisteredModel
from ratchet.io.records.watch_record import Record, Span
from ratchet.io.table import inspection
from ratchet.io.table.inspection import EventTable
from ratchet.io.table.labels.days import labelled_until
from ratchet.io.table.labels.known import known_until
from ratchet.jobs.estimate import Unlabelled, estimate
from ratchet.settings import Settings

log = structlog.get_logger()

_DRIFT = "drift_max"
_EVERY_DAY = "rolling_accuracy"  # defined for every day with rows


@dataclass(frozen=True)
class Watched:
    """The outcome of a watch of one engine.

    verdict: None if there is no champion, or no day to judge it by. estimate: None if no day is new to either.
    """

    sentence: str
    verdict: WatchVerdict | None = None
    estimate: WatchEstimate | None = None


def watch(settings: Settings, engine: str) -> Watched:
    """Measure an engine's champion on the newest days and judge it. Raises RatchetError."""
    with mlflow_errors(settings.tracking):
        client, name = connect(settings.tracking), settings.registered_name(engine)
        model = RegisteredModel.read(client, name)
        champion = None if model is None else model.champion
        if champion is None:
            return Watched(f"{name} has no champion yet: there is nothing to watch")
        record = Record(client, champion)
        own = settings.data.model_copy(update=dict(record.columns()))
        table = inspection.inspect(own)
        days = _new_days(settings, record, table)
        unlabelled = None if days is None else _measure(settings, engine, record, table, *days)
        label, new = f"version {champion.number} of {name}", days is not None and days[0].start != days[0].end
        floor = _floor(settings, record)
        f1_floor = floor if record.objective == F1 else None
        if record.end > record.tested_until:
            verdict = _concluded(settings, record, name, floor)
            log.info("watch.judged", engine=engine, version=champion.number, new=new, **vars(verdict))
            expected = estimate(settings, record, name, f1_floor, unlabelled)
            return Watched(verdict.sentence(label) + ("" if new else "; no day is new"), verdict, expected)
        if unlabelled is not None:
            expected = estimate(settings, record, name, f1_floor, unlabelled)
            return Watched(f"{label} has no labelled day after its test window yet", None, expected)
    return Watched(f"{label} was measured up to the end of the data, {record.tested_until}: no day is new")


def _new_days(settings: Settings, record: Record, table: EventTable) -> tuple[Window, Window] | None:
    """The newest unmeasured days: those with labels, then those without. None if all are measured or estimated.

    Either may be empty. Days whose labels are not final, or that `watch.lag_days` leaves to a later watch, count as
    unlabelled.
    """
    end = known_until(table) - timedelta(days=settings.watch.lag_days)
    start = max(record.end, end - timedelta(days=settings.watch.most_days))
    labelled = Window("newest", start, start)
    if start < end:
        labelled = replace(labelled, end=labelled_until(table, replace(labelled, end=end)))
    elif start >= table.end or day_number(table.end) - 1 in record.logged(ESTIMATED["f1"]):
        return None
    return labelled, Window("unlabelled", labelled.end, table.end, all_rows=True)


def _measure(
    settings: Settings, engine: str, record: Record, table: EventTable, window: Window, unlabelled: Window
) -> Unlabelled:
    """Score the rows of both windows and store the counts of the first."""
    training = record.features()
    with open_engine(engine, settings) as opened:
        levels = record.levels(settings.evaluation.score_levels)
        measured = opened.measure(record.version.uri, table, window, unlabelled, levels, training)
    if measured.threshold != record.threshold:
        message = (
            f"{record.version.uri} labels a row positive from {measured.threshold!r} on, and its run"
            f" {record.version.run_id} says {record.threshold!r}"
        )
        raise FailedError(message)
    for warning in measured.warnings:
        log.warning("data.warning", warning=warning)
    if window.start != window.end:
        record.add(window, measured.counts, drift.to_csv(drift.drift(training, measured.features)))
        log.info("watch.measured", engine=engine, window=str(window), rows=measured.counts.total)
    return Unlabelled(unlabelled, measured.unlabelled)


def _concluded(settings: Settings, record: Record, name: str, floor: Floor | None) -> WatchVerdict:
    """Log the metrics of measured days that are not yet logged, and write the verdict."""
    logged = record.logged(_EVERY_DAY)
    length = settings.evaluation.rolling_days
    newest = [day for block in record.blocks() for day in _days(settings, record, block, logged)]
    if floor is not None:
        newest = with_floor(newest, floor, length)
    record.log_days(day for day in newest if day_number(day.day) not in logged)
    last = record.spans[-1]
    moved = drift.metrics(drift.from_csv(record.read(last.drift)))
    if moved and day_number(last.end) - 1 not in record.logged(_DRIFT):
        record.log_drift(moved, last.end - timedelta(days=1))
    chosen = settings.watch
    now = datetime.now(UTC).isoformat(timespec="seconds")
    floored = _floored(settings, record, newest)
    verdict = judge(floored, record.end, chosen.windows, chosen.low, length, now, record.objective)
    record.conclude(name, verdict)
    return verdict


def _floored(settings: Settings, record: Record, days: list[RollingDay]) -> list[RollingDay]:
    """The days with the floors that decide."""
    fixed, own, objective = settings.watch.floor, record.version.recorded(record.objective), record.objective
    if objective == F1:
        return [replace(day, f1_floor=floor_of(fixed, day.f1_floor, own)) for day in days]
    return [replace(day, objective_floor=floor_of(fixed, day.objective_floor, own, objective)) for day in days]


def _floor(settings: Settings, record: Record) -> Floor | None:
    """The version's floor, from the counts of its own test window; None if its run does not have them."""
    own = record.tested
    if own is None:
        return None
    counts = Counts.from_csv(record.read(own.path), record.levels(settings.evaluation.score_levels))
    confusion, evaluation = counts.confusion(record.threshold), settings.evaluation
    length, samples = evaluation.rolling_days, evaluation.bootstrap_samples
    share, objective = settings.watch.false_alarms, record.objective
    return measured_floor(confusion, own.first, own.end, length, share, samples, settings.seed, objective)


def _days(settings: Settings, record: Record, block: list[Span], logged: set[int]) -> list[RollingDay]:
    """The metrics of the days since the test window that are not yet logged, and of those used for the verdict."""
    begin, end = block[0].first, block[-1].end
    wanted = _wanted(settings, record, max(begin, record.tested_until), end, logged)
    length = settings.evaluation.rolling_days
    reach = wanted - timedelta(days=length - 1)
    levels = record.levels(settings.evaluation.score_levels)
    parts = [Counts.from_csv(record.read(span.path), levels) for span in block if span.end > reach]
    if wanted >= end or not parts:
        return []
    window = Window("watched", begin, end)
    return rolling(Counts.together(parts, levels), record.threshold, window, length, wanted, record.objective)


def _wanted(settings: Settings, record: Record, begin: date, end: date, logged: set[int]) -> date:
    judged = end - timedelta(days=settings.watch.windows) if end == record.end else end
    days = [begin + timedelta(days=number) for number in range((end - begin).days)]
    return min([day for day in days if day_number(day) not in logged or day >= judged], default=end)
