"""A registered model of MLflow: its state when read, and all changes to it.

It is read once. Changes are made under its lock (`held`), so that the state read stays valid; each change is applied
both here and in MLflow. Moves of `champion` use write-ahead: a tag on the new version records the move before the
aliases are changed, and "done" afterwards. The next holder of the lock completes unfinished moves (`settle`). An alias
moved directly in MLflow is left alone, since no move is open then.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository
from mlflow.tracking import MlflowClient
from mlflow.utils.uri import append_to_uri_path

from ratchet.core.moments import now
from ratchet.errors import FailedError
from ratchet.io.records.connection import every, ignoring_absent
from ratchet.io.records.lock import Lock, holding
from ratchet.io.records.version import (
    CHAMPION,
    DECISION,
    MADE_FROM,
    MOVE,
    PREVIOUS,
    REASON,
    ROLLED_BACK,
    SET_ASIDE,
    STAGED,
    STAGING,
    Move,
    Version,
    columns_of,
    tells_all,
    version_of,
)

_EXISTS = frozenset({"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"})
_PAGE = 200
_MODEL_VERSIONS = "mlflow.modelVersions"
_RECORD = "ratchet.champion"


class RegisteredModel:
    """A registered model, read once. lock: protects changes; None if it is only read.

    aliases: numbers of versions by alias. tags: of the model itself. Versions are listed on first access.
    """

    def __init__(self, client: MlflowClient, name: str, lock: Lock | None = None) -> None:
        found = client.get_registered_model(name)
        self.client = client
        self.name = name
        self.tags: Mapping[str, str] = dict(found.tags or {})
        # A server returns numbers as text, a database as numbers.
        self.aliases = {alias: int(number) for alias, number in (found.aliases or {}).items()}
        self._lock = lock
        self._known: dict[int, Version] | None = None

    @classmethod
    def read(cls, client: MlflowClient, name: str) -> "RegisteredModel | None":
        """Read a registered model; None if there is none of that name."""
        with ignoring_absent():
            return cls(client, name)
        return None

    @classmethod
    @contextmanager
    def held(cls, client: MlflowClient, name: str, seconds: float, who: str) -> Iterator["RegisteredModel"]:
        """Read a registered model, which must exist, under its lock, after completing unfinished changes.

        seconds, who: as for the lock. Raises TemporaryError if another process holds it for too long.
        """
        with holding(Lock(client, name, seconds, who)) as lock:
            model = cls(client, name, lock)
            model.settle()
            yield model

    @property
    def versions(self) -> tuple[Version, ...]:
        """All versions by number."""
        return tuple(
            replace(version, aliases=tuple(sorted(alias for alias, of in self.aliases.items() if of == number)))
            for number, version in sorted(self._versions.items())
        )

    @property
    def champion(self) -> Version | None:
        """The serving version; None if there is none."""
        return next((version for version in self.versions if version.champion), None)

    def numbered(self, number: int) -> Version | None:
        """The version of that number; None if there is none."""
        return next((version for version in self.versions if version.number == number), None)

    def made_from(self, run_id: str) -> Version | None:
        """The version that the registrar has created from a run; None if it has not, or did not finish."""
        return next((one for one in self.versions if one.made_from == run_id and one.by_registrar), None)

    def columns(self, versions: Sequence[Version], experiment: str) -> list[tuple[str, ...]]:
        """Names of the features that each version was trained on, empty if its run doesn't record them.

        experiment: the id of the one that has the runs of most versions; its runs are read in one request.
        """
        ids = ", ".join(f"'{version.run_id}'" for version in versions)
        wanted = f"attributes.run_id IN ({ids})"
        found = self.client.search_runs([experiment], wanted, max_results=len(versions)) if versions else []
        runs = {run.info.run_id: run for run in found}
        return [tuple(columns_of(runs.get(one.run_id) or _run(self.client, one.run_id))) for one in versions]

    def check(self) -> None:
        """Raise TemporaryError if the lock is lost, or so old that the next action might outlast it."""
        if self._lock is None:
            message = f"{self.name} was read without its lock"
            raise RuntimeError(message)
        self._lock.check()

    def create(self, run_id: str, model_uri: str, *, tags: Mapping[str, str], description: str) -> int:
        """Create a version from a run's model with all its tags in one request; returns its number.

        model_uri: as logged by the trainer, `models:/m-…` or `runs:/<run>/<path>`. A version registered manually from
        the run becomes the registrar's own. MLflow's client repeats a request whose response was lost: of two versions
        created that way, the first is kept.
        """
        self.check()
        tags = {**tags, MADE_FROM: run_id}
        by_hand = next((version.number for version in self.versions if version.run_id == run_id), None)
        if by_hand is not None:
            self.client.update_model_version(self.name, str(by_hand), description)
            for key, value in sorted(tags.items(), key=lambda tag: tag[0] in (MOVE, STAGED)):
                self._tag(by_hand, key, value)
            return by_hand
        source, model_id = _source(self.client, model_uri)
        # A version is ready at once; MLflow's own waiting could outlast the lock.
        self.client.create_model_version(
            self.name, source, run_id, tags=tags, description=description, await_creation_for=0, model_id=model_id
        )
        self._known = None
        self._remove_twins()
        return next(version.number for version in self.versions if version.made_from == run_id)

    def link(self, number: int, model_uri: str) -> None:
        """Make the logged model's page in MLflow show a version; a server does so itself, a SQLite file does not."""
        _source_uri, model_id = _source(self.client, model_uri)
        if model_id is None:
            return
        linked = json.loads(self.client.get_logged_model(model_id).tags.get(_MODEL_VERSIONS, "[]"))
        if not any(str(entry.get("version")) == str(number) and entry.get("name") == self.name for entry in linked):
            linked.append({"name": self.name, "version": number})
            self.client.set_logged_model_tags(model_id, {_MODEL_VERSIONS: json.dumps(linked)})

    def decide(self, number: int, outcome: str, reason: str) -> None:
        """Write the decision to a version, the outcome last, because it ends the staging."""
        self._tag(number, REASON, reason)
        self._tag(number, DECISION, outcome)

    def delete(self, number: int) -> None:
        """Delete a version, which no alias may name."""
        self.check()
        self._delete(number)

    def set_aside(self, number: int, why: str) -> None:
        """Record on a version why later candidates need not beat it."""
        self._tag(number, SET_ASIDE, why)

    def next_move(self, by: str, because: str, *, aside: bool = False) -> Move:
        """The move that takes `champion` from its current version. by: who moves it. because: why.

        aside: whether later candidates need not beat that version any more.
        """
        return Move(self.aliases.get(CHAMPION), by, now(), because, aside=aside)

    def begin(self, number: int, move: Move) -> None:
        """Record a move on a version in advance: `settle` completes it, here or under the next holder of the lock."""
        self.check()
        self._tag(number, MOVE, move.to_tag())

    def give_back(self, number: int, by: str, because: str) -> None:
        """Return `champion` from a version that can't serve to the previous one; may be repeated.

        `previous` then names no version, since the one it would name can't serve.
        """
        move = self._versions[number].move
        before = None if move is None else move.previous
        self._tag(number, ROLLED_BACK, because)
        if self.aliases.get(CHAMPION) == number:
            if before is None or before not in self._versions:  # there was none, or it has been deleted since
                self._forget(CHAMPION)
            else:
                back = Move(None, by, now(), because)
                self._tag(before, MOVE, back.to_tag())
                self._finish(before, back)
        if before is not None and PREVIOUS in self.aliases:
            self._forget(PREVIOUS)
        self.decide(number, "held", because)

    def settle(self) -> None:
        """Complete unfinished changes: duplicate versions, moves, and the alias of the staged version."""
        self._remove_twins()
        begun = [(number, version.move) for number, version in self._versions.items()]
        open_moves = [(number, move) for number, move in begun if move is not None and not move.done]
        for number, move in sorted(open_moves, key=lambda entry: entry[1].at):
            self._finish(number, move)
        self._settle_staging()

    @property
    def _versions(self) -> dict[int, Version]:
        if self._known is None:
            found = list(listed(self.client, self.name))
            runs = [None if tells_all(one) else _run(self.client, one.run_id) for one in found]
            versions = (version_of(one, run) for one, run in zip(found, runs, strict=True))
            self._known = {version.number: version for version in versions}
        return self._known

    def _remove_twins(self) -> None:
        kept: set[str] = set()
        for number, version in sorted(self._versions.items()):
            if version.made_from in kept:
                self._delete(number)
            elif version.made_from is not None:
                kept.add(version.made_from)

    def _delete(self, number: int) -> None:
        with ignoring_absent():
            self.client.delete_model_version(self.name, str(number))
        del self._versions[number]

    def _finish(self, number: int, move: Move) -> None:
        """Move the aliases to a version, `champion` last, and mark the move as done; may be repeated."""
        told = {key: value for key, value in asdict(move).items() if key not in ("done", "aside")}
        record = {"version": number} | told
        self.client.set_registered_model_tag(self.name, _RECORD, json.dumps(record, ensure_ascii=False))
        if move.previous is not None and move.previous != number:
            with ignoring_absent():  # the previous version may have been deleted since
                self._point(PREVIOUS, move.previous)
                if move.aside:
                    self.set_aside(move.previous, f"it was rolled back by {move.by}: {move.because}")
        self._reinstate(number)
        self._point(CHAMPION, number)
        self._tag(number, MOVE, replace(move, done=True).to_tag())

    def _reinstate(self, number: int) -> None:
        """Make a version that was set aside count again."""
        version = self._versions[number]
        for key in {SET_ASIDE, ROLLED_BACK} & set(version.tags):
            with ignoring_absent():
                self.client.delete_model_version_tag(self.name, str(number), key)
        left = {key: text for key, text in version.tags.items() if key not in (SET_ASIDE, ROLLED_BACK)}
        self._versions[number] = replace(version, tags=left)

    def _settle_staging(self) -> None:
        """Point `staging` at the newest staged version, or remove it; one set manually is left alone."""
        marked = {number: version for number, version in self._versions.items() if STAGED in version.tags}
        wanted = max((number for number, version in marked.items() if version.staged), default=None)
        found = self.aliases.get(STAGING)
        if wanted is not None and found != wanted:
            self._point(STAGING, wanted)
        elif wanted is None and found in marked:
            self._forget(STAGING)

    def _tag(self, number: int, key: str, value: str) -> None:
        self.client.set_model_version_tag(self.name, str(number), key, value)
        version = self._versions[number]
        self._versions[number] = replace(version, tags={**version.tags, key: value})

    def _point(self, alias: str, number: int) -> None:
        self.client.set_registered_model_alias(self.name, alias, str(number))
        self.aliases[alias] = number

    def _forget(self, alias: str) -> None:
        with ignoring_absent():
            self.client.delete_registered_model_alias(self.name, alias)
        self.aliases.pop(alias, None)


def ensure(client: MlflowClient, name: str) -> None:
    """Create a registered model if missing; another process may create it meanwhile."""
    with ignoring_absent():
        client.get_registered_model(name)
        return
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code not in _EXISTS:
            raise


def versions_of(client: MlflowClient, name: str) -> tuple[Version, ...]:
    """All versions of a registered model by number; none if it does not exist."""
    model = RegisteredModel.read(client, name)
    return () if model is None else model.versions


def champion_of(client: MlflowClient, name: str) -> int | None:
    """The number of the version that `champion` names, or None, in one request."""
    model = RegisteredModel.read(client, name)
    return None if model is None else model.aliases.get(CHAMPION)


def exists(client: MlflowClient, name: str, number: int) -> bool:
    """Whether a registered model has a version of that number."""
    with ignoring_absent():
        return bool(client.get_model_version(name, str(number)))
    return False


def listed(client: MlflowClient, name: str) -> Iterator[ModelVersion]:
    """All versions of a registered model as MLflow's objects, page by page."""
    wanted = f"name = '{name}'"
    return every(lambda token: client.search_model_versions(wanted, max_results=_PAGE, page_token=token))


def _run(client: MlflowClient, run_id: str | None) -> Run | None:
    if not run_id:
        return None
    with ignoring_absent():
        return client.get_run(run_id)
    return None


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
