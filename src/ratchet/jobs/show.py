"""The output of `ratchet show`: every version of the configured models, and the newest candidate if it was held."""

from dataclasses import dataclass, replace
from datetime import datetime

from mlflow.tracking import MlflowClient

from ratchet.core.objective import F1, Objective
from ratchet.core.rival import Rival
from ratchet.io.records import candidates
from ratchet.io.records.candidates import Candidate, Candidates
from ratchet.io.records.connection import connect, mlflow_errors
from ratchet.io.records.registered_model import versions_of
from ratchet.io.records.version import Version
from ratchet.settings import Settings


@dataclass(frozen=True)
class Row:
    """A version, or the newest candidate without one.

    version: None for a candidate. f1: on the test rows of its own run. f1_today: on the test rows of the newest
    complete run; None if not measured there. decision, reason: as recorded by the registrar. as_of: the day on which
    its test window ends. moved: who last made it champion, when and why; None if it never was. not_yet_known: how many
    rows its cycle left out because their labels were not known yet; told of the newest complete run, None if none were.
    objective: the name of another objective than F1 that the settings name, with its values on the same rows as F1's; a
    cost is positive, and a version that was trained for another objective has none of its own.
    """

    model: str
    engine: str
    version: int | None
    aliases: tuple[str, ...]
    f1: float | None
    f1_today: float | None
    decision: str | None
    reason: str | None
    as_of: str | None
    cycle: str | None
    created: datetime
    run_id: str
    moved: str | None
    not_yet_known: int | None = None
    objective: str | None = None
    objective_value: float | None = None
    objective_today: float | None = None


def show(settings: Settings) -> list[Row]:
    """The rows of each configured engine: versions by number, then the newest candidate if it was held.

    Raises RatchetError if MLflow is unavailable.
    """
    with mlflow_errors(settings.tracking):
        client = connect(settings.tracking)
        return [row for engine in settings.retrain.engines for row in _rows(client, settings, engine)]


def _rows(client: MlflowClient, settings: Settings, engine: str) -> list[Row]:
    name, objective = settings.registered_name(engine), settings.promotion.objective
    newest = Candidates(client, settings.experiment, settings.model).newest(engine)
    today = _today(client, newest)
    versions = versions_of(client, name)
    rows = [_by(objective, _of_version(engine, each, newest, today), each, newest, today) for each in versions]
    if newest is not None and all(version.run_id != newest.run_id for version in versions):
        rows.append(_by(objective, _of_candidate(name, newest), None, newest, today))
    return rows


def _today(client: MlflowClient, newest: Candidate | None) -> dict[int, Rival]:
    if newest is None:
        return {}
    compared = candidates.rivals(client, newest)
    return {rival.version: rival for rival in compared if rival.basis == "same_rows"}


def _of_version(engine: str, version: Version, newest: Candidate | None, today: dict[int, Rival]) -> Row:
    own = newest if newest is not None and version.run_id == newest.run_id else None
    if own is not None:
        f1_today = own.metrics.get("f1")
    else:
        f1_today = today[version.number].f1 if version.number in today else None
    move = version.move
    return Row(
        model=version.model,
        engine=engine,
        version=version.number,
        aliases=version.aliases,
        f1=version.f1,
        f1_today=f1_today,
        decision=version.tags.get("ratchet.decision"),
        reason=version.tags.get("ratchet.reason"),
        as_of=version.tags.get("ratchet.as_of"),
        cycle=version.tags.get("ratchet.cycle"),
        created=version.created,
        run_id=version.run_id,
        moved=None if move is None else f"{move.by} at {move.at}: {move.because}",
        not_yet_known=None if own is None else _not_yet_known(own),
    )


def _of_candidate(name: str, candidate: Candidate) -> Row:
    f1 = candidate.metrics.get("f1")
    return Row(
        model=name,
        engine=candidate.engine,
        version=None,
        aliases=(),
        f1=f1,
        f1_today=f1,
        decision=candidate.outcome,
        reason=candidate.tags.get("ratchet.reason"),
        as_of=candidate.tags.get("ratchet.as_of"),
        cycle=candidate.cycle,
        created=candidate.created,
        run_id=candidate.run_id,
        moved=None,
        not_yet_known=_not_yet_known(candidate),
    )


def _not_yet_known(candidate: Candidate) -> int | None:
    return int(candidate.metrics.get("rows_not_yet_known", 0)) or None


def _by(
    objective: Objective, row: Row, version: Version | None, newest: Candidate | None, today: dict[int, Rival]
) -> Row:
    """The row with the values of another objective than F1; what was measured by yet another one is unknown."""
    if objective == F1:
        return row
    same = newest is not None and newest.objective == objective
    candidate = newest.metrics.get("objective") if newest is not None and same else None
    rival = today.get(row.version or 0)
    if newest is not None and row.run_id == newest.run_id:
        own, now = candidate, candidate
    else:
        own = None if version is None else version.recorded(objective)
        now = rival.objective if rival is not None and same else None
    return replace(
        row,
        objective=objective.name,
        objective_value=None if own is None else objective.shown(own),
        objective_today=None if now is None else objective.shown(now),
    )
