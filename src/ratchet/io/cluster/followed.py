"""Follows manually started work in a cluster as on a terminal: each line of its log, then its exit code."""

import time
from collections.abc import Callable, Sequence

from ratchet.errors import FailedError
from ratchet.io.cluster import cycles, pods
from ratchet.io.cluster.api import APPLICATIONS, EVENTS, PODS, Api, Json, Resource
from ratchet.io.cluster.logs import Follower
from ratchet.io.cluster.steps import exit_status, pending

SECONDS_TO_START = 600.0
# The definition's own limits end it; this one only keeps a terminal from waiting for a cluster that is gone.
HOURS_TO_END = 6
_PAUSE_SECONDS = 1.0
# How often the log of a pod that has ended is asked for, where it can't be had.
_TRIES = 5


class Followed:
    """A Job or a SparkApplication that a user waits for.

    containers: names of the main one. show: called with each line of its log. clock, sleep: in seconds.
    """

    def __init__(
        self,
        api: Api,
        resource: Resource,
        name: str,
        containers: Sequence[str],
        show: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = api
        self._resource = resource
        self._name = name
        self._containers = containers
        self._show = show
        self._clock = clock
        self._sleep = sleep
        self._followers: dict[str, Follower] = {}
        spark = f"sparkoperator.k8s.io/app-name={name},spark-role=driver"
        self._labels = spark if resource is APPLICATIONS else f"batch.kubernetes.io/job-name={name}"

    def end(self) -> int:
        """Its exit code, once it has ended. Raises FailedError where it does not begin, or not end, in time."""
        begin = self._clock()
        while True:
            thing = self._api.get(self._resource, self._name)
            if thing is None:
                message = f"{self._name} was deleted before it had ended"
                raise FailedError(message)
            attempts = sorted(self._api.items(PODS, labels=self._labels), key=_made)
            code = self._code(thing, attempts)  # asked before the logs: what has ended then, has a whole log
            told = self._tell(attempts)
            if code is not None:
                self._tell_the_rest(attempts, told=told)
                return code
            self._must_be_in_time(thing, attempts, self._clock() - begin)
            self._sleep(_PAUSE_SECONDS)

    def _code(self, thing: Json, attempts: Sequence[Json]) -> int | None:
        newest = attempts[-1] if attempts else None
        if self._resource is not APPLICATIONS:
            state = cycles.state_of(thing)
            return None if state == "running" else 0 if state == "done" else self._failed_with(newest)
        # The driver's own end is authoritative; the operator reports it later.
        by_operator = exit_status.of_application(thing)
        ended = by_operator if newest is None else exit_status.of_pod(newest, self._containers)
        return None if ended is None else 1 if ended.code is None else ended.code

    def _failed_with(self, pod: Json | None) -> int:
        over = None if pod is None else pods.terminated(pods.container(pod, self._containers))
        return int((over or {}).get("exitCode") or 1)

    def _tell(self, attempts: Sequence[Json]) -> bool:
        """Show what is new in the log of each pod; whether all could be had."""
        told = [self._tell_of(pod) for pod in attempts]
        return all(told)

    def _tell_of(self, pod: Json) -> bool:
        status, uid = pods.container(pod, self._containers), pod["metadata"]["uid"]
        if status is None or not pods.begun(status):
            return True
        if uid not in self._followers:
            self._followers[uid] = Follower(self._api, pod["metadata"]["name"], status["name"])
        lines = self._followers[uid].lines()
        for line in lines or ():
            self._show(line)
        return lines is not None

    def _tell_the_rest(self, attempts: Sequence[Json], *, told: bool) -> None:
        for _ in range(_TRIES):
            if told:
                return
            self._sleep(_PAUSE_SECONDS)
            told = self._tell(attempts)

    def _must_be_in_time(self, thing: Json, attempts: Sequence[Json], seconds: float) -> None:
        describe = f"kubectl describe {self._resource.kind.lower()} {self._name}"
        if seconds >= HOURS_TO_END * 3600:
            message = f"{self._name} has not ended within {HOURS_TO_END} hours; {describe} says why"
            raise FailedError(message)
        if not self._followers and seconds >= SECONDS_TO_START:
            message = f"{self._name} has not started: {self._why(thing, attempts)}; {describe} says more"
            raise FailedError(message)

    def _why(self, thing: Json, attempts: Sequence[Json]) -> str:
        """Why it has not begun."""
        waits = attempts[-1] if attempts else thing
        events = self._api.items(EVENTS, fields=f"involvedObject.uid={waits['metadata']['uid']}")
        if attempts:
            found = pending.of_pod(waits, events)
        elif self._resource is APPLICATIONS:
            found = pending.of_application(thing)
        else:
            found = pending.of_job(thing, events)
        return "nothing says why" if found is None else found.sentence


def _made(pod: Json) -> tuple[str, str]:
    return str(pod["metadata"].get("creationTimestamp")), pod["metadata"]["name"]
