"""The final decision on a staged version: it becomes champion, waits for approval, or is held.

The step `rollout` calls it after validation, `ratchet promote` on approval. Like the registrar it may be killed between
any two requests and run again. A single tag makes the outcome final: the move of `champion` on the version, or the
decision `held`.
"""

from mlflow.tracking import MlflowClient

from ratchet.core.decision import Outcome
from ratchet.core.trial import TAG, TrialVerdict
from ratchet.io.records.candidates import Candidates
from ratchet.io.records.registered_model import RegisteredModel
from ratchet.io.records.version import DECISION, REASON, Version
from ratchet.jobs.promotion.case import Case, by, held_model
from ratchet.jobs.promotion.results import Result
from ratchet.settings import Settings


def conclude(client: MlflowClient, settings: Settings, engine: str, cycle: str, failure: str = "") -> Result:
    """Decide on the version that a cycle has staged; if there is none, return the earlier decision.

    failure: why the validation did not complete, if it didn't. Raises RatchetError.
    """
    name = settings.registered_name(engine)
    candidates = Candidates(client, settings.experiment, settings.model)
    candidate = candidates.newest(engine, cycle)
    if candidate is None or RegisteredModel.read(client, name) is None:
        return Result(engine, name, cycle, "missing", candidates.missing(engine, cycle).reason)
    with held_model(client, settings, name, "rollout") as model:
        return _concluded(Case.of(model, candidate.run_id, "rollout"), settings, failure)


def _concluded(case: Case, settings: Settings, failure: str) -> Result:
    candidate, own = case.candidate, case.own
    if own is not None and own.rolled_back is not None and candidate.outcome == "promoted":
        go_back(case.model, own.number, own.rolled_back)  # an interrupted rollback
        return case.result("held", own.rolled_back, own.number, rolled_back=True)
    if own is None or candidate.outcome != "staged":
        outcome, reason = candidate.outcome or "held", candidate.tags.get("ratchet.reason", "it was not decided on")
        back = own is not None and own.rolled_back is not None
        return case.result(outcome, reason, None if own is None else own.number, rolled_back=back)
    outcome, reason = _word(settings, case, own, failure)
    if outcome == "held" and _failed(own):
        case.model.set_aside(own.number, reason)
    if outcome != "staged":
        case.conclude(own, outcome, reason)
    for other in case.model.versions:
        if other.staged and other.number < own.number:
            _supersede(case.model, other, own)
    return case.result(outcome, reason, own.number)


def approve(model: RegisteredModel, number: int, why: str) -> None:
    """Record that a staged version was made the champion manually; under the lock, after the move."""
    version = model.numbered(number)
    if version is not None:
        Case.of(model, version.run_id, "promote").conclude(version, "promoted", why)


def go_back(model: RegisteredModel, number: int, why: str) -> None:
    """Take `champion` from a version whose servers failed, and record that it is held; may be repeated."""
    model.check()
    model.give_back(number, by("rollout"), why)
    version = model.numbered(number)
    if version is not None and version.made_from is not None:
        Case.of(model, version.run_id, "rollout").rewrite(version, "held", why)


def _word(settings: Settings, case: Case, own: Version, failure: str) -> tuple[Outcome, str]:
    better = case.candidate.tag("ratchet.reason")
    if own.move is not None:  # its move to `champion` is recorded: already decided
        return "promoted", own.move.because
    if own.tags.get(DECISION) == "held":
        return "held", own.tags[REASON]
    if settings.promotion.validation and (why := _refused(own, failure)):
        return "held", f"{better}, but {why}"
    if settings.promotion.approval == "manual":
        return "staged", f"{better}; it waits for `ratchet promote {case.model.name} {own.number}`"
    return "promoted", better


def _failed(own: Version) -> bool:
    """Whether a version failed its trial."""
    return TAG in own.tags and not TrialVerdict.from_tag(own.tags[TAG]).passed


def _refused(own: Version, failure: str) -> str:
    """Why a version did not pass its validation; empty if it did."""
    if TAG not in own.tags:
        return f"its validation did not come to an end: {failure or 'it was not begun'}"
    return f"it was refused in validation: {TrialVerdict.from_tag(own.tags[TAG]).reason}" if _failed(own) else ""


def _supersede(model: RegisteredModel, older: Version, newer: Version) -> None:
    why = f"{older.tags[REASON]}, but version {newer.number} was better before anybody approved of it"
    Case.of(model, older.run_id, "rollout").conclude(older, "held", why)
