"""Runs the steps of a cycle on the machine that it was started on.

Trainers are processes. The registrar, which needs no engine, works in this one: it then has MLflow imported already
when the last trainer ends.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import psutil

from ratchet import background
from ratchet.core import cycle_ids
from ratchet.errors import RatchetError
from ratchet.io.processes import StepProcess
from ratchet.io.runner import Ended, OnEvent, Order, Step
from ratchet.jobs.promotion.results import Result
from ratchet.settings import Settings, bytes_of

# Python, MLflow and the pictures, beside the rows or the JVM's heap.
_PROCESS_BYTES = 700 * 1024**2


class LocalRunner:
    """The machine; a `Runner` of `io.runner`."""

    poll_seconds = 0.2
    begin_cycle = None

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        # Bytes that were free before a step began, and those that scikit-learn needs for the table.
        self._free = int(psutil.virtual_memory().available)
        self._rows: int | None = None

    @contextmanager
    def cycle(self, cycle: str | None) -> Iterator[str]:
        """The id that is given, or a new one; cycles on one machine don't wait for each other."""
        yield cycle_ids.new() if cycle is None else cycle_ids.checked(cycle)

    @contextmanager
    def watch(self) -> Iterator[str]:
        """A new id."""
        yield cycle_ids.new("watch")

    def together(self) -> bool:
        """Whether the machine's free memory holds both trainers at once; not before the first has seen the table."""
        if self._rows is None or (os.cpu_count() or 1) == 1:
            return False
        needed = self._rows + bytes_of(self._settings.spark.driver_memory) * 3 // 2 + 2 * _PROCESS_BYTES
        return self._free > needed

    def start(self, order: Order, cycle: str, on_event: OnEvent) -> Step:
        """Start a trainer's process, or the registrar."""
        if order.verb == ("register",):
            retrain = self._settings.retrain.model_copy(update={"engines": order.engines})
            settings = self._settings.model_copy(update={"retrain": retrain})
            return _Registrar(settings, cycle, on_event, self._clock)
        return StepProcess([*order.verb, *order.arguments], partial(self._pass_on, on_event), self._clock)

    def _pass_on(self, on_event: OnEvent, event: Mapping[str, Any]) -> None:
        on_event(event)
        if event.get("event") == "table.looked":
            self._rows = int(event["memory"])
        if event.get("event") == "train.done":
            # A trainer is leaving a core; the registrar's imports take a second or two.
            background.begin("import-register", _import_register)


class _Registrar:
    """The registrar in a thread of this process; a `Step` of `io.runner`. What it asks of MLflow has deadlines."""

    def __init__(self, settings: Settings, cycle: str, on_event: OnEvent, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begun = clock()
        self._results = background.begin("register", _register, settings, cycle, on_event)

    def poll(self) -> Ended | None:
        """How it ended; None while it works."""
        if not self._results.done():
            return None
        try:
            missing = [result.reason for result in self._results.result() if result.outcome == "missing"]
        except RatchetError as error:
            return Ended.by(error)
        return Ended(1, missing[0]) if missing else Ended(0)

    def age(self) -> float:
        return self._clock() - self._begun

    def stop(self, ended: Ended) -> None:
        """It ends with this process; whatever it is at may be cut off anywhere and done again."""

    def leave(self) -> None:
        """As `stop`."""


def _import_register() -> None:
    import ratchet.jobs.promotion.register  # noqa: F401  # for what the import itself does


def _register(settings: Settings, cycle: str, on_event: OnEvent) -> Sequence[Result]:
    from ratchet.jobs.promotion.register import register

    return register(settings, cycle, on_event)
