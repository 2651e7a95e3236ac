"""Facts in a pod's status: its containers' states, times and limits. Nothing here sends requests to the cluster."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ratchet.io.cluster.api import Json

DRIVER = "spark-kubernetes-driver"
EXECUTOR = "spark-kubernetes-executor"


@dataclass(frozen=True)
class Times:
    """When a pod was created, scheduled, started and ended; None: not yet, or unknown."""

    created: datetime | None = None
    scheduled: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None


def newest(pods: Iterable[Json]) -> Json | None:
    """The pod that was made last."""
    return max(
        pods, key=lambda pod: (str(pod["metadata"].get("creationTimestamp")), pod["metadata"]["name"]), default=None
    )


def statuses(pod: Json) -> list[Json]:
    """The states of its containers, init containers first."""
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]


def container(pod: Json, names: Sequence[str]) -> Json | None:
    """The status of its main container: the first of these names, else its only one."""
    found = pod.get("status", {}).get("containerStatuses", [])
    named = [each for name in names for each in found if each["name"] == name]
    if named:
        return dict(named[0])
    return dict(found[0]) if len(found) == 1 else None


def terminated(status: Json | None) -> Json | None:
    """How a container ended; None while it runs, or before."""
    return None if status is None else status.get("state", {}).get("terminated")


def begun(status: Json | None) -> bool:
    """Whether a container has run, so that it may have a log."""
    return status is not None and bool({"running", "terminated"} & status.get("state", {}).keys())


def going(pod: Json) -> bool:
    """Whether the pod occupies room on a node."""
    phase = pod.get("status", {}).get("phase")
    return bool(pod.get("spec", {}).get("nodeName")) and phase in ("Pending", "Running")


def ending(pod: Json) -> bool:
    """Whether its end was requested: deleted, evicted, preempted."""
    return "deletionTimestamp" in pod["metadata"] or condition(pod, "DisruptionTarget") is not None


def condition(pod: Json, kind: str) -> Json | None:
    """A condition that is true."""
    for each in pod.get("status", {}).get("conditions", ()):
        if each["type"] == kind and each["status"] == "True":
            return dict(each)
    return None


def limit(pod: Json, name: str) -> str | None:
    """The memory limit of a container, as it was written."""
    spec = pod.get("spec", {})
    for each in [*spec.get("initContainers", ()), *spec.get("containers", ())]:
        if each["name"] == name:
            found = each.get("resources", {}).get("limits", {}).get("memory")
            return None if found is None else str(found)
    return None


def times(pod: Json, names: Sequence[str]) -> Times:
    """The pod's times; its main container's for the beginning and the end of work."""
    scheduled = condition(pod, "PodScheduled")
    state = (container(pod, names) or {}).get("state", {})
    over = state.get("terminated", {})
    return Times(
        created=moment(pod["metadata"].get("creationTimestamp")),
        scheduled=moment(scheduled.get("lastTransitionTime")) if scheduled else None,
        started=moment(over.get("startedAt") or state.get("running", {}).get("startedAt")),
        ended=moment(over.get("finishedAt")),
    )


def moment(text: str | None) -> datetime | None:
    """A time of the API."""
    return None if not text else datetime.fromisoformat(text)
