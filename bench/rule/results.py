"""What the page and the picture show: for each world its histories' candidates, and what each rule did on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from bench.rule.candidates import Candidate
from bench.rule.intervals import Difference, difference
from bench.rule.play import Played, Serving, play
from bench.rule.rules import RULES, between

from ratchet.core.evaluation.counts import day_number
from ratchet.core.evaluation.f1 import f1
from ratchet.settings import Settings

_SAMPLES = 2_000
REFERENCE = "all"
"""The rule that the others are compared with: Ratchet's default."""


@dataclass(frozen=True)
class Result:
    """One world. histories: the candidates of each. played: by rule, what it did on each history."""

    world: str
    histories: Sequence[Sequence[Candidate]]
    played: Mapping[str, Sequence[Played]]
    seed: int

    @property
    def decisions(self) -> int:
        return sum(len(history) for history in self.histories)

    def promoted(self, rule: str) -> int:
        """How many of the candidates a rule promoted."""
        return sum(sum(one.promoted) for one in self.played[rule])

    def f1(self, rule: str, way: Serving) -> float:
        """Mean F1 in the periods after the decisions."""
        return float(np.nanmean(np.concatenate([one.f1[way] for one in self.played[rule]])))

    def against_reference(self, rule: str, way: Serving) -> Difference:
        """A rule and a way of serving, compared with the reference's measured models, period by period."""
        own = [one.f1[way] for one in self.played[rule]]
        return difference(own, [one.f1["measured"] for one in self.played[REFERENCE]], self.seed)

    def flips(self) -> tuple[float, float, float]:
        """The least, median and greatest share of a candidate's test rows that refitting labels differently."""
        low, middle, high = np.quantile([one.flips for history in self.histories for one in history], [0, 0.5, 1])
        return float(low), float(middle), float(high)

    def noise(self) -> float:
        """The median standard deviation of the difference in F1 between a candidate and the one before it.

        Over resampled days of the candidate's test window.
        """
        pairs = [pair for history in self.histories for pair in pairwise(history)]
        return float(np.median([_deviation(before, candidate, self.seed) for before, candidate in pairs]))


def _deviation(before: Candidate, candidate: Candidate, seed: int) -> float:
    own = candidate.counts.confusion(candidate.threshold)
    theirs = between(before.measured, int(own.day[0]), day_number(candidate.windows.as_of))
    days = len(own.day)
    weights = np.random.default_rng(seed).multinomial(days, np.full(days, 1 / days), size=_SAMPLES)
    first, second = (
        f1(weights @ one.true_positive, weights @ one.false_positive, weights @ one.false_negative)
        for one in (own, theirs)
    )
    return float((first - second).std())


def result(world: str, histories: Sequence[Sequence[Candidate]], settings: Settings) -> Result:
    """Play all rules on the histories of a world."""
    played = {name: [play(rule, history, settings) for history in histories] for name, rule in RULES.items()}
    return Result(world, histories, played, settings.seed)
