"""Registered models and their versions.

Trainers read the versions, `jobs.register` makes new ones. What writes here is called under the model's lock
(`io.records.lock`), except for `ensure`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository
from mlflow.tracking import MlflowClient
from mlflow.utils.uri import append_to_uri_path

from ratchet.errors import FailedError
from ratchet.io.records import alias_moves, staging
from ratchet.io.records.alias_moves import CHAMPION, MOVE, Move, ignoring_absent
from ratchet.io.records.staging import DECISION, STAGED

_EXISTS = frozenset({"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"})
_PAGE = 200
_MODEL_VERSIONS = "mlflow.modelVersions"
# Only `create` writes it: versions that share it are one, made twice by a repeated request.
_MADE_FROM = "ratchet.run"
ROLLED_BACK = "ratchet.rolled_back"


@dataclass(frozen=True)
class Version:
    """An existing version of a registered model.

    f1: what its own run recorded, None where nobody knows. test_window: first day and end of the rows on which that
    was measured. columns: names of the features that it was trained on, empty where its run doesn't say. move: its
    last promotion, None where it never was one.
    """

    number: int
    uri: str
    run_id: str
    f1: float | None
    test_window: tuple[str, str] | None
    columns: tuple[str, ...]
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    move: Move | None
    created: datetime

    @property
    def made_from(self) -> str | None:
        """The run that the registrar made it from; None where somebody else made it."""
        return self.tags.get(_MADE_FROM)

    @property
    def champion(self) -> bool:
        """Whether it serves."""
        return CHAMPION in self.aliases

    @property
    def by_registrar(self) -> bool:
        """Whether the registrar has finished making it: it was staged, or its way to `champion` is written down."""
        return self.move is not None or STAGED in self.tags

    @property
    def rolled_back(self) -> str | None:
        """Why its servers were taken back; None where they were not."""
        return self.tags.get(ROLLED_BACK)

    @property
    def staged(self) -> bool:
        """Whether nobody has said yet if it may serve."""
        return STAGED in self.tags and self.tags.get(DECISION) == "staged"


def registered(client: MlflowClient, name: str) -> RegisteredModel | None:
    """A registered model; None where there is none of that name."""
    with ignoring_absent():
        return client.get_registered_model(name)
    return None


def ensure(client: MlflowClient, name: str) -> None:
    """Make a registered model where it is missing; that it exists by now is fine."""
    if registered(client, name) is not None:
        return
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code not in _EXISTS:
            raise


def versions(client: MlflowClient, name: str) -> tuple[Version, ...]:
    """All versions of a registered model by number; none where it does not exist."""
    model = registered(client, name)
    if model is None:
        return ()
    found = sorted(listed(client, name), key=lambda version: int(version.version))
    return tuple(_version(client, version, model.aliases) for version in found)


def champion(client: MlflowClient, name: str) -> int | None:
    """The number of the version that `champion` names; None where it names none."""
    model = registered(client, name)
    return None if model is None else alias_moves.named(model, CHAMPION)


def exists(client: MlflowClient, name: str, number: int) -> bool:
    """Whether a registered model has a version of that number."""
    with ignoring_absent():
        return bool(client.get_model_version(name, str(number)))
    return False


def create(
    client: MlflowClient, name: str, run_id: str, model_uri: str, *, tags: Mapping[str, str], description: str
) -> int:
    """Make a version of a run's model with all its tags in one request; returns its number.

    model_uri: what the trainer logged, `models:/m-…` or `runs:/<run>/<path>`. MLflow's client repeats a request whose
    answer was lost: of two versions made so, the first stays.
    """
    source, model_id = _source(client, model_uri)
    tags = {**tags, _MADE_FROM: run_id}
    # A version is ready at once; MLflow's own waiting could outlast the lock.
    client.create_model_version(
        name, source, run_id, tags=tags, description=description, await_creation_for=0, model_id=model_id
    )
    _remove_twins(client, name)
    return next(int(found.version) for found in listed(client, name) if found.tags.get(_MADE_FROM) == run_id)


def adopt(client: MlflowClient, name: str, version: Version, *, tags: Mapping[str, str], description: str) -> None:
    """Make a version that somebody registered from the run by hand the registrar's own, by what is written last."""
    client.update_model_version(name, str(version.number), description)
    for key, value in sorted({**tags, _MADE_FROM: version.run_id}.items(), key=lambda tag: tag[0] in (MOVE, STAGED)):
        client.set_model_version_tag(name, str(version.number), key, value)


def link(client: MlflowClient, name: str, number: int, model_uri: str) -> None:
    """Let the logged model's page in MLflow show its version; a server does so by itself, a SQLite file does not."""
    _source_uri, model_id = _source(client, model_uri)
    if model_id is None:
        return
    linked = json.loads(client.get_logged_model(model_id).tags.get(_MODEL_VERSIONS, "[]"))
    if not any(str(entry.get("version")) == str(number) and entry.get("name") == name for entry in linked):
        linked.append({"name": name, "version": number})
        client.set_logged_model_tags(model_id, {_MODEL_VERSIONS: json.dumps(linked)})


def settle(client: MlflowClient, name: str) -> None:
    """Finish what whoever held the lock before has left: repeated versions, and moves that were begun."""
    _remove_twins(client, name)
    found = list(listed(client, name))
    moved = ((int(version.version), _move(version)) for version in found)
    begun = [(number, move) for number, move in moved if move is not None and not move.done]
    for number, move in sorted(begun, key=lambda entry: entry[1].at):
        alias_moves.finish(client, name, number, move)
    staging.settle(client, name, found)


def decide(client: MlflowClient, name: str, number: int, outcome: str, reason: str) -> None:
    """Write on a version what was decided on it; the outcome last, by which it stops being staged."""
    client.set_model_version_tag(name, str(number), "ratchet.reason", reason)
    client.set_model_version_tag(name, str(number), DECISION, outcome)


def _remove_twins(client: MlflowClient, name: str) -> None:
    kept: set[str] = set()
    for version in sorted(listed(client, name), key=lambda version: int(version.version)):
        made_from = version.tags.get(_MADE_FROM)
        if made_from in kept:
            with ignoring_absent():
                client.delete_model_version(name, version.version)
        elif made_from is not None:
            kept.add(made_from)


def listed(client: MlflowClient, name: str) -> Iterator[ModelVersion]:
    """All versions of a registered model as MLflow has them, a page at a time, without their runs."""
    token = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _version(client: MlflowClient, found: ModelVersion, aliases: Mapping[str, str]) -> Version:
    number, run = int(found.version), _run(client, found.run_id)
    return Version(
        number=number,
        uri=f"models:/{found.name}/{number}",
        run_id=found.run_id or "",
        f1=_f1(found, run),
        test_window=_test_window(run),
        columns=tuple(columns_of(run)),
        aliases=tuple(sorted(alias for alias, of in aliases.items() if int(of) == number)),
        tags=dict(found.tags),
        move=_move(found),
        created=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
    )


def _move(found: ModelVersion) -> Move | None:
    text = found.tags.get(MOVE)
    return None if text is None else Move.from_tag(text, f"version {found.version} of {found.name}")


def _run(client: MlflowClient, run_id: str | None) -> Run | None:
    if not run_id:
        return None
    with ignoring_absent():
        return client.get_run(run_id)
    return None


def _f1(found: ModelVersion, run: Run | None) -> float | None:
    recorded = found.tags.get("ratchet.f1", run.data.metrics.get("f1") if run else None)
    try:
        number = float("nan" if recorded is None else recorded)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _test_window(run: Run | None) -> tuple[str, str] | None:
    tags = run.data.tags if run else {}
    if "ratchet.test_from" in tags and "ratchet.test_until" in tags:
        return tags["ratchet.test_from"], tags["ratchet.test_until"]
    return None


def columns_of(run: Run | None) -> Mapping[str, str]:
    """The features in the schema of the run's data, with their types; the label is the one that is boolean."""
    for data in run.inputs.dataset_inputs if run and run.inputs else ():
        columns = json.loads(data.dataset.schema or "{}").get("mlflow_colspec", ())
        kinds = {column["name"]: str(column.get("type")) for column in columns if column.get("type") != "boolean"}
        if kinds:
            return kinds
    return {}


def _source(client: MlflowClient, model_uri: str) -> tuple[str, str | None]:
    """Source and logged model of a version, as `mlflow.register_model` finds them."""
    if model_uri.startswith("models:/"):
        return model_uri, model_uri.removeprefix("models:/")
    run_id, path = RunsArtifactRepository.parse_runs_uri(model_uri)
    run = client.get_run(run_id)
    if any(file.path == f"{path}/MLmodel" for file in client.list_artifacts(run_id, path)):
        return append_to_uri_path(run.info.artifact_uri, path), None
    outputs = run.outputs
    for output in outputs.model_outputs if outputs else ():
        if client.get_logged_model(output.model_id).name == path:
            return f"models:/{output.model_id}", output.model_id
    message = f"the run {run_id} has no model at {path!r}; train again"
    raise FailedError(message)
