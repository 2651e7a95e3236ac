"""How often the rules promote a candidate whose true lead is known, in simulated months of a table like the flights.

A row is positive with its day's rate. A version's score of it is normal with variance 1, higher by the version's skill
where the row is positive, and partly made of the day: versions differ in how they score a day, which is what makes a
measured difference noisy. The comparison and the decision are Ratchet's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import norm

from ratchet.core.decision import decide
from ratchet.core.evaluation.comparison import compare
from ratchet.core.evaluation.counts import Confusion
from ratchet.core.evaluation.f1 import f1, f1_of
from ratchet.core.rival import Rival

LEADS = (0.0, 0.008, 0.015)
VERSIONS = (1, 5, 20)
CONFIDENCE = 0.95
DAYS, ROWS_A_DAY, BASE_RATE, F1 = 30, 900, 0.24, 0.45
# The days' rates are drawn from a beta distribution; with this sum of its parameters, their standard deviation is 0.12.
_CONCENTRATION = 11.7
_SAMPLES = 1_000
_PILOT_SHARE = 0.05


@dataclass(frozen=True)
class Power:
    """Promotions per 100 candidates that truly lead every version by `lead`; all versions are equally good.

    versions: their number. Against the champion alone it does not matter: there, one version counts.
    """

    lead: float
    versions: int
    promoted: float
    promoted_with_confidence: float


def power(noise: float, months: int, seed: int) -> list[Power]:
    """Simulate candidates of each lead. noise: the standard deviation of two versions' difference in F1 in a month."""
    draw = np.random.default_rng(seed)
    share = _share_of_the_day(noise, months, draw)
    found = []
    for lead in LEADS:
        pairs = [_outcomes(month, int(draw.integers(2**31))) for month in _months(lead, share, 20, months, draw)]
        for place, versions in enumerate(VERSIONS):
            plain, confident = 100 * np.mean([pair[place] for pair in pairs], axis=0)
            found.append(Power(lead, versions, float(plain), float(confident)))
    return found


type _Month = tuple[Confusion, Mapping[int, Confusion]]
"""The candidate and the versions on the same rows."""


def _months(lead: float, share: float, versions: int, months: int, draw: np.random.Generator) -> Iterator[_Month]:
    """share: the part of a score's variance that is the version's own of the day."""
    known, better = _skill(F1), _skill(F1 + lead)
    day = np.repeat(np.arange(DAYS), ROWS_A_DAY)
    for _ in range(months):
        rate = draw.beta(BASE_RATE * _CONCENTRATION, (1 - BASE_RATE) * _CONCENTRATION, size=DAYS)
        label = (draw.random(len(day)) < rate[day]).astype(np.int64)
        rows = np.sqrt(1 - share) * draw.standard_normal(len(day))
        made = []
        for skill in (better, *[known] * versions):
            own = np.sqrt(share) * draw.standard_normal(DAYS)
            predicted = skill.gap * label + rows + own[day] >= skill.threshold
            kinds = np.bincount(day * 4 + label * 2 + predicted, minlength=DAYS * 4).reshape(DAYS, 4)
            made.append(Confusion(np.arange(DAYS), kinds[:, 3], kinds[:, 1], kinds[:, 2], kinds[:, 0]))
        yield made[0], dict(enumerate(made[1:], 1))


def _share_of_the_day(noise: float, months: int, draw: np.random.Generator) -> float:
    """The share with which two versions' difference is as noisy; its variance grows in proportion to the share."""
    pilot = _months(0.0, _PILOT_SHARE, 1, months, draw)
    found = np.var([f1_of(candidate) - f1_of(versions[1]) for candidate, versions in pilot])
    return float(min(0.9, _PILOT_SHARE * noise**2 / found))


def _outcomes(month: _Month, seed: int) -> list[tuple[bool, bool]]:
    """For each number of versions whether the candidate is promoted, without and with confidence."""
    candidate, versions = month
    own, compared = f1_of(candidate), compare(candidate, versions, _SAMPLES, seed)
    positives = candidate.true_positive + candidate.false_negative
    trivial = float(f1(positives.sum(), candidate.rows - positives.sum(), 0))
    rivals = []
    for number, version in versions.items():
        theirs, likely = f1_of(version), compared.probabilities[number]
        unknown = (None,) * 5
        rivals.append(Rival(number, "same_rows", theirs, *unknown, own - theirs, likely, number == 1, ""))
    return [
        (
            decide(own, trivial, rivals[:count], None).promoted,
            decide(own, trivial, rivals[:count], CONFIDENCE).promoted,
        )
        for count in VERSIONS
    ]


@dataclass(frozen=True)
class _Skill:
    """How much higher a positive row's score is, and the threshold."""

    gap: float
    threshold: float


def _skill(wanted: float) -> _Skill:
    """The skill whose best threshold has an F1."""

    def best(gap: float) -> tuple[float, float]:
        found = minimize_scalar(lambda cut: -_f1_at(gap, cut), bounds=(-2, 3), method="bounded")
        return float(-found.fun), float(found.x)

    gap = float(brentq(lambda gap: best(gap)[0] - wanted, 0.1, 4))
    return _Skill(gap, best(gap)[1])


def _f1_at(gap: float, cut: float) -> float:
    recall, false_rate = norm.sf(cut - gap), norm.sf(cut)
    return float(f1(BASE_RATE * recall, (1 - BASE_RATE) * false_rate, BASE_RATE * (1 - recall)))
