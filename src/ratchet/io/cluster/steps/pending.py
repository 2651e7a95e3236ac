"""Why a step does not start, in a sentence, and how long that is tolerated.

The reason why a pod waits is in one of five places: its containers' states, its conditions, its events or, if it could
not be created, the events of its Job; of an executor it is the log of its driver. Nothing here sends requests to the
cluster.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ratchet.errors import Reason
from ratchet.io.cluster import pods
from ratchet.io.cluster.api import Json
from ratchet.io.cluster.steps import exit_status
from ratchet.settings import Retrain

_LONGEST_MESSAGE = 300
_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
_CONTAINER = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff"})
_MOUNT = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume"})
# The event of an autoscaler on a pod for which it is adding a node.
_ROOM_COMES = frozenset({"TriggeredScaleUp", "Nominated"})
# The scheduler's word for a node that would not do even if all of its pods were gone.
_NEVER = re.compile(r"(\d+) Preemption is not helpful for scheduling")
_NODES = re.compile(r"0/(\d+) nodes are available")

# The operator starts a JVM for each application, which on a busy machine takes its time.
_OPERATOR_TIMES = 3

type Kind = Literal["missing", "room", "operator"]


@dataclass(frozen=True)
class Waiting:
    """Why a step does not begin.

    word: the cluster's own for it. subject: the name of the object that waits. reason: that of the step, if it ends
    this way. kind: `missing` is something that must be fixed, `room` a lack of room on a node that other pods occupy,
    `operator` a wait for the operator.
    """

    word: str
    subject: str
    sentence: str
    reason: Reason = "missing"
    kind: Kind = "missing"


class Patience:
    """The patience with one step. clock: seconds of a monotonic clock."""

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


def of_pod(pod: Json, events: Sequence[Json] = ()) -> Waiting | None:
    """Why a pod does not run yet; None where nothing is known to be wrong. events: those of the pod."""
    if pod.get("status", {}).get("phase") != "Pending":
        return None
    name = pod["metadata"]["name"]
    for status in pods.statuses(pod):
        waiting = status.get("state", {}).get("waiting", {})
        word, message = waiting.get("reason", ""), _short(waiting.get("message", ""))
        if word in _IMAGE:
            # The two take turns; what is missing is one and the same.
            word = "ImagePullBackOff" if word == "ErrImagePull" else word
            sentence = f"the image {status.get('image') or '?'} can't be pulled: {word}: {message}"
            return Waiting(word, name, sentence, "image")
        if word in _CONTAINER:
            return Waiting(word, name, f"the container {status['name']} can't be made: {word}: {message}")
    return _unschedulable(pod, events) or _unmounted(pod, events)


def of_job(job: Json, events: Sequence[Json]) -> Waiting | None:
    """Why a Job has no pod; None where nothing is known to be wrong. events: those of the Job."""
    newest = _newest(events, {"FailedCreate"})
    if newest is None:
        return None
    message, name = _short(newest.get("message", "")), job["metadata"]["name"]
    lacks = _lacks(message)
    return Waiting("FailedCreate", name, f"the Job {name} can make no pod: {message}", lacks, lacks)


def of_driver(driver: Json, refused: str) -> Waiting:
    """Why a driver that runs has no executor. refused: the API server's words; Spark itself tries for ever."""
    message, name = _short(refused), driver["metadata"]["name"]
    lacks = _lacks(message)
    return Waiting("ExecutorRefused", name, f"the driver {name} can make no executor: {message}", lacks, lacks)


def _lacks(message: str) -> Literal["room", "missing"]:
    # A quota is room, too: a sibling that ends gives some of it back.
    return "room" if "exceeded quota" in message else "missing"


def of_application(application: Json) -> Waiting | None:
    """Why the operator has started no driver; None where it says nothing of it."""
    name = application["metadata"]["name"]
    state = application.get("status", {}).get("applicationState", {})
    message = _short(exit_status.operator_reason(state))
    match state.get("state", ""):
        case "":
            sentence = f"the Spark operator has not taken up {name}: it does not run, or does not act in this namespace"
            return Waiting("NotTakenUp", name, sentence, "other", "operator")
        case "SUBMISSION_FAILED" | "PENDING_RERUN" | "INVALIDATING":
            return Waiting("SubmissionFailed", name, f"the Spark operator could not submit {name}: {message}", "other")
        case "SUBMITTED":
            sentence = f"the Spark operator has submitted {name}, and its driver has no pod"
            return Waiting("NoDriver", name, sentence, "other", "operator")
    return None


def needs_events(pod: Json) -> bool:
    """Whether only the events of a pod can say why it waits: it has a node, or none, and its containers say nothing."""
    return pod.get("status", {}).get("phase") == "Pending" and not _told_by_containers(pod)


def _told_by_containers(pod: Json) -> bool:
    reasons = {status.get("state", {}).get("waiting", {}).get("reason") for status in pods.statuses(pod)}
    return bool(reasons & (_IMAGE | _CONTAINER))


def _unschedulable(pod: Json, events: Sequence[Json]) -> Waiting | None:
    for each in pod.get("status", {}).get("conditions", ()):
        if each["type"] != "PodScheduled" or each["status"] != "False":
            continue
        message, name = _short(each.get("message", "")), pod["metadata"]["name"]
        sentence = f"the pod {name} fits on no node: {each.get('reason')}: {message}"
        coming = _newest(events, _ROOM_COMES) is not None
        kind: Kind = "missing" if _never(message) and not coming else "room"
        return Waiting(each.get("reason", ""), name, sentence, "room", kind)
    return None


def _never(message: str) -> bool:
    """Whether the pod would not fit on any node even if it were empty, or asks for a claim that isn't there."""
    nodes, never = _NODES.search(message), _NEVER.search(message)
    return bool(nodes and never and nodes[1] == never[1]) or "persistentvolumeclaim" in message.lower()


def _unmounted(pod: Json, events: Sequence[Json]) -> Waiting | None:
    event = _newest(events, _MOUNT)
    if event is None:
        return None
    name = pod["metadata"]["name"]
    sentence = f"a volume of the pod {name} can't be mounted: {_short(event.get('message', ''))}"
    return Waiting(event["reason"], name, sentence)


def _newest(events: Iterable[Json], reasons: Iterable[str]) -> Json | None:
    wanted = frozenset(reasons)
    found = [event for event in events if event.get("reason") in wanted]
    return max(found, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""), default=None)


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST_MESSAGE else words[:_LONGEST_MESSAGE] + "…"
