"""From a candidate's evidence and the current versions to a decision.

The trainer compared the candidate with the versions at that time; some may have been deleted or created since. Called
by `jobs.promotion.register`, under the lock, so that the versions don't change meanwhile.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import isclose, nan

from ratchet.core.decision import Decision, Others, decide
from ratchet.core.guardrail import GuardrailResult, why_held
from ratchet.core.objective import F1, Achieved
from ratchet.core.rival import Rival
from ratchet.errors import ConfigurationError
from ratchet.io.records.candidates import Candidate
from ratchet.io.records.version import Version
from ratchet.settings import Promotion


def judge(
    candidate: Candidate,
    compared: Sequence[Rival],
    versions: Iterable[Version],
    promotion: Promotion,
    guarded: Sequence[GuardrailResult] = (),
) -> Decision:
    """Decide on a candidate against the existing versions.

    compared: the rows of its comparison.csv. versions: those that exist now, without the candidate's own. If the
    champion was scored on the candidate's rows, only versions scored on them count; otherwise (for example if it was
    created after the comparison) recorded F1 counts for the others. Versions beyond `promotion.rescore`, and those
    deleted or set aside since, don't count. guarded: the rows of its guardrails.csv; a better candidate that breaks a
    guardrail is held. Raises ConfigurationError if it was measured by another objective.
    """
    achieved = _achieved(candidate, promotion)
    own = achieved or Achieved(F1, candidate.metric("f1"), candidate.metric("f1_all_positive"))
    found = list(versions)
    rivals, others = _rivals(candidate, compared, found, promotion, own)
    f1, all_positive = candidate.metric("f1"), candidate.metric("f1_all_positive")
    decision = decide(f1, all_positive, rivals, promotion.confidence, others, achieved)
    champion = next((version.number for version in found if version.champion), None)
    why = why_held(guarded, [one.text for one in promotion.guardrails], champion)
    if why is None or not decision.promoted:
        return decision
    return replace(decision, outcome="held", reason=f"{decision.reason}, but {why}")


def _rivals(
    candidate: Candidate, compared: Sequence[Rival], found: Sequence[Version], promotion: Promotion, own: Achieved
) -> tuple[list[Rival], Others]:
    """The versions to beat, and those that are no rivals."""
    rows = {rival.version: rival for rival in compared}
    beside = {
        version.number: _rival(version, rows, candidate, promotion, own) for version in counting(found, promotion)
    }
    learnt_from = {number: one.note for number, one in beside.items() if one and one.basis == "not_compared"}
    beyond = {number: one.note for number, one in beside.items() if one and one.basis == "left_out"}
    not_compared = learnt_from | beyond | _without_common_rows(beside)
    left = {number: one for number, one in beside.items() if number not in not_compared}
    others = Others(
        unknown=[number for number, one in left.items() if one is None],
        set_aside=set_aside(found, promotion),
        not_compared=not_compared,
        newer=_newer(candidate, found, learnt_from),
    )
    return [one for one in left.values() if one is not None], others


def _achieved(candidate: Candidate, promotion: Promotion) -> Achieved | None:
    """The candidate's value by the objective; None if that is F1."""
    measured = candidate.objective
    if measured != promotion.objective:
        message = (
            f"promotion.objective is {promotion.objective.form}, and the run {candidate.run_id} of the cycle"
            f" {candidate.cycle} was measured by {measured.form}; train again, or set it to that"
        )
        raise ConfigurationError(message)
    if measured == F1:
        return None
    return Achieved(measured, candidate.metric("objective"), candidate.metric("objective_constant"))


def by_record(version: Version, own: Achieved, note: str = "") -> Rival | None:
    """A version that counts with what its own run recorded; None if that is unknown. own: the candidate's."""
    value = version.recorded(own.objective)
    if own.objective == F1:
        return Rival.recorded(version.number, value, own.value, version.champion, note)
    f1 = nan if version.f1 is None else version.f1
    row = Rival.recorded(version.number, f1, nan, version.champion, note)
    return None if row is None or value is None else row.by(value, own.value)


def _without_common_rows(beside: Mapping[int, Rival | None]) -> dict[int, str]:
    """Why versions not scored on the candidate's rows are excluded, if the champion was.

    The F1 of another month says little about this one, so it must not decide if better evidence exists.
    """
    if not any(rival is not None and rival.champion and rival.basis == "same_rows" for rival in beside.values()):
        return {}
    return {
        number: (rival.note if rival is not None else "") or "it was not scored on these rows"
        for number, rival in beside.items()
        if rival is None or rival.basis == "recorded"
    }


def _newer(candidate: Candidate, versions: Sequence[Version], not_compared: Mapping[int, str]) -> str:
    """Why the candidate's data are not new enough; empty if they are.

    They must not be older than the champion's, and must be newer than those of versions that it can't be compared with.
    """
    end = candidate.test_window[1]
    for version in versions:
        theirs = version.test_window[1] if version.test_window is not None else None
        if end is None or theirs is None:
            continue
        if version.champion and end < theirs:
            return f"its test window ends on {end}, before that of the champion, version {version.number} ({theirs})"
        if version.number in not_compared and end <= theirs:
            why = not_compared[version.number]
            return f"it can't be compared with version {version.number} ({why}), and its test window ends no later"
    return ""


def counting(versions: Sequence[Version], promotion: Promotion) -> tuple[Version, ...]:
    """The versions that a candidate has to beat."""
    if promotion.against == "champion" and any(version.champion for version in versions):
        return tuple(version for version in versions if version.champion)
    aside = set_aside(versions, promotion)
    return tuple(version for version in versions if version.number not in aside)


def set_aside(versions: Sequence[Version], promotion: Promotion) -> dict[int, str]:
    """Why versions need not be beaten, by number."""
    if not promotion.set_aside:
        return {}
    return {version.number: version.set_aside for version in versions if version.set_aside is not None}


def _rival(
    version: Version, rows: Mapping[int, Rival], candidate: Candidate, promotion: Promotion, own: Achieved
) -> Rival | None:
    row = rows.get(version.number)
    if row is None or _another(row, version):
        return by_record(version, own, _made_since(version, candidate))
    if promotion.compare == "recorded":
        recorded = row.recorded_f1 if version.f1 is None else version.f1
        return Rival.recorded(version.number, recorded, own.value, version.champion)
    if row.basis == "left_out" and version.champion:
        return by_record(version, own, "it became the champion since the comparison")
    return replace(row, champion=version.champion)


def _another(row: Rival, version: Version) -> bool:
    """Whether the number now means another version: numbering restarts when a registered model is deleted."""
    known = row.recorded_f1 is not None and version.f1 is not None
    return known and not isclose(row.recorded_f1 or 0, version.f1 or 0, rel_tol=1e-9)


def _made_since(version: Version, candidate: Candidate) -> str:
    if version.test_window == candidate.test_window:
        return "registered since the comparison, and measured on the same test window"
    return "registered since the comparison, and measured on another test window"
