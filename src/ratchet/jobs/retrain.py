"""A whole cycle on one machine: the trainers as processes, then the registrar.

Where a step runs is the only difference between this and a cycle on a cluster; no step knows.
"""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import structlog

from ratchet import progress
from ratchet.errors import ConfigurationError, DataError, FailedError, RatchetError
from ratchet.io.processes import StepProcess
from ratchet.settings import Settings, bytes_of

log = structlog.get_logger()

_POLL_SECONDS = 0.2
# Python, MLflow and the pictures, beside the rows or the JVM's heap.
_PROCESS_BYTES = 700 * 1024**2


@dataclass(frozen=True)
class Failure:
    """A step that ended without its result, its exit code (None: its deadline passed), and its last sentence."""

    step: str
    code: int | None
    sentence: str


def retrain(settings: Settings, options: Sequence[str], cycle: str, as_of: date | None) -> None:
    """Run one cycle; `options` are the options by which a step reads the same settings.

    Raises, after everything that could be registered is, the error of the first step that failed.
    """
    until = [] if as_of is None else ["--as-of", as_of.isoformat()]
    engines = settings.retrain.engines
    together = len(engines) > 1 and _fit_together(settings)
    log.info("retrain.started", cycle=cycle, engines=list(engines), side_by_side=together)
    verbs: dict[str, Sequence[str]] = {
        engine: ["train", engine, *options, "--cycle", cycle, *until] for engine in engines
    }
    seconds = settings.retrain.deadline_minutes * 60.0
    failures: list[Failure] = []
    with progress.bars({f"train {engine}": progress.TRAIN_STEPS for engine in engines}) as advance:
        for group in [verbs] if together else [{engine: verb} for engine, verb in verbs.items()]:
            failures += _run(group, seconds, advance)
    if len(failures) < len(engines):
        with progress.bars({}) as advance:
            failures += _run({"register": ["register", *options, "--cycle", cycle]}, seconds, advance)
    log.info("retrain.done", cycle=cycle, failed=[failure.step for failure in failures])
    if failures:
        raise _error(failures)


def _run(verbs: Mapping[str, Sequence[str]], seconds: float, advance: progress.Advance) -> list[Failure]:
    deadline = time.monotonic() + seconds
    with ExitStack() as stack:
        running = {
            step: stack.enter_context(StepProcess(verb, partial(_pass_on, step, advance)))
            for step, verb in verbs.items()
        }
        failures = []
        while running:
            for step, process in list(running.items()):
                code = process.wait(_POLL_SECONDS)
                late = time.monotonic() > deadline
                if code is None and not late:
                    continue
                del running[step]
                if code is None:
                    process.stop()
                    failures.append(Failure(step, None, f"it had not ended after {seconds / 60:.0f} minutes"))
                elif code != 0:
                    failures.append(Failure(step, code, process.last_words))
        return failures


def _pass_on(step: str, advance: progress.Advance, event: Mapping[str, Any]) -> None:
    name = str(event.get("event", ""))
    fields = {
        key: value for key, value in event.items() if key not in ("event", "level", "timestamp", "engine", "cycle")
    }
    getattr(log, str(event.get("level", "info")))(name, step=step, **fields)
    if name.startswith("train."):
        advance(f"train {step}", name)


def _fit_together(settings: Settings) -> bool:
    """Whether the machine's free memory holds both trainers at once."""
    import psutil

    from ratchet.io import data
    from ratchet.jobs.train import windows_of

    table = data.inspect(settings.data)
    rows = data.memory_needed(table, windows_of(settings, table, None), settings.sklearn.estimator)
    needed = rows + bytes_of(settings.spark.driver_memory) * 3 // 2 + 2 * _PROCESS_BYTES
    return bool(psutil.virtual_memory().available > needed) and (os.cpu_count() or 1) > 1


def _error(failures: Sequence[Failure]) -> RatchetError:
    kinds: dict[int | None, type[RatchetError]] = {2: ConfigurationError, 3: DataError}
    sentences = "; ".join(f"{failure.step} failed: {failure.sentence}" for failure in failures)
    return kinds.get(failures[0].code, FailedError)(sentences)
