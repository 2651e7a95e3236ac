"""The rules of promotion. Those with settings are Ratchet's own comparison and decision; two references ask nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from bench.rule.candidates import Candidate

from ratchet.core.evaluation.counts import Confusion, day_number
from ratchet.core.evaluation.f1 import f1_all_positive, f1_of
from ratchet.io.records.candidates import Candidate as Run
from ratchet.io.records.version import CHAMPION, Version
from ratchet.jobs.promotion.judging import judge
from ratchet.jobs.training.rivals import compare, to_rescore
from ratchet.settings import Promotion, Settings

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

type Rule = Promotion | Literal["newest", "first"]

RULES: Mapping[str, Rule] = {
    "all": Promotion(),
    "champion": Promotion(against="champion"),
    "all, 0.95": Promotion(confidence=0.95),
    "champion, 0.95": Promotion(against="champion", confidence=0.95),
    "by record": Promotion(compare="recorded"),
    "newest": "newest",
    "first": "first",
}
MEANINGS: Mapping[str, str] = {
    "all": "`promotion.against: all`, the default: better than every version on the candidate's test rows",
    "champion": "`promotion.against: champion`: better than the version in service on these rows",
    "all, 0.95": "with `promotion.confidence: 0.95`: truly better than the best of them with that probability",
    "champion, 0.95": "the same against the champion alone",
    "by record": "`promotion.compare: recorded`: better than the F1 that each version recorded on its own test rows",
    "newest": "no gate: each candidate is promoted",
    "first": "the first version serves for ever",
}


@dataclass(frozen=True)
class _Scorer:
    """The part of an engine that a comparison asks: the labels of a version on the candidate's test days."""

    tested: Candidate
    existing: Mapping[str, Candidate]

    def confusion_of(self, model_uri: str) -> Confusion:
        windows = self.tested.windows
        return between(self.existing[model_uri].measured, _first(self.tested), day_number(windows.as_of))


def promotes(rule: Rule, candidate: Candidate, existing: Sequence[Candidate], settings: Settings) -> bool:
    """Whether a rule promotes a candidate. existing: the versions that it promoted so far; the last one serves."""
    if rule == "newest":
        return True
    if rule == "first":
        return not existing
    settings = settings.model_copy(update={"promotion": rule})
    versions = [_version(one, champion=one is existing[-1]) for one in existing]
    scorer = _Scorer(candidate, {version.uri: one for version, one in zip(versions, existing, strict=True)})
    compared = compare(
        settings,
        scorer,
        versions,
        to_rescore(versions, rule),
        candidate.counts,
        candidate.threshold,  # type: ignore[arg-type]
    )
    return judge(_run(candidate), compared.rivals, versions, rule).promoted


def between(confusion: Confusion, first: int, end: int) -> Confusion:
    """The counts of the days from `first` to `end`, exclusive."""
    kept = (confusion.day >= first) & (confusion.day < end)
    return Confusion(
        confusion.day[kept],
        confusion.true_positive[kept],
        confusion.false_positive[kept],
        confusion.false_negative[kept],
        confusion.true_negative[kept],
    )


def f1_recorded(candidate: Candidate) -> float:
    """F1 on its own test rows."""
    return f1_of(candidate.counts.confusion(candidate.threshold))


def _first(candidate: Candidate) -> int:
    start = candidate.windows.test.start
    assert start is not None  # noqa: S101  # a test window has a length
    return day_number(start)


def _test_window(candidate: Candidate) -> tuple[str, str]:
    return str(candidate.windows.test.start), str(candidate.windows.as_of)


def _version(candidate: Candidate, champion: bool) -> Version:
    aliases = (CHAMPION,) if champion else ()
    window = _test_window(candidate)
    return Version("bench", candidate.number, "", f1_recorded(candidate), window, aliases, {}, _NEVER)


def _run(candidate: Candidate) -> Run:
    metrics = {"f1": f1_recorded(candidate), "f1_all_positive": f1_all_positive(candidate.counts)}
    tags = dict(zip(("ratchet.test_from", "ratchet.test_until"), _test_window(candidate), strict=True))
    return Run(str(candidate.number), "", "sklearn", "", "", metrics, tags, _NEVER)
