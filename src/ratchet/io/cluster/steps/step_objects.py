"""The objects of a cycle's steps, made from the suspended definitions in the cluster.

A definition is a CronJob or a ScheduledSparkApplication that never fires: kustomize's images and patches apply to it as
to other objects, and each cycle creates a new Job for a step. Nothing here sends requests to the cluster.
"""

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ratchet.errors import ConfigurationError
from ratchet.io.cluster.api import APPLICATIONS, CRON_JOBS, JOBS, SCHEDULED_APPLICATIONS, Json, Resource
from ratchet.io.runner import Order

CYCLE = "ratchet/cycle"
STEP = "ratchet/step"
ENGINE = "ratchet/engine"
# A child whose coordinator never comes back ends by itself, this long after the coordinator would have ended it.
_MARGIN_SECONDS = 600
_LONGEST_NAME = 63


@dataclass(frozen=True)
class Origin:
    """What a step's child is made from. definition: also the name of its container, where it is a Job."""

    definition: str
    source: Resource
    resource: Resource


# The steps that make or conclude a cycle's decisions; they report them as events.
DECIDING = ("register", "rollout")


def origin_of(order: Order) -> Origin:
    """What a step's child is made from: its definition is called like its verb; Spark's trainer alone is no Job."""
    definition = "-".join(order.verb)
    if order.verb == ("train", "spark"):
        return Origin(definition, SCHEDULED_APPLICATIONS, APPLICATIONS)
    return Origin(definition, CRON_JOBS, JOBS)


def name_of(cycle: str, step: str) -> str:
    """The name of a step's child in a cycle; where that is longer than a cluster takes, a seal stands for a part."""
    name = f"{cycle}-{step}"
    if len(name) <= _LONGEST_NAME:
        return name
    seal = hashlib.sha256(cycle.encode()).hexdigest()[:8]
    return f"{cycle[: _LONGEST_NAME - len(step) - len(seal) - 2]}-{seal}-{step}"


def made_from(definition: Json, order: Order, cycle: str, owner: Json, deadline_seconds: int) -> Json:
    """The child of a step. owner: the cycle's Job, whose end the child does not outlive.

    Raises ConfigurationError where the definition is not one of that step.
    """
    origin = origin_of(order)
    if origin.resource is JOBS:
        metadata, spec = _job(definition, origin, order, cycle)
        spec.setdefault("activeDeadlineSeconds", deadline_seconds + _MARGIN_SECONDS)
    else:
        metadata, spec = _application(definition, order, cycle)
    metadata |= {
        "name": name_of(cycle, order.step),
        "namespace": owner["metadata"]["namespace"],
        "ownerReferences": [_owned_by(owner)],
    }
    return {
        "apiVersion": origin.resource.api_version,
        "kind": origin.resource.kind,
        "metadata": metadata,
        "spec": spec,
    }


def labels_of(cycle: str, order: Order) -> dict[str, str]:
    """What the objects of a step, its pods among them, are found by."""
    labels = {CYCLE: cycle, STEP: order.step}
    return labels | {ENGINE: order.verb[1]} if order.verb[1:] else labels


def owners(child: Json) -> set[str]:
    """The uids of an object's owners."""
    return {reference["uid"] for reference in child["metadata"].get("ownerReferences", ())}


def _job(definition: Json, origin: Origin, order: Order, cycle: str) -> tuple[Json, Json]:
    template = copy.deepcopy(definition["spec"]["jobTemplate"])
    spec, head = template["spec"], template.get("metadata", {})
    labels = labels_of(cycle, order)
    metadata = {"labels": head.get("labels", {}) | labels, "annotations": head.get("annotations", {})}
    pod = spec["template"]
    pod.setdefault("metadata", {}).setdefault("labels", {}).update(labels)
    containers = [each for each in pod["spec"]["containers"] if each["name"] == origin.definition]
    if len(containers) != 1:
        message = f"the CronJob {origin.definition} has no container of that name, which would take the arguments"
        raise ConfigurationError(message)
    containers[0].setdefault("args", []).extend(escaped(order.arguments))
    return metadata, spec


def _application(definition: Json, order: Order, cycle: str) -> tuple[Json, Json]:
    spec = copy.deepcopy(definition["spec"]["template"])
    labels = labels_of(cycle, order)
    spec.setdefault("arguments", []).extend(escaped(order.arguments))
    for part in ("driver", "executor"):
        spec.setdefault(part, {}).setdefault("labels", {}).update(labels)
    return {"labels": definition["metadata"].get("labels", {}) | labels}, spec


def escaped(arguments: Sequence[str]) -> list[str]:
    """The arguments as they arrive: in a pod, `$(NAME)` would become the value of a variable, such as a password."""
    return [argument.replace("$", "$$") for argument in arguments]


def _owned_by(owner: Json) -> Json:
    # It neither controls the child nor blocks its own deletion for it: both would need more rights.
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": False,
        "blockOwnerDeletion": False,
    }
