"""How long a step may wait for what it lacks, before its reason ends it."""

from collections.abc import Callable

from ratchet.io.cluster.pending import Waiting
from ratchet.settings import Retrain

# The operator starts a JVM for each application, which on a busy machine takes its time.
_OPERATOR_TIMES = 3


class Patience:
    """The patience with one step. clock: seconds by a clock that nobody sets."""

    def __init__(self, retrain: Retrain, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._limits = {
            "missing": retrain.pending_seconds,
            "operator": retrain.pending_seconds * _OPERATOR_TIMES,
            "room": retrain.unschedulable_seconds,
        }
        self._what: tuple[str, str] | None = None
        self._since = 0.0

    def over(self, waiting: Waiting, *, sibling_at_work: bool) -> bool:
        """Whether the step has waited too long for this.

        sibling_at_work: whether another step of the cycle has a place on a node: room that it takes will come back,
        so that the time until then does not count.
        """
        what = (waiting.kind, waiting.subject)
        if what != self._what or (waiting.kind == "room" and sibling_at_work):
            self._what, self._since = what, self._clock()
        return self._clock() - self._since >= self._limits[waiting.kind]

    def begin_anew(self) -> None:
        """The step runs: a later wait is another one."""
        self._what = None
