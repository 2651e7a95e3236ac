"""The last word on a staged version: it becomes champion, waits for approval, or is held.

The step `rollout` calls it after the validation, `ratchet promote` where somebody approves. Like the registrar it may
be killed between any two requests and run again. What makes the end final is one tag: the move of `champion` on the
version, or the decision `held`.
"""

from dataclasses import dataclass, replace

from mlflow.tracking import MlflowClient

from ratchet.core.decision import Outcome
from ratchet.core.trial import TAG, TrialVerdict
from ratchet.io.records import alias_moves, candidates, registry
from ratchet.io.records.alias_moves import Move
from ratchet.io.records.candidates import Candidate
from ratchet.io.records.lock import Lock, locked
from ratchet.io.records.registry import ROLLED_BACK, Version
from ratchet.jobs.register import decided, own_version
from ratchet.jobs.results import Result
from ratchet.settings import Settings


@dataclass(frozen=True)
class _Word:
    outcome: Outcome
    reason: str


def conclude(client: MlflowClient, settings: Settings, engine: str, cycle: str, failure: str = "") -> Result:
    """Decide on the version that a cycle has staged; where it has none, say what was decided before.

    failure: why the validation did not come to its end, where it didn't. Raises RatchetError.
    """
    name = settings.registered_name(engine)
    candidate = candidates.newest(client, settings, engine, cycle)
    if candidate is None or registry.registered(client, name) is None:
        return Result(engine, name, cycle, "missing", candidates.why_missing(client, settings, engine, cycle))
    with locked(client, name, settings.promotion.lock_seconds, f"ratchet rollout by {alias_moves.who()}") as lock:
        registry.settle(client, name)
        existing = registry.versions(client, name)
        candidate, own = candidates.read(client, candidate.run_id), own_version(existing, candidate.run_id)
        if own is not None and own.rolled_back is not None and candidate.outcome == "promoted":
            _go_back(client, settings, lock, own, own.rolled_back)  # somebody was killed at that
            return _result(settings, candidate, _Word("held", own.rolled_back), own)
        if own is None or candidate.outcome != "staged":
            outcome, reason = candidate.outcome or "held", candidate.tags.get("ratchet.reason", "it was not decided on")
            return _result(settings, candidate, _Word(outcome, reason), own)
        word = _word(settings, candidate, own, failure)
        if word.outcome != "staged":
            _carry_out(client, settings, lock, candidate, own, existing, word)
        for other in existing:
            if other.staged and other.number < own.number:
                _supersede(client, settings, lock, other, own, existing)
    return _result(settings, candidate, word, own)


def approve(
    client: MlflowClient, settings: Settings, lock: Lock, version: Version, existing: tuple[Version, ...], why: str
) -> None:
    """Write down that somebody has made a staged version the champion; under the lock, after the move."""
    candidate = candidates.read(client, version.run_id)
    _carry_out(client, settings, lock, candidate, version, existing, _Word("promoted", why))


def go_back(client: MlflowClient, settings: Settings, name: str, number: int, why: str) -> int | None:
    """Take `champion` from a version whose servers failed; returns who has it now, None where nobody has.

    Where somebody has moved `champion` meanwhile, it is left where it is.
    """
    with locked(client, name, settings.promotion.lock_seconds, f"ratchet rollout by {alias_moves.who()}") as lock:
        registry.settle(client, name)
        found = next((version for version in registry.versions(client, name) if version.number == number), None)
        if found is not None and found.champion:
            lock.check()
            _go_back(client, settings, lock, found, why)
        return next((version.number for version in registry.versions(client, name) if version.champion), None)


def _go_back(client: MlflowClient, settings: Settings, lock: Lock, version: Version, why: str) -> None:
    client.set_model_version_tag(lock.name, str(version.number), ROLLED_BACK, why)
    alias_moves.give_back(client, lock.name, version.number, version.move.previous if version.move else None, why)
    registry.decide(client, lock.name, version.number, "held", why)
    if version.by_registrar:
        candidate, existing = candidates.read(client, version.run_id), registry.versions(client, lock.name)
        _record(client, settings, candidate, existing, version, _Word("held", why))


def _word(settings: Settings, candidate: Candidate, own: Version, failure: str) -> _Word:
    better = candidate.tag("ratchet.reason")
    if own.move is not None:  # its way to `champion` has been written down: it was decided before
        return _Word("promoted", own.move.because)
    if own.tags.get("ratchet.decision") == "held":
        return _Word("held", own.tags["ratchet.reason"])
    if settings.promotion.validation:
        tag = own.tags.get(TAG)
        if tag is None:
            return _Word(
                "held", f"{better}, but its validation did not come to an end: {failure or 'it was not begun'}"
            )
        verdict = TrialVerdict.from_tag(tag)
        if not verdict.passed:
            return _Word("held", f"{better}, but it was refused in validation: {verdict.reason}")
    if settings.promotion.approval == "manual":
        name = settings.registered_name(candidate.engine)
        return _Word("staged", f"{better}; it waits for `ratchet promote {name} {own.number}`")
    return _Word("promoted", better)


def _carry_out(
    client: MlflowClient,
    settings: Settings,
    lock: Lock,
    candidate: Candidate,
    own: Version,
    existing: tuple[Version, ...],
    word: _Word,
) -> None:
    lock.check()
    if word.outcome == "promoted" and own.move is None:
        champion = next((version.number for version in existing if version.champion), None)
        move = Move(champion, f"ratchet rollout by {alias_moves.who()}", alias_moves.now(), word.reason)
        alias_moves.begin(client, lock.name, own.number, move)
    registry.decide(client, lock.name, own.number, word.outcome, word.reason)
    _record(client, settings, candidate, existing, own, word)
    lock.check()
    registry.settle(client, lock.name)


def _record(
    client: MlflowClient,
    settings: Settings,
    candidate: Candidate,
    existing: tuple[Version, ...],
    own: Version,
    word: _Word,
) -> None:
    decision = decided(client, settings, candidate, existing, own)
    decision = replace(decision, outcome=word.outcome, reason=word.reason, version=own.number)
    candidates.record(
        client, candidate, decision, settings, {"decided_by": alias_moves.who(), "decided_at": alias_moves.now()}
    )


def _supersede(
    client: MlflowClient, settings: Settings, lock: Lock, older: Version, newer: Version, existing: tuple[Version, ...]
) -> None:
    why = f"{older.tags['ratchet.reason']}, but version {newer.number} was better before anybody approved of it"
    _carry_out(client, settings, lock, candidates.read(client, older.run_id), older, existing, _Word("held", why))


def _result(settings: Settings, candidate: Candidate, word: _Word, own: Version | None) -> Result:
    return Result(
        engine=candidate.engine,
        model=settings.registered_name(candidate.engine),
        cycle=candidate.cycle,
        outcome=word.outcome,
        reason=word.reason,
        version=None if own is None else own.number,
        run_id=candidate.run_id,
        metrics=candidate.metrics,
        report=candidate.report,
    )
