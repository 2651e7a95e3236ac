"""A step that is a SparkApplication: the Spark trainer, whose driver and executors have pods of their own.

The driver's pod is authoritative. The operator's state lags behind it, stays `SUBMITTED` forever if the pod waits, and
is `FAILED` for a running driver if the operator was restarted at the wrong moment.
"""

from collections.abc import Sequence

from ratchet.io.cluster import pods
from ratchet.io.cluster.api import APPLICATIONS, Json
from ratchet.io.cluster.pods import DRIVER, EXECUTOR
from ratchet.io.cluster.steps import exit_status, pending
from ratchet.io.cluster.steps.pending import Waiting
from ratchet.io.cluster.steps.step import ClusterStep
from ratchet.io.runner import Ended

# How long a driver may be gone before the operator must have reported the outcome.
_GONE_SECONDS = 30.0


class SparkStep(ClusterStep):
    """A step that runs as a SparkApplication."""

    _driver_gone: float | None = None
    _had_driver = False
    _killed: str | None = None
    _refused = ""

    def _look(self) -> Ended | None:
        application = self._hasty.get(APPLICATIONS, self._name)
        if application is None:
            return Ended(None, f"its SparkApplication {self._name} was deleted")
        found = self._pods(f"sparkoperator.k8s.io/app-name={self._name}")
        driver = pods.newest(pod for pod in found if _role(pod) == "driver")
        executors = [pod for pod in found if _role(pod) == "executor"]
        self._look_for_killed(executors)
        ended = self._without_driver(application) if driver is None else self._by_driver(driver)
        if ended is not None:
            return ended if ended.code == 0 else self._with_memory(ended, driver)
        return self._waits(self._why(application, driver, executors))

    def _by_driver(self, driver: Json) -> Ended | None:
        self._had_driver, self._driver_gone = True, None
        self._runs(driver, (DRIVER,))
        said = self._follow(driver, (DRIVER,))
        self._refused = said.refused
        ended = exit_status.of_pod(driver, (DRIVER,), said)
        if ended is not None:
            self._ended_at(driver, (DRIVER,))
        return ended

    def _without_driver(self, application: Json) -> Ended | None:
        ended = exit_status.of_application(application)
        if not self._had_driver or (ended is not None and ended.code == 0):
            return ended
        sentence = "its driver's pod was deleted"
        if ended is not None:
            return Ended(None, f"{sentence}; {ended.sentence}", ended.reason)
        self._driver_gone = self._driver_gone or self._context.clock()
        over = self._context.clock() - self._driver_gone >= _GONE_SECONDS
        return self._give_up(Ended(None, sentence)) if over else None

    def _why(self, application: Json, driver: Json | None, executors: Sequence[Json]) -> Waiting | None:
        if driver is None:
            return None if self._had_driver else pending.of_application(application)
        why = pending.of_pod(driver, self._events_of(driver))
        if why is None and not executors and self._refused:
            return pending.of_driver(driver, self._refused)
        if why is not None or not executors or any(_works(pod) for pod in executors):
            return why
        reasons = (pending.of_pod(pod, self._events_of(pod)) for pod in executors)
        return next((reason for reason in reasons if reason is not None), None)

    def _look_for_killed(self, executors: Sequence[Json]) -> None:
        """Remember an executor that was killed for its memory: Spark tries others, and its own words name no limit."""
        for pod in executors:
            self._killed = self._killed or exit_status.killed_for_memory(pod, pods.container(pod, (EXECUTOR,)))

    def _with_memory(self, ended: Ended, driver: Json | None) -> Ended:
        if driver is not None and exit_status.killed_for_memory(driver, pods.container(driver, (DRIVER,))):
            return ended
        if self._killed is None:
            return ended
        return Ended(ended.code, f"{self._killed}; {ended.sentence}", "out-of-memory")

    def _halt(self) -> None:
        # Deleted: a SparkApplication has no other way to end its pods. The journal has what became of it.
        self._context.api.delete(APPLICATIONS, self._name, self._uid)


def _role(pod: Json) -> str | None:
    label = pod["metadata"].get("labels", {}).get("spark-role")
    return None if label is None else str(label)


def _works(pod: Json) -> bool:
    return bool(pod.get("status", {}).get("phase") == "Running")
