"""A full cycle: the trainers, in parallel if they fit, the registrar, then validation and rollout of a better version.

This module defines a cycle. The runner determines where its steps run, as processes on this machine or as Jobs of a
cluster; the steps are independent of it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import partial
from typing import Any

import structlog

from ratchet.errors import ConfigurationError, DataError, FailedError, RatchetError
from ratchet.io.runner import Ended, Order, Runner, Step
from ratchet.jobs import notifying, progress
from ratchet.jobs.promotion.results import Result
from ratchet.settings import Settings

log = structlog.get_logger()


@dataclass
class Cycle:
    """The outcome of a cycle: the registrar's results, and how each failed step ended."""

    runner: Runner
    id: str
    results: list[Result] = field(default_factory=list)
    failures: dict[str, Ended] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @property
    def error(self) -> RatchetError | None:
        """The error of the first failed step, with the sentences of all failed steps."""
        if not self.failures:
            return None
        kinds: dict[int | None, type[RatchetError]] = {2: ConfigurationError, 3: DataError}
        sentences = "; ".join(f"{step} failed: {ended.sentence}" for step, ended in self.failures.items())
        first = next(iter(self.failures.values()))
        return kinds.get(first.code, FailedError)(sentences, first.reason)


def retrain(
    settings: Settings,
    options: Sequence[str],
    cycle: str | None,
    as_of: date | None,
    runner: Runner | None = None,
    *,
    because: str | None = None,
) -> Cycle:
    """Run one cycle, tell the team, and return the outcome.

    options: give a step the same settings. cycle: its id; None is an id created by the runner. runner: where the steps
    run; None follows the settings. because: why it is run, for its runs' tags. Raises RatchetError if the cycle can't
    be started.
    """
    runner = runner or runner_for(settings)
    notifying.tell_of_lost(settings, runner)
    done = _run(settings, options, cycle, as_of, runner, because)
    notifying.tell(settings, *notifying.of_cycle(settings, done.id, done.results, done.failures))
    return done


def _run(
    settings: Settings,
    options: Sequence[str],
    cycle: str | None,
    as_of: date | None,
    runner: Runner,
    because: str | None,
) -> Cycle:
    with notifying.telling_of_error(settings, runner.cycle(cycle), cycle) as cycle_id:
        done = Cycle(runner, cycle_id)
        common = (*options, "--cycle", cycle_id)
        until = () if as_of is None else ("--as-of", as_of.isoformat())
        why = () if because is None else ("--because", because)
        # Spark takes longest, so it starts first.
        engines = sorted(settings.retrain.engines, key=lambda engine: engine != "spark")
        log.info("retrain.started", cycle=cycle_id, engines=engines)
        orders = [Order(("train", engine), (*common, *until, *why)) for engine in engines]
        seconds = settings.retrain.deadline_minutes * 60.0
        with progress.bars({f"train {engine}": progress.TRAIN_STEPS for engine in engines}) as advance:
            run_steps(done, orders, seconds, advance)
        if trained := tuple(engine for engine in settings.retrain.engines if engine not in done.failures):
            # Only engines with a run, because a registrar treats a missing run as a failure worth another try.
            those = ("--set", f"retrain.engines=[{', '.join(trained)}]")
            with progress.bars({}) as advance:
                run_steps(done, [Order(("register",), (*common, *those), trained)], seconds, advance)
                _bring_to_serve(done, settings, (*common, *those), trained, advance)
        done.results += _missing(done, settings)
        log.info("retrain.done", cycle=cycle_id, failed=list(done.failures))
    return done


def _missing(done: Cycle, settings: Settings) -> list[Result]:
    """A result for each engine that failed."""
    return [
        Result(engine, settings.registered_name(engine), done.id, "missing", ended.sentence)
        for engine, ended in done.failures.items()
        if engine in settings.retrain.engines
    ]


def _bring_to_serve(
    cycle: Cycle, settings: Settings, options: tuple[str, ...], engines: tuple[str, ...], advance: progress.Advance
) -> None:
    """Try the staged versions, then let those that passed serve; do nothing if there are none."""
    made = [result.engine for result in cycle.results if result.version is not None]
    promotion = settings.promotion
    if not made or not (promotion.validation or promotion.approval == "manual" or settings.serving.deployments):
        return
    seconds = settings.retrain.deadline_minutes * 60.0
    if promotion.validation:
        orders = [Order(("validate", engine), options, (engine,)) for engine in made]
        run_steps(cycle, orders, seconds, advance)
    failed = {engine: cycle.failures[f"validate-{engine}"] for engine in made if f"validate-{engine}" in cycle.failures}
    why = (part for engine, ended in failed.items() for part in ("--failed", f"{engine}={ended.sentence}"))
    run_steps(cycle, [Order(("rollout",), (*options, *why), tuple(engines))], seconds, advance)


def runner_for(settings: Settings) -> Runner:
    """The runner set in the configuration. Raises ConfigurationError if it is not available here."""
    if settings.retrain.runner == "kubernetes":
        from ratchet.io.cluster.coordinator import open_cluster

        return open_cluster(settings.retrain)
    from ratchet.jobs.local_runner import LocalRunner

    return LocalRunner(settings)


def run_steps(cycle: Cycle, orders: Sequence[Order], seconds: float, advance: progress.Advance) -> None:
    """Run steps, in parallel if the runner has room, until the last has ended; none for longer than `seconds`."""
    waiting = list(orders)
    running: dict[str, Step] = {}
    with ExitStack() as stack:

        def start() -> None:
            order = waiting.pop(0)
            step = cycle.runner.start(order, cycle.id, partial(_pass_on, cycle, order.step, advance))
            stack.callback(step.leave)
            running[order.step] = step

        while waiting or running:
            while waiting and (not running or cycle.runner.together()):
                start()
            for name, step in list(running.items()):
                if (ended := _ended(step, seconds)) is not None:
                    del running[name]
                    if ended.code != 0:
                        cycle.failures[name] = ended
            if running:
                cycle.sleep(cycle.runner.poll_seconds)


def _ended(step: Step, seconds: float) -> Ended | None:
    ended = step.poll()
    if ended is None and step.age() > seconds:
        ended = Ended(None, f"it had not ended after {seconds / 60:.0f} minutes", "deadline")
        step.stop(ended)
    return ended


def _pass_on(cycle: Cycle, step: str, advance: progress.Advance, event: Mapping[str, Any]) -> None:
    name = str(event.get("event", ""))
    if name.endswith(".decided"):
        result = Result(**{key: event[key] for key in _RESULT if key in event})
        before = next((each for each in cycle.results if each.engine == result.engine), result)
        # Only the registrar compares with the champion; a rollout's result is about the same candidate.
        result = replace(result, champion=result.champion or before.champion)
        cycle.results[:] = [*(each for each in cycle.results if each.engine != result.engine), result]
    told = {key: value for key, value in event.items() if key not in _NOT_PASSED_ON}
    getattr(log, str(event.get("level", "info")))(name, step=step, **told)
    if name.startswith("train."):
        advance(f"train {step}", name)


# Fields that the line already has, or that the final table and the message to the team show better.
_NOT_PASSED_ON = frozenset(
    {"event", "level", "timestamp", "engine", "cycle", "metrics", "report", "champion", "rolled_back"}
)
_RESULT = tuple(each.name for each in fields(Result))
