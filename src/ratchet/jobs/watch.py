"""The watch: a step for each engine, and one cycle if a champion performs badly; never two for the same days.

It runs where no engine is installed. It reads a step's verdict from the version's tag, so the verdict counts wherever
the step ran. The id of the started cycle is derived from the newest day watched: it names the Job on a cluster and the
runs in MLflow, so a second watch finds it. A cycle on nearly the same test window would hardly decide otherwise, so the
next one waits until enough new days have labels; MLflow's runs tell where the last one's test window ended.
"""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import structlog

from ratchet.core import cycle_ids
from ratchet.core.notice import Notice
from ratchet.core.watch_estimate import TAG as ESTIMATE
from ratchet.core.watch_estimate import WatchEstimate
from ratchet.core.watch_verdict import TAG, WatchVerdict
from ratchet.core.windows import Period
from ratchet.errors import RatchetError
from ratchet.io.records import orphaned_runs
from ratchet.io.records.candidates import Candidates
from ratchet.io.records.connection import connect, mlflow_errors
from ratchet.io.records.registered_model import RegisteredModel
from ratchet.io.records.version import Version
from ratchet.io.runner import Order, Runner
from ratchet.jobs import notifying, progress
from ratchet.jobs.retrain import Cycle, retrain, run_steps, runner_for
from ratchet.settings import Settings

log = structlog.get_logger()


@dataclass
class Watch:
    """The outcome of a watch: the verdict on each engine, the action taken, and the cycle that it ran itself."""

    sentences: list[str] = field(default_factory=list)
    cycle: Cycle | None = None
    error: RatchetError | None = None


@dataclass(frozen=True)
class _Low:
    """An engine whose champion performs badly, and the verdict."""

    engine: str
    version: int
    sentence: str
    newest: date


def watch(settings: Settings, options: Sequence[str], runner: Runner | None = None) -> Watch:
    """Watch all engines' champions, and start a cycle if due.

    options: give the steps and a cycle the same settings. runner: where the steps run; None follows the settings.
    Raises RatchetError if the watch can't be started; a step's failure is in the result.
    """
    done, runner = Watch(), runner or runner_for(settings)
    notifying.tell_of_lost(settings, runner)
    with notifying.telling_of_error(settings, runner.watch()) as watch_id:
        steps = Cycle(runner, watch_id)
        orders = [
            Order(("watch", engine), tuple(options))
            for engine in sorted(settings.retrain.engines, key=lambda engine: engine != "spark")
        ]
        with progress.bars({}) as advance:
            run_steps(steps, orders, settings.retrain.deadline_minutes * 60.0, advance)
        watched = [engine for engine in settings.retrain.engines if f"watch-{engine}" not in steps.failures]
        with mlflow_errors(settings.tracking):
            low = _judged(settings, watched, done)
        _tell(settings, low, steps)
        if low:
            _start(settings, options, runner, low, done)
        done.error = done.error or steps.error
        log.info("watch.done", watch=watch_id, low=len(low), failed=list(steps.failures))
    return done


def _tell(settings: Settings, low: Sequence[_Low], steps: Cycle) -> None:
    """Tell the team of low champions, and of engines whose champion could not be watched."""
    notices = [
        Notice("watch_low", settings.registered_name(one.engine), one.sentence, one.engine, one.version) for one in low
    ]
    notifying.tell(settings, *notices, *notifying.of_cycle(settings, steps.id, [], steps.failures))


def _judged(settings: Settings, engines: Sequence[str], done: Watch) -> list[_Low]:
    client, low = connect(settings.tracking), []
    for engine in engines:
        name = settings.registered_name(engine)
        model = RegisteredModel.read(client, name)
        champion = None if model is None else model.champion
        label = name if champion is None else f"version {champion.number} of {name}"
        if champion is None or TAG not in champion.tags:
            why = "has no champion yet" if champion is None else "has not been measured on a new day yet"
            done.sentences += [f"{label} {why}", *([] if champion is None else _expected(champion, label))]
            continue
        verdict = WatchVerdict.from_tag(champion.tags[TAG], label)
        done.sentences.append(verdict.sentence(label))
        done.sentences += _expected(champion, label)
        log.info("watch.verdict", engine=engine, version=champion.number, **vars(verdict))
        if verdict.verdict == "low":
            low.append(_Low(engine, champion.number, verdict.sentence(label), verdict.newest))
    return low


def _expected(champion: Version, label: str) -> list[str]:
    """The sentence on what its scores lead to expect, which starts no cycle."""
    text = champion.tags.get(ESTIMATE)
    return [] if text is None else [f"{label}: {WatchEstimate.from_tag(text, label).sentence()}"]


def _start(settings: Settings, options: Sequence[str], runner: Runner, low: Sequence[_Low], done: Watch) -> None:
    """Start the one cycle that is due, or report why not."""
    cycle = cycle_ids.from_watch(settings.model, max(one.newest for one in low))
    because = "; ".join(one.sentence for one in low)
    with mlflow_errors(settings.tracking):
        why_not = _decided(settings, cycle) or _cooling(settings, low)
    if why_not is None:
        if runner.begin_cycle is not None:
            why_not = runner.begin_cycle(cycle, [*options, "--because", because])
        else:
            with _alone(settings) as alone:
                why_not = _at_work(settings) if alone else "another watch on this machine has started a cycle"
                if why_not is None:
                    _run(settings, options, cycle, runner, because, done)
    done.sentences.append(f"started the cycle {cycle}" if why_not is None else f"no cycle is started: {why_not}")
    log.info("watch.started" if why_not is None else "watch.not_started", cycle=cycle, because=because, why_not=why_not)


def _run(settings: Settings, options: Sequence[str], cycle: str, runner: Runner, because: str, done: Watch) -> None:
    """Run the cycle here; an error that ends it, which it tells the team itself, is the watch's result."""
    try:
        done.cycle = retrain(settings, options, cycle, None, runner, because=because)
        done.error = done.cycle.error
    except RatchetError as error:
        done.error = error


def _decided(settings: Settings, cycle: str) -> str | None:
    """Whether a cycle has been decided on; asks MLflow because its Job may be gone."""
    candidates = Candidates(connect(settings.tracking), settings.experiment, settings.model)
    for engine in settings.retrain.engines:
        found = candidates.newest(engine, cycle)
        if found is None or "ratchet.decision" not in found.tags:
            return None
    return f"the cycle {cycle} has been run for these days"


def _cooling(settings: Settings, low: Sequence[_Low]) -> str | None:
    """Why a cycle would come too soon after the last one that a watch started; None if for one engine it would not."""
    candidates = Candidates(connect(settings.tracking), settings.experiment, settings.model)
    why_not = None
    for one in low:
        last = candidates.newest_of_watch(one.engine)
        if last is None:
            return None
        until, end = date.fromisoformat(last.tag("ratchet.test_until")), one.newest + timedelta(days=1)
        new, needed = (end - until).days + settings.watch.lag_days, _cool_down(settings, end)
        if new >= needed:
            return None
        why_not = (
            f"the last one, {last.cycle}, tested the days before {until}, and since then {new} of the {needed} days"
            " that the next one waits for have labels"
        )
    return why_not


def _cool_down(settings: Settings, end: date) -> int:
    """The setting, else half the days of a test window that ends there, rounded up."""
    if settings.watch.cool_down_days is not None:
        return settings.watch.cool_down_days
    return -(-(end - Period.parse(settings.windows.test).before(end)).days // 2)


def _at_work(settings: Settings) -> str | None:
    with mlflow_errors(settings.tracking):
        cycle = orphaned_runs.at_work_here(connect(settings.tracking), settings.experiment)
    return None if cycle is None else f"the cycle {cycle} works already"


@contextmanager
def _alone(settings: Settings) -> Iterator[bool]:
    """Whether no other watch on this machine runs a cycle of the model; the lock ends with the process."""
    which = hashlib.sha256(f"{settings.tracking.uri}\0{settings.model}".encode()).hexdigest()[:16]
    file = Path(tempfile.gettempdir()) / f"ratchet-watch-{os.getuid()}-{which}.lock"
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
