"""Moves `champion` manually; who, when and why are recorded on the version and on the registered model."""

import structlog
from mlflow.tracking import MlflowClient

from ratchet.core.notice import Notice
from ratchet.errors import ConfigurationError, FailedError
from ratchet.io.records.connection import connect, mlflow_errors
from ratchet.io.records.process_identity import who
from ratchet.io.records.registered_model import RegisteredModel
from ratchet.io.records.version import PREVIOUS, Version
from ratchet.jobs.notifying import tell
from ratchet.jobs.promotion.case import held_model
from ratchet.jobs.promotion.conclude import approve
from ratchet.jobs.promotion.servers import follow_by_hand
from ratchet.settings import Settings

log = structlog.get_logger()


def promote(settings: Settings, model: str, version: int, because: str) -> str:
    """Make a version the champion; returns a sentence that describes the change.

    model: name of the registered model, such as `flights-sklearn`. Raises ConfigurationError if the model or version
    does not exist or the reason is empty; TemporaryError if MLflow is unavailable or another process holds the lock.
    """
    return _move(settings, model, version, because)


def rollback(settings: Settings, model: str, because: str) -> str:
    """Give `champion` to the version that `previous` names; a second rollback undoes the first.

    Raises as `promote` does; also ConfigurationError if there is no previous version.
    """
    return _move(settings, model, None, because)


def _move(settings: Settings, model: str, version: int | None, because: str) -> str:
    if not because.strip():
        message = "--because is empty; a sentence is accepted that tells others why the champion changes"
        raise ConfigurationError(message)
    with mlflow_errors(settings.tracking):
        client = connect(settings.tracking)
        _check_exists(client, settings, model)
        verb, by = "rollback" if version is None else "promote", who()
        with held_model(client, settings, model, verb) as held:
            target = _before(held) if version is None else _numbered(held, version)
            champion = held.champion
            if not target.champion:
                _make_champion(held, target, f"{by}, by hand", because, back=version is None)
            if target.staged:
                approve(held, target.number, f"approved by {by}: {because}")
        if (failure := follow_by_hand(settings, client, model)) is not None:
            tell(settings, Notice("rolled_back", model, failure, version=target.number))
            raise FailedError(failure)
    if target.champion:
        return f"version {target.number} of {model} is the champion already"
    log.info("champion.moved", verb=verb, model=model, version=target.number, by=by, because=because)
    was = "there was none before" if champion is None else f"it was version {champion.number}"
    moved = f"version {target.number} of {model} is the champion now; {was}"
    why = f"{moved}; moved manually by {by}: {because}"
    if champion is not None and (version is None or target.number < champion.number):
        tell(settings, Notice("rolled_back", model, why, version=champion.number))
    else:
        tell(settings, Notice("promoted", model, why, version=target.number))
    return moved


def _make_champion(held: RegisteredModel, target: Version, by: str, because: str, *, back: bool) -> None:
    # The second of two consecutive rollbacks undoes the first.
    aside = back and target.set_aside is None
    held.begin(target.number, held.next_move(by, because, aside=aside))
    held.settle()


def _check_exists(client: MlflowClient, settings: Settings, model: str) -> None:
    if RegisteredModel.read(client, model) is None:
        own = " and ".join(settings.registered_name(engine) for engine in settings.retrain.engines)
        message = f"MLflow at {settings.tracking.uri} has no registered model {model!r}; the configured ones are {own}"
        raise ConfigurationError(message)


def _before(model: RegisteredModel) -> Version:
    number = model.aliases.get(PREVIOUS)
    if number is not None:
        return _numbered(model, number)
    message = (
        f"{model.name} has no alias `{PREVIOUS}`, so there is nothing to go back to; `ratchet promote` takes a version"
    )
    raise ConfigurationError(message)


def _numbered(model: RegisteredModel, number: int) -> Version:
    found = model.numbered(number)
    if found is not None:
        return found
    known = ", ".join(str(version.number) for version in model.versions) or "none"
    message = f"{model.name} has no version {number}; there are: {known}"
    raise ConfigurationError(message)
