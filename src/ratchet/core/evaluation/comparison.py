"""Confidence in a difference in F1, or in another objective: both models on the same resampled days, paired."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from ratchet.core.evaluation.counts import Confusion
from ratchet.core.evaluation.objective_values import value_of
from ratchet.core.evaluation.resampling import Interval, Resampling, block_length, influence
from ratchet.core.objective import F1, Objective

# With fewer days, too few blocks remain to estimate a probability from.
FEWEST_DAYS = 14


@dataclass(frozen=True)
class Comparison:
    """The candidate compared with each version on the same rows, on days like these.

    interval: of the candidate's value. intervals: of each version's. probabilities: for each version the share of
    resamples in which the candidate's value is greater; None if there are rows of fewer than 14 days. Ties count
    against the candidate.
    """

    interval: Interval
    intervals: Mapping[int, Interval]
    probabilities: Mapping[int, float | None]


def compare(
    candidate: Confusion, versions: Mapping[int, Confusion], samples: int, seed: int, objective: Objective = F1
) -> Comparison:
    """Resample the candidate's days `samples` times and compute every model's value on each resample.

    For the intervals, which stand side by side, the candidate's value decides on the length of a block; for a
    probability the difference does, which is often less alike from day to day.
    """
    same_days = {number: confusion.reindexed(candidate.day) for number, confusion in versions.items()}
    models = [candidate, *same_days.values()]
    resampling = Resampling(len(candidate.day), block_length(influence(candidate, objective)), samples, seed)
    own, *theirs = (
        resampling.interval(value_of(objective, model), values, objective.bounds)
        for model, values in zip(models, resampling.values(objective, models).T, strict=True)
    )
    known = len(candidate.day) >= FEWEST_DAYS
    better = probabilities(candidate, same_days, samples, seed, objective) if known else dict.fromkeys(versions)
    return Comparison(own, dict(zip(versions, theirs, strict=True)), better)


def probabilities(
    candidate: Confusion, versions: Mapping[int, Confusion], samples: int, seed: int, objective: Objective = F1
) -> dict[int, float | None]:
    """The share of resamples in which the candidate's value is greater, by number; however few days there are.

    All have counts on the same days. Versions with blocks of one length share the resamples.
    """
    own, days = influence(candidate, objective), len(candidate.day)
    by_length: dict[int, list[int]] = defaultdict(list)
    for number, confusion in versions.items():
        by_length[block_length(own - influence(confusion, objective))].append(number)
    found: dict[int, float | None] = {}
    for length, numbers in by_length.items():
        resampling = Resampling(days, length, samples, seed)
        mine, *theirs = resampling.values(objective, [candidate, *(versions[number] for number in numbers)]).T
        for number, values in zip(numbers, theirs, strict=True):
            lead = value_of(objective, candidate) - value_of(objective, versions[number])
            found[number] = float((resampling.widened(lead, mine - values) > 0).mean())
    return {number: found[number] for number in versions}
