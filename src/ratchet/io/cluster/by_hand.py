"""Manually started work in a cluster: a cycle, a scoring, or any other verb that needs MLflow and the store.

Each is created from a deployed definition, with its rights and limits. Nothing here sends requests to the cluster.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ratchet.errors import ConfigurationError
from ratchet.io.cluster import cycles
from ratchet.io.cluster.api import APPLICATIONS, CRON_JOBS, JOBS, SCHEDULED_APPLICATIONS, Json, Resource
from ratchet.io.cluster.steps.step_objects import escaped

_SCORERS = {"sklearn": (CRON_JOBS, JOBS), "spark": (SCHEDULED_APPLICATIONS, APPLICATIONS)}


@dataclass(frozen=True)
class Call:
    """A verb with its arguments, to be run in a cluster.

    definition: the object's template, of the kind `source`. arguments: in addition to the definition's. missing: the
    message if there is no definition.
    """

    definition: str
    source: Resource
    resource: Resource
    name: str
    arguments: tuple[str, ...]
    missing: str = "there is no definition to make it from; is Ratchet deployed?"


def call_of(words: Sequence[str], now: datetime) -> Call:
    """The call of a verb with its arguments. now: in UTC; its object's name says when. Raises ConfigurationError."""
    verb, *arguments = words
    if verb == "retrain":
        missing = "the cycle could not be started; is Ratchet deployed? make deploy-local does that"
        return Call("retrain", CRON_JOBS, JOBS, _name("retrain", now), tuple(arguments), missing)
    if verb != "score":
        return Call("rollout", CRON_JOBS, JOBS, _name("by-hand", now), tuple(words))
    engine = arguments[0] if arguments else ""
    if engine not in _SCORERS:
        message = f"ENGINE is '{engine}'; ENGINE is sklearn or spark: score ENGINE [FROM] [TO] [--version N]"
        raise ConfigurationError(message)
    source, resource = _SCORERS[engine]
    missing = "there is no definition to make it from; is the component batch-scoring deployed?"
    return Call(f"score-{engine}", source, resource, _name(f"score-{engine}", now), tuple(arguments[1:]), missing)


def made_from(definition: Json, call: Call, user: str) -> Json:
    """The Job or SparkApplication of a call. user: the user name recorded in MLflow."""
    if call.resource is APPLICATIONS:
        return _application(definition, call)
    if call.definition != "rollout":
        return cycles.made_from(definition, call.name, call.arguments)
    made = cycles.made_from(definition, call.name, ())
    made["spec"]["backoffLimit"] = 0  # only the caller retries
    (container,) = made["spec"]["template"]["spec"]["containers"]
    container["args"] = escaped(call.arguments)
    container.setdefault("env", []).append({"name": "RATCHET_USER", "value": user.replace("$", "$$")})
    return made


def _application(definition: Json, call: Call) -> Json:
    spec, metadata = copy.deepcopy(definition["spec"]["template"]), definition["metadata"]
    spec.setdefault("arguments", []).extend(escaped(call.arguments))
    return {
        "apiVersion": APPLICATIONS.api_version,
        "kind": APPLICATIONS.kind,
        "metadata": {"name": call.name, "namespace": metadata["namespace"], "labels": metadata.get("labels", {})},
        "spec": spec,
    }


def _name(what: str, now: datetime) -> str:
    return f"{what}-{now:%Y%m%d-%H%M%S}"
