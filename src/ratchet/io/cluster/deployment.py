"""A server's Deployment: its requested version, and the progress of its rollout.

The version is an annotation in the pod template, so that changing it is an ordinary rollout; no manifest contains it,
so reapplying the manifests leaves it alone. `jobs.promotion.rollout` is the caller.
"""

from dataclasses import dataclass
from typing import Literal

import urllib3
from prometheus_client.parser import text_string_to_metric_families

from ratchet.io.cluster import pods
from ratchet.io.cluster.api import DEPLOYMENTS, EVENTS, PODS, Api, AwayError, Json
from ratchet.io.cluster.steps import pending

VERSION = "ratchet/version"
# One failed start may be due to an unavailable store; two failures indicate another cause.
_MOST_RESTARTS = 2
_FEWEST_REQUESTS = 5
_MOST_FAILING = 0.5
# The codes of requests that a server turned away, since there were too many at once or they had no token: they say
# nothing of its version.
_TURNED_AWAY = ("401", "503")
_PORT = 8080
_SECONDS = 2.0


@dataclass(frozen=True)
class Look:
    """state: `ready`, `waiting`, or `failed`, which no waiting would change. why: a sentence, where it is not ready."""

    state: Literal["ready", "waiting", "failed"]
    why: str = ""


class ServerDeployment:
    """The Deployment of one engine's servers."""

    def __init__(self, api: Api, engine: str) -> None:
        self.name = f"server-{engine}"
        self._api = api
        self._hasty = api.at_once()
        self._pool = urllib3.PoolManager(retries=False, timeout=_SECONDS)
        self._counted = 0.0, 0.0

    def told(self) -> int | None:
        """The requested version; None if there is none, or no such Deployment."""
        found = self._api.get(DEPLOYMENTS, self.name)
        text = None if found is None else _annotations(found["spec"]["template"]).get(VERSION)
        return None if text is None else int(text)

    def exists(self) -> bool:
        """Whether the overlay has it."""
        return self._api.get(DEPLOYMENTS, self.name) is not None

    def tell(self, version: int | None) -> None:
        """Roll it to a version; None: to whatever is champion when a pod starts."""
        value = None if version is None else str(version)
        template = {"metadata": {"annotations": {VERSION: value}}}
        self._api.patch(DEPLOYMENTS, self.name, {"spec": {"template": template}})

    def look(self, version: int) -> Look:
        """How far it is with a version. The API server may be away: then it waits."""
        try:
            return self._look(version)
        except AwayError as error:
            return Look("waiting", str(error))

    def _look(self, version: int) -> Look:
        found = self._hasty.get(DEPLOYMENTS, self.name)
        if found is None:
            return Look("failed", f"the Deployment {self.name} was deleted")
        own = self.pods(version)
        if _rolled(found):
            return Look("ready")
        for pod in own:
            if (why := _ends_again(pod)) is not None:
                return Look("failed", why)
            seen = pending.of_pod(pod, self._events_of(pod))
            if seen is not None:
                return Look("waiting", seen.sentence)
        return Look("waiting", f"{_ready(own)} of {found['spec'].get('replicas', 1)} pods of {self.name} are ready")

    def pods(self, version: int) -> list[Json]:
        """Its pods of a version that are not being terminated."""
        found = self._hasty.items(PODS, labels=f"app.kubernetes.io/name={self.name}")
        return [pod for pod in found if _annotations(pod).get(VERSION) == str(version) and not pods.ending(pod)]

    def unwell(self, version: int) -> str | None:
        """The defect of pods that were ready, in a sentence; None if there is none, or the pods can't be reached."""
        try:
            own = self.pods(version)
        except AwayError:
            return None
        for pod in own:
            status = pods.container(pod, ("server",)) or {}
            if status.get("restartCount", 0):
                return f"the server in {pod['metadata']['name']} has ended{_last_words(status)}"
        return self._failing([found for pod in own if (found := self._answers(pod)) is not None])

    def _failing(self, answers: list[tuple[float, float]]) -> str | None:
        """Whether most of the requests failed since there were enough of them the last time."""
        requests, failed = sum(each[0] for each in answers), sum(each[1] for each in answers)
        more, worse = requests - self._counted[0], failed - self._counted[1]
        if 0 <= more < _FEWEST_REQUESTS:
            return None
        self._counted = requests, failed
        return f"{worse:.0f} of {more:.0f} requests failed" if more > 0 and worse / more > _MOST_FAILING else None

    def _answers(self, pod: Json) -> tuple[float, float] | None:
        """Requests of a pod's server, and how many of them the model or the server failed on."""
        address = pod.get("status", {}).get("podIP")
        if not address:
            return None
        host = f"[{address}]" if ":" in address else address
        try:
            text = self._pool.request("GET", f"http://{host}:{_PORT}/metrics").data.decode("utf-8")
            families = list(text_string_to_metric_families(text))
        except (urllib3.exceptions.HTTPError, ValueError):  # from outside of the cluster a pod can't be reached
            return None
        found = [sample for family in families for sample in family.samples]
        codes = [each for each in found if each.name == "ratchet_server_requests_total"]
        scored = [each for each in codes if each.labels["code"] not in _TURNED_AWAY]
        failures = sum(each.value for each in found if each.name == "ratchet_server_failures_total")
        errors = sum(each.value for each in scored if each.labels["code"].startswith("5"))
        return sum(each.value for each in scored), failures + errors

    def _events_of(self, pod: Json) -> list[Json]:
        if not pending.needs_events(pod):
            return []
        return self._hasty.items(EVENTS, fields=f"involvedObject.uid={pod['metadata']['uid']}")


def _annotations(thing: Json) -> Json:
    found: Json = (thing.get("metadata") or {}).get("annotations") or {}
    return found


def _rolled(deployment: Json) -> bool:
    """Whether all wanted pods are of the newest template and ready, and no other is left (`kubectl rollout status`)."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and status.get("updatedReplicas", 0) >= wanted
        and status.get("replicas", 0) <= status.get("updatedReplicas", 0)
        and status.get("availableReplicas", 0) >= wanted
    )


def _ready(own: list[Json]) -> int:
    return sum(1 for pod in own if pods.condition(pod, "Ready") is not None)


def _ends_again(pod: Json) -> str | None:
    status = pods.container(pod, ("server",)) or {}
    if status.get("restartCount", 0) < _MOST_RESTARTS:
        return None
    return f"the server in {pod['metadata']['name']} ends again and again{_last_words(status)}"


def _last_words(status: Json) -> str:
    ended = status.get("lastState", {}).get("terminated") or {}
    words = (str(ended.get("message", "")).strip().splitlines() or [ended.get("reason", "")])[-1]
    return f": {words}" if words else ""
