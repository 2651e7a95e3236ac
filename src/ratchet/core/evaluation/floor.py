"""The rolling F1 below which a version counts as weak: its own test window, resampled, says how far chance reaches.

F1 follows the share of positives, so a floor that is one number calls a quiet week low and overlooks a decline in a
busy one. Here a week is compared with the F1 that the version's recall and false positive rate on its test window give
at the week's own share of positives. The scale is the log odds of F1, log(F1 / (1 - F1)) = log(2 TP / (FP + FN)): the
logarithm of a ratio of two counts, whose spread is similar everywhere between 0 and 1. A half is added to both counts
(Haldane 1956, "The estimation and significance of the logarithm of a ratio of frequencies").

How far a week falls below by chance is the bootstrap's prediction interval (Stine 1985, "Bootstrap prediction intervals
for regression", Journal of the American Statistical Association 80): a week and, independently, a whole test window are
drawn from the days, since the test window is a sample, too. Days are drawn in blocks and deviations are widened, as in
`core.evaluation.resampling`. The blocks are as long as the cube root of the number of days (Künsch 1989, "The jackknife
and the bootstrap for general stationary observations"): what a week's share of positives explains is taken out, and the
rest depends little on the day before. `docs/alarms.md` shows how often the floors hold.

Another objective has its floor in the same way: F-beta on the scale of its log odds, log((1 + b²) TP / (FP + b² FN)); a
cost on that of its logarithm, and half the mean of the costs of the two errors is added to it.
"""

from dataclasses import dataclass
from datetime import date
from math import exp, inf, nan

import numpy as np

from ratchet.core.evaluation.counts import Confusion, Floats, Ints, day_number
from ratchet.core.evaluation.resampling import day_weights
from ratchet.core.objective import F1, Objective


@dataclass(frozen=True)
class Floor:
    """A version's floor for any week.

    recall, false_positive_rate: on its test window. margin: how far, in log odds, a week's F1 falls below the expected
    one by chance; at most 0, minus infinity where the test window is too short to tell. objective: what it is a floor
    of; of a cost, which is negative, as of F1.
    """

    recall: float
    false_positive_rate: float
    margin: float
    objective: Objective = F1

    def at(self, rows: int, positives: int) -> float:
        """The floor for rows of which so many are positive; NaN if none is."""
        if not positives:
            return nan
        scale = _Scale(self.objective)
        gain, loss = scale.expected(self.recall, self.false_positive_rate, positives, rows - positives)
        if self.objective.cost is not None:
            most = (loss + scale.added) * exp(-self.margin) - scale.added
            return max(-most / rows, self.objective.bounds[0])
        odds = (gain + 0.5) / (loss + 0.5) * exp(self.margin)
        return float(min(odds / (1 + odds), gain / (gain + loss)))


def floor_of(
    confusion: Confusion,
    first: date,
    end: date,
    days: int,
    false_alarms: float,
    samples: int,
    seed: int,
    objective: Objective = F1,
) -> Floor:
    """The floor of a version, from its labels on its test window, first to end (exclusive).

    days: of a rolling window. false_alarms: the share of rolling windows that fall below by chance. samples: resamples.
    """
    every = np.arange(day_number(first), day_number(end))
    own = confusion.reindexed(every)
    columns = (own.true_positive, own.false_positive, own.false_negative, own.true_negative)
    table = np.stack(columns, axis=1)
    recall, rate = _rates(table.sum(axis=0)[:, None])
    margin = _margin(_Scale(objective), table, days, false_alarms, samples, seed)
    return Floor(float(recall[0]), float(rate[0]), margin, objective)


class _Scale:
    """The scale on which a week is compared: the logarithm of a gain over a loss. added: to both, or to a cost."""

    def __init__(self, objective: Objective) -> None:
        (self._gain, _, _, _), (_, self._false, self._missed, _) = objective.weights
        self._costs = objective.cost is not None
        self.added = 0.5
        if objective.cost is not None:
            self._false, self._missed = objective.cost
            self.added = 0.25 * (self._false + self._missed)

    def of[T: (float, Floats)](self, hits: T, false: T, missed: T) -> tuple[T, T]:
        """Gain and loss; the gain of a cost has no meaning."""
        return self._gain * hits, self._false * false + self._missed * missed

    def expected[T: (float, Floats)](self, recall: T, rate: T, positives: T, negatives: T) -> tuple[T, T]:
        """Gain and loss of a week with so many positives and negatives."""
        return self.of(positives * recall, negatives * rate, positives * (1 - recall))

    def log_odds(self, gain: Floats, loss: Floats) -> Floats:
        """Greater is better."""
        return np.log((1.0 if self._costs else gain + self.added) / (loss + self.added))


def _margin(scale: _Scale, table: Ints, days: int, false_alarms: float, samples: int, seed: int) -> float:
    """table: true positives, false positives, false negatives, true negatives by calendar day: (days, 4)."""
    length = len(table)
    block = max(1, round(length ** (1 / 3)))
    blocks = length / block
    if blocks <= 1:
        return -inf
    weeks = (day_weights(length, block, samples, [seed, 2], days) @ table).T
    windows = (day_weights(length, block, samples, [seed, 3]) @ table).T
    positives, negatives = weeks[0] + weeks[2], weeks[1] + weeks[3]
    measured = scale.log_odds(*scale.of(weeks[0], weeks[1], weeks[2]))
    fallen = measured - scale.log_odds(*scale.expected(*_rates(windows), positives, negatives))
    fallen *= np.sqrt(blocks / np.random.default_rng([seed, 4]).chisquare(blocks - 1, samples))
    known = fallen[positives > 0]
    return min(0.0, float(np.quantile(known, false_alarms))) if known.size else -inf


def _rates(table: Ints) -> tuple[Floats, Floats]:
    """Recall and false positive rate."""
    hit, false, miss, right = table
    return hit / np.maximum(hit + miss, 1), false / np.maximum(false + right, 1)
