"""Finds and deletes what nothing needs any more: old versions that were set aside, and old runs of no version.

Never found, whatever their age: a version with an alias, one that waits for a decision, one that later candidates have
to beat; the run of such a version; an engine's newest candidates; a candidate measured on the same test rows as the
newest, because such candidates are counted. Only `jobs.prune` calls this.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from mlflow.entities import Run
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from ratchet.errors import ConfigurationError
from ratchet.io.records.candidates import Candidates, candidate_of, is_complete
from ratchet.io.records.connection import every, ignoring_absent
from ratchet.io.records.version import Version

_PAGE = 200
_UNFINISHED = ("RUNNING", "SCHEDULED")


@dataclass(frozen=True)
class ExpiredRun:
    """A run that may be deleted. outcome: the decision on it; None if there was none."""

    run_id: str
    cycle: str
    outcome: str | None
    begun: datetime


def expired_versions(versions: Sequence[Version], before: datetime) -> tuple[Version, ...]:
    """Versions created before a time that were set aside, and that no alias names and no decision waits for."""
    champion = next((version for version in versions if version.champion), None)
    move = None if champion is None else champion.move
    previous = None if move is None else move.previous
    return tuple(
        version
        for version in versions
        if version.set_aside is not None
        and not (version.aliases or version.staged or version.number == previous)
        and version.created < before
    )


def expired_runs(
    found: Candidates, engine: str, versions: Sequence[Version], before: datetime
) -> tuple[ExpiredRun, ...]:
    """Runs of an engine that began before a time and that nothing needs, oldest first. versions: those that remain."""
    newest, of_watch = found.newest(engine), found.newest_of_watch(engine)
    kept = {version.run_id for version in versions}
    kept |= {candidate.run_id for candidate in (newest, of_watch) if candidate is not None}
    expired = []
    for run in _runs(found, engine, before):
        candidate = candidate_of(run)
        counted = newest is not None and newest.shares_rows_with(candidate) and is_complete(run)
        if candidate.run_id not in kept and not counted and run.info.status not in _UNFINISHED:
            outcome = candidate.tags.get("ratchet.decision")
            expired.append(ExpiredRun(candidate.run_id, candidate.cycle, outcome, candidate.created))
    return tuple(expired)


def delete_run(client: MlflowClient, run_id: str) -> None:
    """Delete a run with its trials, its models and the files of all; what is left after a kill is found again."""
    run = client.get_run(run_id)
    children = f"tags.`mlflow.parentRunId` = '{run_id}'"
    while page := client.search_runs([run.info.experiment_id], children, max_results=_PAGE):
        for child in page:
            delete_run(client, child.info.run_id)
    for output in run.outputs.model_outputs if run.outputs else ():
        with ignoring_absent():  # deleted before a kill
            model = client.get_logged_model(output.model_id)
            _delete_files(model.artifact_location)
            client.delete_logged_model(output.model_id)
    # The run last: a deleted one is not found again.
    _delete_files(run.info.artifact_uri)
    client.delete_run(run_id)


def _runs(found: Candidates, engine: str, before: datetime) -> Iterable[Run]:
    experiment = found.client.get_experiment_by_name(found.experiment)
    if experiment is None:
        return ()
    begun = f"attributes.start_time < {before.astimezone(UTC).timestamp() * 1000:.0f}"
    wanted = f"tags.`ratchet.model` = '{found.model}' and tags.`ratchet.engine` = '{engine}' and {begun}"
    ids, order = [experiment.experiment_id], ["attributes.start_time ASC"]
    search = partial(found.client.search_runs, ids, wanted, max_results=_PAGE, order_by=order)
    return every(lambda token: search(page_token=token))


def _delete_files(uri: str) -> None:
    repository = get_artifact_repository(uri)
    repository.delete_artifacts()
    if left := repository.list_artifacts():  # S3 refuses single files without an error
        message = f"the store did not delete {left[0].path} of {uri}; the credentials need the right to delete objects"
        raise ConfigurationError(message)
