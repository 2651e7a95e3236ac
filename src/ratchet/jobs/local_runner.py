"""Runs the steps of a cycle on this machine.

Trainers are processes. The registrar, which needs no engine, runs in this process, so MLflow is already imported when
the last trainer ends.
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

# Python, MLflow and the plots, in addition to the rows or the JVM's heap.
_PROCESS_BYTES = 700 * 1024**2


class LocalRunner:
    """The local machine; a `Runner` of `io.runner`."""

    poll_seconds = 0.2
    begin_cycle = None

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        # Bytes free before a step began, and bytes that scikit-learn needs for the table.
        self._free = int(psutil.virtual_memory().available)
        self._rows: int | None = None

    @contextmanager
    def cycle(self, cycle: str | None) -> Iterator[str]:
        """The given id, or a new one; cycles on one machine don't wait for each other."""
        yield cycle_ids.new() if cycle is None else cycle_ids.checked(cycle)

    def lost(self) -> tuple[()]:
        """None: a user sees how a cycle or a watch on this machine ends."""
        return ()

    @contextmanager
    def watch(self) -> Iterator[str]:
        """A new id."""
        yield cycle_ids.new("watch")

    def together(self) -> bool:
        """Whether both trainers fit into the free memory at once; False until the first has inspected the table."""
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
            # A trainer that ends frees a core, and the registrar's imports take a second or two.
            background.begin("import-register", _import_register)


class _Registrar:
    """The registrar in a thread of this process; a `Step` of `io.runner`. Its MLflow requests have deadlines."""

    def __init__(self, settings: Settings, cycle: str, on_event: OnEvent, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begun = clock()
        self._results = background.begin("register", _register, settings, cycle, on_event)

    def poll(self) -> Ended | None:
        """How it ended; None while it runs."""
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
        """Do nothing: it ends with this process, and its work may be interrupted at any point and repeated."""

    def leave(self) -> None:
        """Do nothing, like `stop`."""


def _import_register() -> None:
    import ratchet.jobs.promotion.register  # noqa: F401  # for what the import itself does


def _register(settings: Settings, cycle: str, on_event: OnEvent) -> Sequence[Result]:
    from ratchet.jobs.promotion.register import register

    return register(settings, cycle, on_event)
