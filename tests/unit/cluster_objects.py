"""Pods, Jobs and SparkApplications as a cluster shows them, for tests of what they mean."""

from copy import deepcopy


def pod(name="c-sklearn-abcde", container="train-sklearn", *, phase="Running", state=None, labels=None, **others):
    """A pod of one container. state: the container's state; others: what its status has besides."""
    status = {"phase": phase, **deepcopy(others)}
    if state is not None:
        status["containerStatuses"] = [
            {"name": container, "image": f"ratchet/{container}:0.1.0", "state": deepcopy(state)}
        ]
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-of-{name}",
            "creationTimestamp": "2026-11-24T19:00:00Z",
            "labels": dict(labels or {}),
        },
        "spec": {
            "nodeName": "node" if phase != "Pending" or state is not None else None,
            "containers": [{"name": container, "resources": {"limits": {"memory": "2Gi"}}}],
        },
        "status": status,
    }


def running():
    return {"running": {"startedAt": "2026-11-24T19:00:05Z"}}


def ended(code, reason=None, message=""):
    return {
        "terminated": {
            "exitCode": code,
            "reason": reason or ("Completed" if code == 0 else "Error"),
            "message": message,
            "startedAt": "2026-11-24T19:00:05Z",
            "finishedAt": "2026-11-24T19:00:47Z",
        }
    }


def waits(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}


def unscheduled(message, name="c-sklearn-abcde"):
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return pod(name, phase="Pending", conditions=[condition])


def job(name="c-sklearn", *conditions):
    """A Job with conditions: pairs of type and reason."""
    found = [
        {"type": kind, "status": "True", "reason": reason, "message": f"Job: {reason}"} for kind, reason in conditions
    ]
    return {"metadata": {"name": name, "uid": f"uid-of-{name}"}, "status": {"conditions": found}}


def application(state=None, message="", name="c-spark"):
    status = {} if state is None else {"applicationState": {"state": state, "errorMessage": message}}
    return {"metadata": {"name": name, "uid": f"uid-of-{name}"}, "status": status}


def event(reason, message, at="2026-11-24T19:00:10Z"):
    return {"reason": reason, "message": message, "lastTimestamp": at}
