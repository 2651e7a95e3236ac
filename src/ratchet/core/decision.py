"""Promoted, staged or held, and why in one sentence.

`jobs.promotion.register` calls it once per run; `jobs.promotion.conclude` later promotes or holds staged versions.
Imports only the standard library.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import isnan
from typing import Any, Literal

from ratchet.core import decision_sentences as sentences
from ratchet.core.objective import F1, Achieved, Objective
from ratchet.core.rival import Rival
from ratchet.errors import FailedError

Outcome = Literal["promoted", "staged", "held"]

# One earlier candidate on the same rows is no remark: a trainer's second try, or a comparison of two settings.
_UNTOLD = 2


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
        told = (
            f"; the {sentences.ordinal(earlier + 1)} candidate measured on these test rows"
            if earlier >= _UNTOLD
            else ""
        )
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
    return Decision(
        *_outcome(own, ranked, probability, confidence, others),
        candidate_f1,
        f1_all_positive,
        probability,
        ranked,
        tuple(sorted(others.unknown)),
        set_aside=dict(sorted(others.set_aside.items())),
        not_compared=dict(sorted(others.not_compared.items())),
        achieved=achieved,
    )


def _outcome(
    own: Achieved, ranked: Sequence[Rival], probability: float | None, confidence: float | None, others: Others
) -> tuple[Outcome, str]:
    """The outcome and its reason, with the versions that were no rivals."""
    promoted, why = _judged(own, ranked, probability, confidence, others)
    reason = (
        sentences.champion_unscored(ranked, own.objective)
        + why
        + sentences.left_out("not compared", others.not_compared)
        + sentences.left_out("set aside", others.set_aside)
    )
    return "promoted" if promoted else "held", reason


def _judged(
    own: Achieved, ranked: Sequence[Rival], probability: float | None, confidence: float | None, others: Others
) -> tuple[bool, str]:
    """Whether to promote, and why. ranked: the hardest rival first. probability: of being better than that one."""
    if others.unknown:
        return False, sentences.unknown(others.unknown, own.objective)
    if not own.value > own.constant:
        return False, sentences.trivial(own, ranked)
    if others.newer:
        return False, sentences.older(own, others.newer)
    if not ranked:
        return True, sentences.first(own, any_others=bool(others.set_aside or others.not_compared))
    # Not "value <= best", because NaN must hold, too.
    beats = ranked[0].own(own.value) > ranked[0].value
    unsure = beats and confidence is not None and (probability is None or probability < confidence)
    asked = confidence if unsure else None
    why = sentences.against(own, ranked, probability, asked) + sentences.trivial_champion(own, ranked)
    return beats and not unsure, why


def hardest_first(rivals: Iterable[Rival], candidate: float) -> tuple[Rival, ...]:
    """The rivals in the order in which the decision looks at them: the first is the best.

    candidate: the candidate's F1, or its value by another objective.
    """
    return tuple(sorted(rivals, key=lambda rival: _rank(rival, candidate)))


def _rank(rival: Rival, candidate: float) -> tuple[bool, float, float, bool, int]:
    """Sort key: the rival that the candidate is furthest below comes first, after those whose F1 is NaN."""
    lead = rival.value - rival.own(candidate)
    return not isnan(lead), -lead, -rival.value, not rival.champion, rival.version
