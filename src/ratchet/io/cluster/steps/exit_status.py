"""How a step ended, read from its objects: exit code, last sentence and reason. Nothing here sends requests to the
cluster.

A pod's container reports more, and sooner, than the Job or the SparkApplication above it; those are used only if no pod
is left.
"""

import re
from collections.abc import Sequence

from ratchet.errors import Reason, reason_of
from ratchet.io.cluster import pods
from ratchet.io.cluster.api import Json
from ratchet.io.cluster.logs import NOTHING, Said, said_in
from ratchet.io.runner import Ended

# After the API server's own words fabric8 adds its whole answer, which says the same again.
_EXCEPTION = re.compile(r"^(?:Exception in .+? |Caused by: )[\w.$]+: (.+?)(?: Received status: .*)?$", re.MULTILINE)
_KILLED = 137
# Retrying is useless: wrong configuration or wrong data.
_FINAL = (2, 3)
# The cluster's own word for a Job, or a pod, that was ended at its deadline.
DEADLINE = "DeadlineExceeded"


def of_job(job: Json, of_job_pods: Sequence[Json], names: Sequence[str], said: Said = NOTHING) -> Ended | None:
    """How a Job ended; None while it, or another attempt of it, may still succeed.

    names: of its main container. said: the last words in its newest log, where the container's own message has none.
    """
    if any(pod.get("status", {}).get("phase") == "Succeeded" for pod in of_job_pods):
        return Ended(0)
    failed = [pod for pod in of_job_pods if pod.get("status", {}).get("phase") == "Failed"]
    newest = pods.newest(failed)
    ended = None if newest is None else of_pod(newest, names, said)
    if ended is not None and newest is not None and _is_final(newest, names, ended):
        return ended
    conditions = {
        each["type"]: each for each in job.get("status", {}).get("conditions", ()) if each["status"] == "True"
    }
    if {"Complete", "SuccessCriteriaMet"} & conditions.keys():
        return Ended(0)
    over = conditions.get("Failed") or conditions.get("FailureTarget")
    if over is None:
        return None
    if over.get("reason") == DEADLINE or ended is None:
        sentence = f"its Job failed: {over.get('reason')}: {over.get('message', '')}".rstrip(": ")
        return Ended(None, sentence, _late(over))
    return ended


def of_pod(pod: Json, names: Sequence[str], said: Said = NOTHING) -> Ended | None:
    """How a pod's main container ended; None while it runs, or where the pod ended before it."""
    status = pods.container(pod, names)
    over = pods.terminated(status)
    if status is None or over is None:
        return _before_container(pod) if pod.get("status", {}).get("phase") == "Failed" else None
    code = int(over.get("exitCode", 1))
    if code == 0:
        return Ended(0)
    if (killed := killed_for_memory(pod, status)) is not None:
        return Ended(code, killed, "out-of-memory")
    own = said_in(over.get("message", "").splitlines())
    sentence = own.sentence or said.sentence or _without_words(pod, over, code)
    return Ended(code, sentence, own.reason or said.reason or reason_of(code))


def of_application(application: Json) -> Ended | None:
    """How a SparkApplication ended, where its driver left no pod to say so; None while it has not."""
    state = application.get("status", {}).get("applicationState", {})
    match state.get("state", ""):
        case "COMPLETED":
            return Ended(0)
        case "FAILED":
            return Ended(None, f"the Spark operator says that it failed: {operator_reason(state)}")
    return None


def operator_reason(state: Json) -> str:
    """What the operator says of a failure: of all that spark-submit wrote, the exception's message.

    state: the `applicationState` of a SparkApplication.
    """
    text = state.get("errorMessage") or "no reason is given"
    found = _EXCEPTION.findall(text)
    return " ".join((found[-1] if found else text).split())


def killed_for_memory(pod: Json, status: Json | None) -> str | None:
    """The message about a container that was killed for lack of memory; None if it was not.

    It was if the cluster reports so, or if it was killed without a request to end it.
    """
    over = pods.terminated(status)
    if status is None or over is None:
        return None
    if over.get("reason") != "OOMKilled" and (over.get("exitCode") != _KILLED or pods.ending(pod)):
        return None
    name = status["name"]
    limit = pods.limit(pod, name)
    reached = "was killed, and has no limit of its own" if limit is None else f"reached its limit of {limit}"
    return f"out of memory: the container {name} of the pod {pod['metadata']['name']} {reached}"


def _is_final(pod: Json, names: Sequence[str], ended: Ended) -> bool:
    return ended.code in _FINAL or killed_for_memory(pod, pods.container(pod, names)) is not None


def _before_container(pod: Json) -> Ended:
    for status in pod["status"].get("initContainerStatuses", ()):
        over = pods.terminated(status)
        if over is None or over.get("exitCode") == 0:
            continue
        if (killed := killed_for_memory(pod, status)) is not None:
            return Ended(None, killed, "out-of-memory")
        words = _last_line(over.get("message", ""))
        return Ended(None, f"its init container {status['name']} ended with {over.get('exitCode')}: {words}")
    why = ": ".join(filter(None, (pod["status"].get("reason"), pod["status"].get("message"))))
    sentence = f"its pod failed before its container ran: {why or 'no reason is given'}"
    return Ended(None, sentence, _late(pod["status"]))


def _late(says: Json) -> Reason:
    return "deadline" if says.get("reason") == DEADLINE else "other"


def _without_words(pod: Json, over: Json, code: int) -> str:
    why = "its pod was deleted" if pods.ending(pod) else over.get("reason", "Error")
    return f"its container ended with {code}: {why}: {_last_line(over.get('message', ''))}".rstrip(": ")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1].strip()[:300]
