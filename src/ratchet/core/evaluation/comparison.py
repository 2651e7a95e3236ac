"""Confidence in a difference in F1: both models on the same resampled days, which pairs the comparison."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from ratchet.core.evaluation.counts import Confusion
from ratchet.core.evaluation.f1 import f1_of
from ratchet.core.evaluation.resampling import Interval, Resampling, block_length, influence

# With fewer days, too few blocks remain to estimate a probability from.
FEWEST_DAYS = 14


@dataclass(frozen=True)
class Comparison:
    """The candidate compared with each version on the same rows, on days like these.

    interval: of the candidate's F1. intervals: of each version's. probabilities: for each version the share of
    resamples in which the candidate's F1 is greater; None if there are rows of fewer than 14 days. Ties count against
    the candidate.
    """

    interval: Interval
    intervals: Mapping[int, Interval]
    probabilities: Mapping[int, float | None]


def compare(candidate: Confusion, versions: Mapping[int, Confusion], samples: int, seed: int) -> Comparison:
    """Resample the candidate's days `samples` times and compute every model's F1 on each resample.

    For the intervals, which stand side by side, the candidate's F1 decides on the length of a block; for a probability
    the difference does, which is often less alike from day to day.
    """
    same_days = {number: confusion.reindexed(candidate.day) for number, confusion in versions.items()}
    models = [candidate, *same_days.values()]
    resampling = Resampling(len(candidate.day), block_length(influence(candidate)), samples, seed)
    own, *theirs = (
        resampling.interval(f1_of(model), values) for model, values in zip(models, resampling.f1(models).T, strict=True)
    )
    known = len(candidate.day) >= FEWEST_DAYS
    better = probabilities(candidate, same_days, samples, seed) if known else dict.fromkeys(versions)
    return Comparison(own, dict(zip(versions, theirs, strict=True)), better)


def probabilities(
    candidate: Confusion, versions: Mapping[int, Confusion], samples: int, seed: int
) -> dict[int, float | None]:
    """The share of resamples in which the candidate's F1 is greater, by number; however few days there are.

    All have counts on the same days. Versions with blocks of one length share the resamples.
    """
    own, days = influence(candidate), len(candidate.day)
    by_length: dict[int, list[int]] = defaultdict(list)
    for number, confusion in versions.items():
        by_length[block_length(own - influence(confusion))].append(number)
    found: dict[int, float | None] = {}
    for length, numbers in by_length.items():
        resampling = Resampling(days, length, samples, seed)
        mine, *theirs = resampling.f1([candidate, *(versions[number] for number in numbers)]).T
        for number, values in zip(numbers, theirs, strict=True):
            lead = f1_of(candidate) - f1_of(versions[number])
            found[number] = float((resampling.widened(lead, mine - values) > 0).mean())
    return {number: found[number] for number in versions}
