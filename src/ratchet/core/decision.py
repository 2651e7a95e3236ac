"""Promoted, staged or held, and why in one sentence.

`jobs.promotion.register` calls it once per run; `jobs.promotion.conclude` later promotes or holds staged versions.
Imports only the standard library.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from math import floor, isnan
from typing import Any, Literal

from ratchet.core.objective import F1, Achieved, Objective
from ratchet.core.rival import Rival
from ratchet.errors import FailedError

Outcome = Literal["promoted", "staged", "held"]

_FEWEST_DIGITS = 3
_MOST_DIGITS = 17
# More consecutive versions are written as a range.
_LISTED = 2
# One earlier candidate on the same rows is no remark: a trainer's second try, or a comparison of two settings.
_UNTOLD = 2
# Products such as 0.29 * 1000 can be slightly below 290; without this they would lose a tenth of a per cent.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Decision:
    """The decision on a candidate.

    f1: the candidate's. f1_all_positive: that of labelling every test row positive. probability: that the candidate is
    better than its best rival on days like these; None if unknown. rivals: the best first. unknown: numbers of existing
    versions with unknown F1. version: the candidate's number; None if it has none. set_aside, not_compared: why a
    version is no rival, or can't be compared, by number. earlier: how many candidates were measured on some of the test
    rows before. achieved: the candidate's value by another objective, if that decided instead of F1.
    """

    outcome: Outcome
    reason: str
    f1: float
    f1_all_positive: float
    probability: float | None
    rivals: tuple[Rival, ...]
    unknown: tuple[int, ...] = ()
    version: int | None = None
    set_aside: Mapping[int, str] = field(default_factory=dict)
    not_compared: Mapping[int, str] = field(default_factory=dict)
    earlier: int = 0
    achieved: Achieved | None = None

    @property
    def promoted(self) -> bool:
        """Whether the candidate becomes the champion."""
        return self.outcome == "promoted"

    def after(self, earlier: int) -> "Decision":
        """The decision on a candidate whose test rows, or some of them, measured as many before; the third says so."""
        told = f"; the {_ordinal(earlier + 1)} candidate measured on these test rows" if earlier >= _UNTOLD else ""
        return replace(self, earlier=earlier, reason=self.reason + told)

    def to_record(self) -> dict[str, Any]:
        """The content of `decision.json`."""
        return {
            "outcome": self.outcome,
            "reason": self.reason,
            "version": self.version,
            "f1": self.f1,
            "f1_all_positive": self.f1_all_positive,
            "probability_better": self.probability,
            **_objective_record(self.achieved),
            "versions": [_rival_record(rival) for rival in self.rivals],
            "versions_without_f1": list(self.unknown),
            "versions_set_aside": {str(number): why for number, why in self.set_aside.items()},
            "versions_not_compared": {str(number): why for number, why in self.not_compared.items()},
            "earlier_candidates": self.earlier,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any], where: str) -> "Decision":
        """Parse the output of `to_record`; raises FailedError, naming `where`, if it is anything else."""
        try:
            return cls(
                outcome=record["outcome"],
                reason=record["reason"],
                f1=record["f1"],
                f1_all_positive=record["f1_all_positive"],
                probability=record["probability_better"],
                rivals=tuple(Rival(**rival) for rival in record["versions"]),
                unknown=tuple(record["versions_without_f1"]),
                version=record["version"],
                set_aside=_numbered(record.get("versions_set_aside", {})),
                not_compared=_numbered(record.get("versions_not_compared", {})),
                earlier=int(record.get("earlier_candidates", 0)),
                achieved=_achieved(record),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            message = f"decision.json of {where} can't be read: {error!r}; train again"
            raise FailedError(message) from error


def _objective_record(achieved: Achieved | None) -> dict[str, Any]:
    if achieved is None:
        return {}
    return {
        "objective": achieved.objective.form,
        "objective_value": achieved.value,
        "objective_constant": achieved.constant,
    }


def _achieved(record: Mapping[str, Any]) -> Achieved | None:
    if "objective" not in record:
        return None
    return Achieved(Objective.parse(record["objective"]), record["objective_value"], record["objective_constant"])


def _rival_record(rival: Rival) -> dict[str, Any]:
    return {name: value for name, value in asdict(rival).items() if "objective" not in name or value is not None}


def _numbered(record: Mapping[str, str]) -> dict[int, str]:
    return {int(number): why for number, why in record.items()}


@dataclass(frozen=True)
class Others:
    """The existing versions that a candidate is not compared with.

    unknown: those with unknown F1, so the candidate can't be shown to be better. set_aside, not_compared: why, by
    number. newer: the part of the sentence that names the version that the candidate's data are not newer than; empty
    if they are newer than those of all.
    """

    unknown: Sequence[int] = ()
    set_aside: Mapping[int, str] = field(default_factory=dict)
    not_compared: Mapping[int, str] = field(default_factory=dict)
    newer: str = ""


def decide(
    candidate_f1: float,
    f1_all_positive: float,
    rivals: Sequence[Rival],
    confidence: float | None,
    others: Others | None = None,
    achieved: Achieved | None = None,
) -> Decision:
    """Promote the candidate if its F1 is greater than every rival's; a tie holds.

    Its F1 must also exceed f1_all_positive, which needs no model, and its data must be newer than those of every
    version that it can't be compared with. confidence: the required probability of being better than the best rival on
    days like these; None requires none. others: versions that are no rivals. achieved: the candidate's value by another
    objective, which then decides instead of F1; the rivals have theirs.
    """
    others, own = others or Others(), achieved or Achieved(F1, candidate_f1, f1_all_positive)
    ranked = hardest_first(rivals, own.value)
    probability = ranked[0].probability if ranked and ranked[0].basis == "same_rows" else None
    if others.unknown:
        promoted, why = False, _unknown(others.unknown, own.objective)
    elif not own.value > own.constant:
        promoted, why = False, _trivial(own, ranked)
    elif others.newer:
        said = own.objective.said(f"{own.objective.shown(own.value):.3f}")
        promoted, why = False, f"{said} decides nothing: {others.newer}"
    elif not ranked:
        promoted, why = True, _first(own, bool(others.set_aside or others.not_compared))
    else:
        promoted, why = _against(own, ranked, probability, confidence)
        why += _trivial_champion(ranked, own)
    return Decision(
        "promoted" if promoted else "held",
        _champion_unscored(ranked, own.objective)
        + why
        + _left_out("not compared", others.not_compared)
        + _left_out("set aside", others.set_aside),
        candidate_f1,
        f1_all_positive,
        probability,
        ranked,
        tuple(sorted(others.unknown)),
        set_aside=dict(sorted(others.set_aside.items())),
        not_compared=dict(sorted(others.not_compared.items())),
        achieved=achieved,
    )


def hardest_first(rivals: Iterable[Rival], candidate: float) -> tuple[Rival, ...]:
    """The rivals in the order in which the decision looks at them: the first is the best.

    candidate: the candidate's F1, or its value by another objective.
    """
    return tuple(sorted(rivals, key=lambda rival: _rank(rival, candidate)))


def _rank(rival: Rival, candidate: float) -> tuple[bool, float, float, bool, int]:
    """Sort key: the rival that the candidate is furthest below comes first, after those whose F1 is NaN."""
    lead = rival.value - rival.own(candidate)
    return not isnan(lead), -lead, -rival.value, not rival.champion, rival.version


def _unknown(unknown: Sequence[int], objective: Objective) -> str:
    first, remedy = min(unknown), ", or give it the tag ratchet.f1" if objective == F1 else ""
    return (
        f"version {first} can be neither scored nor found with a recorded {objective.name}, so nothing can be shown to"
        f" be better; delete the version in MLflow{remedy}"
    )


def _trivial(own: Achieved, ranked: Sequence[Rival]) -> str:
    value, trivial = _shown(own.objective, own.value, own.constant)
    word = "ties with" if own.value == own.constant else "is not better than"
    first = "" if ranked else ", and there is no version yet"
    return f"{own.objective.said(value)} {word} {own.objective.constant} ({trivial}){first}"


def _trivial_champion(ranked: Sequence[Rival], own: Achieved) -> str:
    champion = next((rival for rival in ranked if rival.champion and rival.basis == "same_rows"), None)
    if champion is None or champion.value > own.constant:
        return ""
    value, trivial = _shown(own.objective, champion.value, own.constant)
    which = f"the champion, version {champion.version} ({value}),"
    return f"; {which} is no better than {own.objective.constant} ({trivial})"


def _champion_unscored(ranked: Sequence[Rival], objective: Objective) -> str:
    champion = next((rival for rival in ranked if rival.champion and rival.basis == "recorded" and rival.note), None)
    if champion is None:
        return ""
    counts = f"so recorded {objective.name} counts"
    return f"the champion, version {champion.version}, was not scored on these rows, {counts}; "


def _left_out(how: str, versions: Mapping[int, str]) -> str:
    if not versions:
        return ""
    return f"; {how}: version{'s' if len(versions) > 1 else ''} {', '.join(_ranges(sorted(versions)))}"


def _ranges(numbers: Sequence[int]) -> list[str]:
    """Ascending numbers as text; three or more consecutive ones as a range."""
    groups = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    runs = ([number for _, number in group] for _, group in groups)
    return [text for run in runs for text in ([f"{run[0]} to {run[-1]}"] if len(run) > _LISTED else map(str, run))]


def _first(own: Achieved, others: bool) -> str:
    value, trivial = _shown(own.objective, own.value, own.constant)
    what = "meets no version that counts" if others else "is that of the first version"
    return f"{own.objective.said(value)} {what}, and {own.objective.constant} has {trivial}"


def _against(
    candidate: Achieved, ranked: Sequence[Rival], probability: float | None, confidence: float | None
) -> tuple[bool, str]:
    best, objective = ranked[0], candidate.objective
    value = best.own(candidate.value)
    shown, other = _shown(objective, value, best.value)
    difference = _difference(objective.shown(value), objective.shown(best.value))
    comparison = f"{_named(best, len(ranked), objective)} ({other}{difference}{_chance(probability)})"
    own, recorded = objective.said(shown), _recorded(ranked, objective)
    # Not "value <= best", because NaN must hold, too.
    if not value > best.value:
        word = "ties with" if value == best.value else objective.is_worse
        return False, f"{own} {word} {comparison}{recorded}"
    if confidence is not None and probability is None:
        wanted = f"a probability of {_percent(confidence)} is asked for, and without versions on the same rows none is"
        return False, f"{own} beats {comparison}, but {wanted} known{recorded}"
    if confidence is not None and probability is not None and probability < confidence:
        return False, f"{own} beats {comparison}, but a probability of {_percent(confidence)} is asked for{recorded}"
    return True, f"{own} beats {comparison}{recorded}"


def _named(best: Rival, existing: int, objective: Objective) -> str:
    which = f"version {best.version}" if existing == 1 else f"version {best.version}, the best of {existing} versions,"
    if best.fewer_days:
        return f"{which} on those of the rows that it has not learnt from"
    return f"{which} on the same rows" if best.basis == "same_rows" else f"{which} by its recorded {objective.name}"


def _difference(candidate: float, other: float) -> str:
    if candidate == other:
        return ""
    digits = max(len(number.partition(".")[2]) for number in numbers(candidate, other))
    return f", difference {candidate - other:+.{digits}f}"


def _chance(probability: float | None) -> str:
    return "" if probability is None else f"; better on days like these with a probability of {_percent(probability)}"


def _recorded(ranked: Sequence[Rival], objective: Objective) -> str:
    by_record = sorted((rival for rival in ranked if rival.basis == "recorded"), key=lambda rival: rival.version)
    if not by_record or (len(by_record) == len(ranked) and not any(rival.note for rival in ranked)):
        return ""
    notes: dict[str, list[str]] = {}
    for rival in by_record:
        notes.setdefault(rival.note.rstrip("."), []).append(str(rival.version))
    parts = (f"{', '.join(versions)}{f' ({note})' if note else ''}" for note, versions in notes.items())
    counted = "version" if len(by_record) == 1 else "versions"
    return f"; counted by recorded {objective.name}: {counted} {', '.join(parts)}"


def _shown(objective: Objective, first: float, second: float) -> tuple[str, str]:
    return numbers(objective.shown(first), objective.shown(second))


def numbers(first: float, second: float) -> tuple[str, str]:
    """Both numbers with three digits, or as many as are needed to distinguish them."""
    for digits in range(_FEWEST_DIGITS, _MOST_DIGITS):
        texts = f"{first:.{digits}f}", f"{second:.{digits}f}"
        if first == second or texts[0] != texts[1]:
            return texts
    return repr(first), repr(second)


def _ordinal(number: int) -> str:
    teens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _percent(share: float) -> str:
    """A share in per cent, rounded down, so that a share just below a bound does not appear to reach it."""
    return f"{floor(share * 1000 + _ROUNDING) / 10:g} %"
