"""A step's child, the object in the cluster that runs it: made from its definition, or taken over if it exists.

The coordinator asks for it at the start of each step.
"""

from collections.abc import Set as AbstractSet

import structlog

from ratchet.errors import ConfigurationError, TemporaryError
from ratchet.io.cluster.api import JOBS, Json
from ratchet.io.cluster.steps import step_objects
from ratchet.io.cluster.steps.step import StepContext
from ratchet.io.cluster.steps.step_objects import CYCLE
from ratchet.io.runner import Order

log = structlog.get_logger()

_GOING_SECONDS = 90.0
_POLL_SECONDS = 1.0


class Children:
    """The children of a cycle. owners: the uids of its Jobs, any of which may have made one."""

    def __init__(self, context: StepContext, owners: AbstractSet[str]) -> None:
        self._context = context
        self._api = context.api
        self._owners = owners

    def of(self, order: Order, cycle: str) -> Json:
        """The child of a step, made now or by an earlier coordinator.

        Raises ConfigurationError if it can't be made, or an object of its name belongs to something else;
        TemporaryError if one of an earlier cycle does not disappear.
        """
        resource, name = step_objects.origin_of(order).resource, step_objects.name_of(cycle, order.step)
        deadline = self._context.clock() + _GOING_SECONDS
        while True:
            found = self._api.get(resource, name)
            if found is None:
                if (made := self._api.create(resource, self._made(order, cycle))) is not None:
                    log.info("step.submitted", step=order.step, kind=resource.kind, name=name)
                    return made
            elif not self._goes(found):
                if (
                    found["metadata"].get("labels", {}).get(CYCLE) != cycle
                    or not step_objects.owners(found) & self._owners
                ):
                    raise ConfigurationError(_foreign(found, cycle))
                log.info("step.adopted", step=order.step, kind=resource.kind, name=name)
                return found
            if self._context.clock() >= deadline:
                message = f"the {resource.kind} {name} of an earlier cycle is being deleted, and still there"
                raise TemporaryError(message)
            self._context.sleep(_POLL_SECONDS)

    def _made(self, order: Order, cycle: str) -> Json:
        origin = step_objects.origin_of(order)
        definition = self._api.get(origin.source, origin.definition)
        if definition is None:
            message = (
                f"the namespace {self._api.namespace} has no {origin.source.kind} {origin.definition}, from which the"
                f" step {order.step} is made; kubectl apply -k brings it"
            )
            raise ConfigurationError(message, "missing")
        seconds = self._context.retrain.deadline_minutes * 60
        return step_objects.made_from(definition, order, cycle, self._context.journal.job, seconds)

    def _goes(self, child: Json) -> bool:
        """Whether the child is disappearing: it is being deleted, or will be because the Job that owns it is gone."""
        if "deletionTimestamp" in child["metadata"]:
            return True
        if step_objects.owners(child) & self._owners:
            return False
        jobs = [each for each in child["metadata"].get("ownerReferences", ()) if each["kind"] == "Job"]
        found = [(each, self._api.get(JOBS, each["name"])) for each in jobs]
        return bool(found) and all(job is None or job["metadata"]["uid"] != each["uid"] for each, job in found)


def _foreign(child: Json, cycle: str) -> str:
    metadata = child["metadata"]
    owners = ", ".join(f"{each['kind']} {each['name']}" for each in metadata.get("ownerReferences", ())) or "nothing"
    return (
        f"the {child.get('kind', 'object')} {metadata['name']} exists and is not of the cycle {cycle}: it belongs to"
        f" {owners}; delete it, or give the cycle another id"
    )
