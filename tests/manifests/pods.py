"""The pods that objects make, whatever kind of object says so; a Spark application makes two."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Pod:
    """A pod to be. where: kind and name, for messages. account: its ServiceAccount. labels: those that it will have."""

    where: str
    labels: dict
    spec: dict
    account: str | None

    @property
    def containers(self) -> list[dict]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


def pods(objects: list[dict]) -> Iterator[Pod]:
    """Every pod that the objects make."""
    for thing in objects:
        where = f"{thing['kind']} {thing['metadata']['name']}"
        if thing["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield _pod(where, thing["spec"]["template"])
        elif thing["kind"] == "CronJob":
            yield _pod(where, thing["spec"]["jobTemplate"]["spec"]["template"])
        elif thing["kind"] == "ScheduledSparkApplication":
            application = thing["spec"]["template"]
            yield _spark(f"{where}, driver", application, application["driver"])
            yield _spark(f"{where}, executor", application, application["executor"])


def _pod(where: str, template: dict) -> Pod:
    spec = template["spec"]
    return Pod(where, template["metadata"].get("labels", {}), spec, spec.get("serviceAccountName"))


def _spark(where: str, application: dict, part: dict) -> Pod:
    """The pod that Spark makes: image and resources from the operator's fields, all else from the pod template."""
    template = part.get("template", {"spec": {"containers": [{}]}})
    memory = f"{part.get('memory')}+{part.get('memoryOverhead')}" if part.get("memoryOverhead") else None
    resources = {
        "requests": {"cpu": part.get("coreRequest"), "memory": memory},
        "limits": {"cpu": part.get("coreLimit"), "memory": memory},
    }
    first, *rest = template["spec"]["containers"]
    container = first | {"image": application.get("image"), "resources": resources}
    spec = template["spec"] | {"containers": [container, *rest]}
    return Pod(where, part.get("labels", {}), spec, part.get("serviceAccount"))
