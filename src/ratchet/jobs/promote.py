"""Moving `champion` by hand; who, when and why are recorded on the version and on the registered model."""

from collections.abc import Sequence

import structlog
from mlflow.tracking import MlflowClient

from ratchet.errors import ConfigurationError
from ratchet.io.records import alias_moves, registry
from ratchet.io.records.alias_moves import PREVIOUS, Move
from ratchet.io.records.connection import connect, mlflow_errors
from ratchet.io.records.lock import Lock, locked
from ratchet.io.records.registry import Version
from ratchet.jobs import conclude
from ratchet.jobs.servers import follow_by_hand
from ratchet.settings import Settings

log = structlog.get_logger()


def promote(settings: Settings, model: str, version: int, because: str) -> str:
    """Make a version the champion; returns what happened in one sentence.

    model: name of the registered model, such as `flights-sklearn`. Raises ConfigurationError where there is no such
    model or version, or no reason; TemporaryError where MLflow is away or somebody keeps the lock.
    """
    return _move(settings, model, version, because)


def rollback(settings: Settings, model: str, because: str) -> str:
    """Give `champion` to the version that `previous` names; a second rollback takes the first one back.

    Raises as `promote` does; also ConfigurationError where there is no version before.
    """
    return _move(settings, model, None, because)


def _move(settings: Settings, model: str, version: int | None, because: str) -> str:
    if not because.strip():
        message = "--because is empty; a sentence is accepted that tells others why the champion changes"
        raise ConfigurationError(message)
    with mlflow_errors(settings):
        client = connect(settings)
        _check_exists(client, settings, model)
        verb = "rollback" if version is None else "promote"
        by = alias_moves.who()
        with locked(client, model, settings.promotion.lock_seconds, f"ratchet {verb} by {by}") as lock:
            registry.settle(client, model)
            existing = registry.versions(client, model)
            target = _before(model, existing) if version is None else _numbered(model, existing, version)
            champion = next((other for other in existing if other.champion), None)
            if not target.champion:
                lock.check()
                move = Move(None if champion is None else champion.number, f"{by}, by hand", alias_moves.now(), because)
                alias_moves.begin(client, model, target.number, move)
                alias_moves.finish(client, model, target.number, move)
            if target.staged:
                _approve(client, settings, lock, target.number, f"approved by {by}: {because}")
        follow_by_hand(settings, client, model)
    if target.champion:
        return f"version {target.number} of {model} is the champion already"
    was = "there was none before" if champion is None else f"it was version {champion.number}"
    log.info("champion.moved", verb=verb, model=model, version=target.number, by=by, because=because)
    return f"version {target.number} of {model} is the champion now; {was}"


def _approve(client: MlflowClient, settings: Settings, lock: Lock, number: int, why: str) -> None:
    existing = registry.versions(client, lock.name)
    conclude.approve(client, settings, lock, _numbered(lock.name, existing, number), existing, why)


def _check_exists(client: MlflowClient, settings: Settings, model: str) -> None:
    if registry.registered(client, model) is None:
        own = " and ".join(settings.registered_name(engine) for engine in settings.retrain.engines)
        message = f"MLflow at {settings.tracking.uri} has no registered model {model!r}; the configured ones are {own}"
        raise ConfigurationError(message)


def _before(model: str, existing: Sequence[Version]) -> Version:
    for version in existing:
        if PREVIOUS in version.aliases:
            return version
    message = f"{model} has no alias `{PREVIOUS}`, so there is nothing to go back to; `ratchet promote` takes a version"
    raise ConfigurationError(message)


def _numbered(model: str, existing: Sequence[Version], number: int) -> Version:
    for version in existing:
        if version.number == number:
            return version
    known = ", ".join(str(version.number) for version in existing) or "none"
    message = f"{model} has no version {number}; there are: {known}"
    raise ConfigurationError(message)
