"""From a candidate's evidence and today's versions to a decision.

The trainer compared the candidate with the versions that there were; some may have been deleted or made since. Called
by `jobs.promotion.register`, under the lock, so that what it sees stays true.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import isclose

from ratchet.core.decision import Decision, Others, decide
from ratchet.core.rival import Rival
from ratchet.io.records.candidates import Candidate
from ratchet.io.records.version import Version
from ratchet.settings import Promotion


def judge(
    candidate: Candidate, compared: Sequence[Rival], versions: Iterable[Version], promotion: Promotion
) -> Decision:
    """Decide on a candidate against the existing versions.

    compared: the rows of its comparison.csv. versions: those that exist now, without the candidate's own. A version
    made since the comparison counts with its recorded F1; one that was deleted or set aside since no longer counts.
    """
    rows = {rival.version: rival for rival in compared}
    found = list(versions)
    rivals: list[Rival] = []
    unknown: list[int] = []
    not_compared: dict[int, str] = {}
    for version in counting(found, promotion):
        rival = _rival(version, rows, candidate, promotion)
        if rival is None:
            unknown.append(version.number)
        elif rival.basis == "not_compared":
            not_compared[version.number] = rival.note
        else:
            rivals.append(rival)
    newer = _newer(candidate, found, not_compared)
    others = Others(unknown, set_aside(found, promotion), not_compared, newer)
    return decide(candidate.metric("f1"), candidate.metric("f1_all_positive"), rivals, promotion.confidence, others)


def _newer(candidate: Candidate, versions: Sequence[Version], not_compared: Mapping[int, str]) -> str:
    """Why the candidate's data are not new enough; empty where they are.

    They may be older than those of no champion, and must be newer than those of what it can't be compared with.
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


def _rival(version: Version, rows: Mapping[int, Rival], candidate: Candidate, promotion: Promotion) -> Rival | None:
    row = rows.get(version.number)
    own_f1 = candidate.metric("f1")
    if row is None or _another(row, version):
        return Rival.recorded(version.number, version.f1, own_f1, version.champion, _made_since(version, candidate))
    if promotion.compare == "recorded":
        recorded = row.recorded_f1 if version.f1 is None else version.f1
        return Rival.recorded(version.number, recorded, own_f1, version.champion)
    return replace(row, champion=version.champion)


def _another(row: Rival, version: Version) -> bool:
    """Whether the number means another version by now: numbers begin anew when a registered model is deleted."""
    known = row.recorded_f1 is not None and version.f1 is not None
    return known and not isclose(row.recorded_f1 or 0, version.f1 or 0, rel_tol=1e-9)


def _made_since(version: Version, candidate: Candidate) -> str:
    if version.test_window == candidate.test_window:
        return "registered since the comparison, and measured on the same test window"
    return "registered since the comparison, and measured on another test window"
