"""Ratchet at another time: a month of the exporter takes a minute."""

import time
from contextlib import ExitStack, contextmanager
from datetime import datetime
from unittest.mock import patch

from ratchet.core import moments
from ratchet.jobs import cycles


class Clock:
    """A clock that stands until it is set. now: a Unix time."""

    def __init__(self, now: float):
        self.now = now

    def __call__(self) -> float:
        return self.now


@contextmanager
def ruled_by(clock):
    """MLflow's client and Ratchet's records have this clock's time."""

    class Moved(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(clock(), tz)

    with ExitStack() as stack:
        stack.enter_context(patch.object(time, "time", clock))
        for module in (moments, cycles):
            stack.enter_context(patch.object(module, "datetime", Moved))
        yield clock
