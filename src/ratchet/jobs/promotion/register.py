"""The registrar: decides on a cycle's candidates, creates versions from the better ones, and moves `champion` last.

`cli` calls it, in an image that has no engine. It may be killed between any two requests and run again, with the same
final state. A single request makes a promotion final: it creates the version with the decision and the move of the
aliases as tags. Every later action is repeatable or first checks whether it has been done.

If versions must be tried or approved first, a better one is staged here, and `jobs.promotion.conclude` decides finally.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import structlog
from mlflow.tracking import MlflowClient

from ratchet.core.decision import Decision
from ratchet.errors import RatchetError
from ratchet.io.records import orphaned_runs, registered_model
from ratchet.io.records.candidates import Candidates
from ratchet.io.records.connection import connect, mlflow_errors
from ratchet.io.runner import OnEvent
from ratchet.jobs.promotion.case import Case, held_model
from ratchet.jobs.promotion.results import MEASURES, Result
from ratchet.settings import Settings

log = structlog.get_logger()

_TOLD = (*MEASURES.values(), "f1_low", "f1_high")


def log_event(event: Mapping[str, Any]) -> None:
    """Log an event that contains its own level and name."""
    told = dict(event)
    getattr(log, told.pop("level"))(told.pop("event"), **told)


def register(settings: Settings, cycle: str | None, tell: OnEvent = log_event) -> list[Result]:
    """Decide on the candidates of a cycle, one per configured engine.

    cycle: None is the newest with a complete run. An engine without a candidate gives a result with the outcome
    `missing`, or `skipped` if no cycle is named and the newest has not even begun to train it. tell: receives each
    decision as an event. Raises RatchetError; one engine's error is raised after deciding on the others.
    """
    with mlflow_errors(settings.tracking):
        client = connect(settings.tracking)
        return decide_all(client, settings, cycle, tell)


def decide_all(client: MlflowClient, settings: Settings, cycle: str | None, tell: OnEvent = log_event) -> list[Result]:
    """Like `register`, with a connected client."""
    named = cycle is not None
    cycle = cycle or Candidates(client, settings.experiment, settings.model).newest_cycle()
    if cycle:
        orphaned_runs.close_of_cycle(client, settings.experiment, cycle)
    results: list[Result] = []
    errors: list[RatchetError] = []
    for engine in settings.retrain.engines:
        try:
            with mlflow_errors(settings.tracking):
                result = _decide(client, settings, engine, cycle, named=named)
        except RatchetError as error:
            tell({"event": "register.failed", "level": "error", "engine": engine, "cycle": cycle, "error": str(error)})
            errors.append(error)
        else:
            tell({"event": "register.decided", "level": "info", **told(result)})
            results.append(result)
    if errors:
        raise errors[0]
    return results


def told(result: Result) -> dict[str, Any]:
    """A result as an event: complete, except that it has only the metrics that a cycle shows and tells the team."""
    metrics = result.metrics or {}
    return asdict(result) | {"metrics": {name: metrics[name] for name in _TOLD if name in metrics}}


def _decide(client: MlflowClient, settings: Settings, engine: str, cycle: str | None, *, named: bool) -> Result:
    name = settings.registered_name(engine)
    candidates = Candidates(client, settings.experiment, settings.model)
    if cycle is None:
        return Result(engine, name, cycle, "missing", "no cycle has a complete run")
    candidate = candidates.newest(engine, cycle)
    if candidate is None:
        missing = candidates.missing(engine, cycle)
        return Result(engine, name, cycle, "missing" if named or missing.begun else "skipped", missing.reason)
    registered_model.ensure(client, name)
    with held_model(client, settings, name, "register") as model:
        case = Case.of(model, candidate.run_id, "register")
        return _settled(case, settings)


def _settled(case: Case, settings: Settings) -> Result:
    """Decide on a candidate and carry out the decision."""
    candidate, own = case.candidate, case.own
    if candidate.outcome == "held" or (candidate.outcome is not None and own is not None):
        number, before = None if own is None else own.number, case.recorded()
        return case.result(candidate.outcome, candidate.tag("ratchet.reason"), number, champion=_champion(before))
    if own is not None:
        decision = case.decided(own)
    else:
        decision = case.judged(settings)
        if decision.outcome != "held":
            decision = case.with_version(decision, settings)
    if decision.version is not None:
        case.model.link(decision.version, candidate.tag("ratchet.model_uri"))
    case.record(decision, settings)
    if decision.outcome != "held":
        case.model.check()
        case.model.settle()
    return case.result(decision.outcome, decision.reason, decision.version, champion=_champion(decision))


def _champion(decision: Decision | None) -> Mapping[str, float | None] | None:
    """The champion on the candidate's rows, for the result; None if it was not compared there."""
    for one in () if decision is None else decision.rivals:
        if one.champion and one.basis == "same_rows":
            return {"version": one.version, "f1": one.f1, "f1_low": one.f1_low, "f1_high": one.f1_high}
    return None
