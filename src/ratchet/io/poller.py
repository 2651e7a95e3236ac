"""Somebody who is asked again and again in a thread of its own, so that whoever wants the facts never waits.

`jobs.exporter` has one for MLflow and one for the cluster.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from ratchet.core.exported import SourceState
from ratchet.errors import RatchetError

log = structlog.get_logger()


@dataclass(frozen=True)
class _Last[F]:
    facts: F | None = None
    answered: float | None = None
    up: bool = False


class Poller[F]:
    """A source of facts.

    ask: what it says now; raises RatchetError where it is away. seconds: between two askings. keep: for how many
    seconds its last facts stand for it while it is away.
    """

    def __init__(
        self, name: str, ask: Callable[[], F], seconds: float, keep: float, clock: Callable[[], float] = time.time
    ) -> None:
        self.name = name
        self._ask = ask
        self._seconds = seconds
        self._keep = keep
        self._clock = clock
        self._last = _Last[F]()  # replaced as a whole: who reads it meanwhile has one or the other

    def facts(self) -> F | None:
        """What it said last; None where it never has, or too long ago."""
        last = self._last
        return last.facts if self._is_fresh(last.answered) else None

    def state(self) -> SourceState:
        """Whether it answers. One that hangs for longer than its facts are kept does not."""
        last = self._last
        return SourceState(self.name, last.up and self._is_fresh(last.answered), last.answered)

    def refresh(self) -> None:
        """Ask once."""
        try:
            facts = self._ask()
        except RatchetError as error:
            self._away(str(error))
        except Exception as error:  # noqa: BLE001  # one answer that nobody foresaw must not end all the asking
            self._away(f"{type(error).__name__}: {error}")
        else:
            if not self._last.up:
                log.info("source.up", source=self.name)
            self._last = _Last(facts, self._clock(), up=True)

    def refresh_for_ever(self, stop: threading.Event) -> None:
        """Ask at once, then again and again until `stop` is set."""
        while True:
            self.refresh()
            if stop.wait(self._seconds):
                return

    def _is_fresh(self, answered: float | None) -> bool:
        return answered is not None and self._clock() - answered <= self._keep + self._seconds

    def _away(self, why: str) -> None:
        last = self._last
        if last.up or last.answered is None:
            log.warning("source.away", source=self.name, why=why)
        self._last = _Last(last.facts, last.answered, up=False)
