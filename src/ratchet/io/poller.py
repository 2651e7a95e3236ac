"""Polls a source of facts in its own thread, so that readers of the facts never wait.

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

    ask: fetches the facts; raises RatchetError if the source is unavailable. seconds: the poll interval. keep: for how
    many seconds the last facts stay valid while it is unavailable.
    """

    def __init__(
        self, name: str, ask: Callable[[], F], seconds: float, keep: float, clock: Callable[[], float] = time.time
    ) -> None:
        self.name = name
        self._ask = ask
        self._seconds = seconds
        self._keep = keep
        self._clock = clock
        self._last = _Last[F]()  # replaced as a whole, so a concurrent reader sees a consistent state

    def facts(self) -> F | None:
        """The last facts; None if there are none or they are too old."""
        last = self._last
        return last.facts if self._is_fresh(last.answered) else None

    def state(self) -> SourceState:
        """Whether it responds; a source that hangs for longer than its facts are kept does not."""
        last = self._last
        return SourceState(self.name, last.up and self._is_fresh(last.answered), last.answered)

    def refresh(self) -> None:
        """Poll once."""
        try:
            facts = self._ask()
        except RatchetError as error:
            self._away(str(error))
        except Exception as error:  # noqa: BLE001  # an unexpected error must not stop the polling
            self._away(f"{type(error).__name__}: {error}")
        else:
            if not self._last.up:
                log.info("source.up", source=self.name)
            self._last = _Last(facts, self._clock(), up=True)

    def refresh_for_ever(self, stop: threading.Event) -> None:
        """Poll at once, then at each interval until `stop` is set."""
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
