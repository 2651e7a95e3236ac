"""The cycles of a namespace, by their Jobs: which exist, and how to start another.

`jobs.status` lists them; `jobs.watch` begins one, and the next cycle or watch tells of lost ones, by way of
`coordinator`.
"""

import copy
from collections.abc import Sequence

from ratchet.errors import ConfigurationError, Reason, reason_named
from ratchet.io.cluster.api import CRON_JOBS, JOBS, Api, Json
from ratchet.io.cluster.journal import REASON, read, write_reason
from ratchet.io.cluster.steps.exit_status import DEADLINE
from ratchet.io.cluster.steps.step_objects import escaped

_DEFINITION = "retrain"
COORDINATORS = "app.kubernetes.io/component=coordinator"
"""The label by which the Jobs of cycles are found."""
_WATCHES = "app.kubernetes.io/component=watch"


def is_cycle(job: Json) -> bool:
    """Whether a Job is a cycle's: its pod is a coordinator."""
    return any(each["name"] == _DEFINITION for each in job["spec"]["template"]["spec"]["containers"])


def state_of(job: Json) -> str:
    """The state of a cycle's Job: running, done, failed."""
    kinds = {each["type"] for each in job.get("status", {}).get("conditions", ()) if each["status"] == "True"}
    if "Complete" in kinds:
        return "done"
    return "failed" if "Failed" in kinds else "running"


def reason_of(job: Json) -> Reason:
    """Why a cycle's Job failed: ended at its deadline, or what its coordinator wrote on it before it left."""
    conditions = job.get("status", {}).get("conditions", ())
    if any(each.get("reason") == DEADLINE and each["status"] == "True" for each in conditions):
        return "deadline"
    return reason_named(job["metadata"].get("annotations", {}).get(REASON))


def lost(api: Api) -> list[tuple[str, str]]:
    """The cycles and watches that have failed without a last word: id, and a sentence; each is returned once.

    A coordinator or a watch that ends by itself ends its journal, or writes on its Job why it failed. Neither is there
    if it was ended at its deadline, or lost too often. Raises RatchetError.
    """
    found = []
    for job in [*api.items(JOBS, labels=COORDINATORS), *api.items(JOBS, labels=_WATCHES)]:
        written = read(job) or {}
        if state_of(job) != "failed" or written.get("ended") or REASON in job["metadata"].get("annotations", {}):
            continue
        write_reason(api, job, reason_of(job))
        found.append((str(written.get("cycle") or job["metadata"]["name"]), _lost(job, written)))
    return found


def _lost(job: Json, written: Json) -> str:
    conditions = job.get("status", {}).get("conditions", ())
    over = next(each for each in conditions if each["type"] == "Failed" and each["status"] == "True")
    steps = [name for name, facts in written.get("steps", {}).items() if facts.get("state") not in ("done", "failed")]
    at_work = f"; {' and '.join(steps)} had not ended" if steps else ""
    what = "the cycle ended with its coordinator" if is_cycle(job) else "the watch was ended before it was done"
    return f"{what}: {over.get('reason')}: {over.get('message')}{at_work}"


def begin(api: Api, name: str, arguments: Sequence[str]) -> str | None:
    """Create a cycle's Job from the CronJob, as a user would manually, with additional arguments.

    Returns None, or why it created none: there is one of that name, or a cycle is waiting or running, and the next
    watch sees its outcome. Raises ConfigurationError if there is no CronJob to create it from.
    """
    for job in api.items(JOBS):
        if job["metadata"]["name"] == name:
            return f"the cycle {name} has been started before"
        if is_cycle(job) and state_of(job) == "running":
            return f"the cycle of the Job {job['metadata']['name']} waits or works already"
    definition = api.get(CRON_JOBS, _DEFINITION)
    if definition is None:
        message = f"the namespace {api.namespace} has no CronJob {_DEFINITION}, from which a cycle is made"
        raise ConfigurationError(message)
    made = api.create(JOBS, made_from(definition, name, arguments))
    return None if made is not None else f"the cycle {name} has been started before"


def made_from(definition: Json, name: str, arguments: Sequence[str]) -> Json:
    """The Job of a CronJob whose container has its name; it owns the Job, which so counts among those that are kept."""
    template = copy.deepcopy(definition["spec"]["jobTemplate"])
    head, metadata = template.get("metadata", {}), definition["metadata"]
    for container in template["spec"]["template"]["spec"]["containers"]:
        if container["name"] == metadata["name"]:
            container.setdefault("args", []).extend(escaped(arguments))
    owner = {
        "apiVersion": CRON_JOBS.api_version,
        "kind": CRON_JOBS.kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        # It would need the right to hold back the CronJob's deletion.
        "blockOwnerDeletion": False,
    }
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": head.get("labels", {}),
            "annotations": head.get("annotations", {}) | {"cronjob.kubernetes.io/instantiate": "manual"},
            "ownerReferences": [owner],
        },
        "spec": template["spec"],
    }
