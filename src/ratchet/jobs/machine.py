"""The place where a cycle's steps run as processes: the machine that it was started on."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ratchet.core import cycle_ids
from ratchet.io.processes import StepProcess
from ratchet.io.steps import OnEvent, Order, Step
from ratchet.settings import Settings, bytes_of

# Python, MLflow and the pictures, beside the rows or the JVM's heap.
_PROCESS_BYTES = 700 * 1024**2


class Machine:
    """The machine; a `Place` of `io.steps`."""

    poll_seconds = 0.2

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock

    @contextmanager
    def cycle(self, cycle: str | None) -> Iterator[str]:
        """The id that is given, or a new one; cycles on one machine don't wait for each other."""
        yield cycle_ids.new() if cycle is None else cycle_ids.checked(cycle)

    def together(self) -> bool:
        """Whether the machine's free memory holds both trainers at once."""
        import psutil

        from ratchet.io import data
        from ratchet.jobs.train import windows_of

        settings = self._settings
        table = data.inspect(settings.data)
        rows = data.memory_needed(table, windows_of(settings, table, None), settings.sklearn.estimator)
        needed = rows + bytes_of(settings.spark.driver_memory) * 3 // 2 + 2 * _PROCESS_BYTES
        return bool(psutil.virtual_memory().available > needed) and (os.cpu_count() or 1) > 1

    def start(self, order: Order, cycle: str, on_event: OnEvent) -> Step:  # noqa: ARG002  # the order says it
        """Start a process."""
        return StepProcess([*order.verb, *order.arguments], on_event, self._clock)
