"""The alias `staging`: the version that is being tried, or waits for somebody's approval.

Which version that is follows from the versions' tags: the newest on which is written that it is staged. The alias only
says so to others; `io.records.registry.settle` makes it true again, whatever was killed in between.
"""

from collections.abc import Iterable

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from ratchet.io.records.alias_moves import ignoring_absent, named

STAGING = "staging"
DECISION = "ratchet.decision"
# When it was staged, in ISO 8601; it stays.
STAGED = "ratchet.staged"


def settle(client: MlflowClient, name: str, versions: Iterable[ModelVersion]) -> None:
    """Point the alias at the newest staged version, or take it away; one that somebody set by hand is left alone."""
    marked = {int(version.version): version.tags.get(DECISION) for version in versions if STAGED in version.tags}
    if not marked:
        return
    wanted = max((number for number, decision in marked.items() if decision == "staged"), default=None)
    found = named(client.get_registered_model(name), STAGING)
    if wanted is not None:
        if found != wanted:
            client.set_registered_model_alias(name, STAGING, str(wanted))
    elif found in marked:
        with ignoring_absent():
            client.delete_registered_model_alias(name, STAGING)
