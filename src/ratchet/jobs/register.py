"""The registrar: decides on a cycle's candidates, makes versions of what is better, and moves `champion` last.

`cli` calls it, in an image that has no engine. It may be killed between any two requests and run again: the same state
follows. What makes a promotion final is one request, the creation of the version with the decision and the move of the
aliases as its tags; all acts after it look first whether they have been done, or may be repeated.

Where a version is to be tried or approved first, what is better is staged here, and `jobs.conclude` has the last word.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import structlog
from mlflow.tracking import MlflowClient

from ratchet.core.decision import Decision, Outcome
from ratchet.errors import RatchetError
from ratchet.io.records import alias_moves, candidates, orphaned_runs, registry
from ratchet.io.records.alias_moves import CHAMPION, MOVE, Move
from ratchet.io.records.candidates import Candidate
from ratchet.io.records.connection import connect, mlflow_errors
from ratchet.io.records.lock import Lock, locked
from ratchet.io.records.registry import Version
from ratchet.io.records.staging import DECISION, STAGED
from ratchet.io.runner import OnEvent
from ratchet.jobs.judging import judge
from ratchet.jobs.results import MEASURES, Result
from ratchet.settings import Settings

log = structlog.get_logger()

_COPIED_TAGS = ("ratchet.cycle", "ratchet.engine", "ratchet.as_of", "ratchet.test_from", "ratchet.test_until")


def log_event(event: Mapping[str, Any]) -> None:
    """Log an event that says its level and its name itself."""
    told = dict(event)
    getattr(log, told.pop("level"))(told.pop("event"), **told)


def register(settings: Settings, cycle: str | None, tell: OnEvent = log_event) -> list[Result]:
    """Decide on the candidates of a cycle, one for each configured engine.

    cycle: None is the newest with a complete run. An engine without a candidate is a result with the outcome
    `missing`. tell: gets each decision as an event, when it has been made. Raises RatchetError; one engine's error is
    raised when the others have been decided on.
    """
    with mlflow_errors(settings):
        client = connect(settings)
        return decide_all(client, settings, cycle, tell)


def decide_all(client: MlflowClient, settings: Settings, cycle: str | None, tell: OnEvent = log_event) -> list[Result]:
    """The same with a client that is connected."""
    cycle = cycle or candidates.newest_cycle(client, settings)
    if cycle:
        orphaned_runs.close_of_cycle(client, settings.experiment, cycle)
    results: list[Result] = []
    errors: list[RatchetError] = []
    for engine in settings.retrain.engines:
        try:
            with mlflow_errors(settings):
                result = _decide(client, settings, engine, cycle)
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
    """A result as an event: all of it, but of the metrics only those that the table of a cycle shows."""
    metrics = result.metrics or {}
    return asdict(result) | {"metrics": {name: metrics[name] for name in MEASURES.values() if name in metrics}}


def _decide(client: MlflowClient, settings: Settings, engine: str, cycle: str | None) -> Result:
    name = settings.registered_name(engine)
    candidate = candidates.newest(client, settings, engine, cycle) if cycle else None
    if candidate is None:
        reason = candidates.why_missing(client, settings, engine, cycle) if cycle else "no cycle has a complete run"
        return Result(engine, name, cycle, "missing", reason)
    registry.ensure(client, name)
    with locked(client, name, settings.promotion.lock_seconds, f"ratchet register by {alias_moves.who()}") as lock:
        registry.settle(client, name)
        outcome, reason, version = _settled(client, settings, candidate.run_id, lock)
    return Result(
        engine=engine,
        model=name,
        cycle=candidate.cycle,
        outcome=outcome,
        reason=reason,
        version=version,
        run_id=candidate.run_id,
        metrics=candidate.metrics,
        report=candidate.report,
    )


def _settled(client: MlflowClient, settings: Settings, run_id: str, lock: Lock) -> tuple[Outcome, str, int | None]:
    """Outcome, reason and version of a candidate, with everything done that follows; under the lock."""
    # Read only now: another registrar may have decided on this run while this one waited for the lock.
    candidate = candidates.read(client, run_id)
    existing = registry.versions(client, lock.name)
    own = own_version(existing, run_id)
    if candidate.outcome == "held" or (candidate.outcome is not None and own is not None):
        return candidate.outcome, candidate.tag("ratchet.reason"), None if own is None else own.number
    decision = decided(client, settings, candidate, existing, own)
    if decision.outcome != "held" and own is None:
        lock.check()
        decision = replace(decision, version=_make_version(client, lock.name, candidate, decision, existing))
    if decision.version is not None:
        registry.link(client, lock.name, decision.version, candidate.tag("ratchet.model_uri"))
    candidates.record(
        client, candidate, decision, settings, {"decided_by": alias_moves.who(), "decided_at": alias_moves.now()}
    )
    if decision.outcome != "held":
        lock.check()
        registry.settle(client, lock.name)
    return decision.outcome, decision.reason, decision.version


def own_version(existing: Sequence[Version], run_id: str) -> Version | None:
    """The version that the registrar has made of a run; None where it has not, or did not come to the end of it."""
    return next((version for version in existing if version.made_from == run_id and version.by_registrar), None)


def decided(
    client: MlflowClient, settings: Settings, candidate: Candidate, existing: Sequence[Version], own: Version | None
) -> Decision:
    """Decide, or decide again as it was decided when the version was made: later versions are no rivals of it."""
    rivals = [version for version in existing if version.run_id != candidate.run_id]
    if own is None:
        decision = judge(candidate, candidates.rivals(client, candidate), rivals, settings.promotion)
        return replace(decision, outcome="staged") if decision.promoted and _is_tried_first(settings) else decision
    earlier = [_as_then(version, own) for version in rivals if version.number < own.number]
    decision = judge(candidate, candidates.rivals(client, candidate), earlier, settings.promotion)
    outcome: Outcome = "promoted" if own.move is not None else "staged"
    return replace(decision, outcome=outcome, reason=own.tags["ratchet.reason"], version=own.number)


def _is_tried_first(settings: Settings) -> bool:
    return settings.promotion.validation or settings.promotion.approval == "manual"


def _as_then(version: Version, own: Version) -> Version:
    """A version as it was before `own` became champion."""
    if own.move is None:
        return version
    was_champion = own.move.previous == version.number
    return replace(version, aliases=(CHAMPION,) if was_champion else ())


def _make_version(
    client: MlflowClient, name: str, candidate: Candidate, decision: Decision, existing: Sequence[Version]
) -> int:
    tags = {
        DECISION: decision.outcome,
        "ratchet.reason": decision.reason,
        "ratchet.f1": repr(decision.f1),
        **{key: candidate.tag(key) for key in _COPIED_TAGS},
        **_last_tag(decision, existing),
    }
    evidence = f"[The report]({candidate.page}) lies at `{candidate.report}`."
    description = f"{decision.reason}.\n\nCycle {candidate.cycle}. {evidence}"
    by_hand = next((version for version in existing if version.run_id == candidate.run_id), None)
    if by_hand is not None:
        registry.adopt(client, name, by_hand, tags=tags, description=description)
        return by_hand.number
    model_uri = candidate.tag("ratchet.model_uri")
    return registry.create(client, name, candidate.run_id, model_uri, tags=tags, description=description)


def _last_tag(decision: Decision, existing: Sequence[Version]) -> dict[str, str]:
    """What makes the version the registrar's own: that it is staged, or its way to `champion`."""
    if decision.outcome == "staged":
        return {STAGED: alias_moves.now()}
    champion = next((version.number for version in existing if version.champion), None)
    return {
        MOVE: Move(champion, f"ratchet register by {alias_moves.who()}", alias_moves.now(), decision.reason).to_tag()
    }
