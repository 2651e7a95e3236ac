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
"""

from dataclasses import dataclass
from datetime import date
from math import exp, inf, nan

import numpy as np

from ratchet.core.evaluation.counts import Confusion, Floats, Ints, day_number
from ratchet.core.evaluation.resampling import day_weights


@dataclass(frozen=True)
class Floor:
    """A version's floor for any week.

    recall, false_positive_rate: on its test window. margin: how far, in log odds, a week's F1 falls below the expected
    one by chance; at most 0, minus infinity where the test window is too short to tell.
    """

    recall: float
    false_positive_rate: float
    margin: float

    def at(self, rows: int, positives: int) -> float:
        """The floor for rows of which so many are positive; NaN if none is."""
        if not positives:
            return nan
        hits, misses = _expected(self.recall, self.false_positive_rate, positives, rows - positives)
        odds = (2 * hits + 0.5) / (misses + 0.5) * exp(self.margin)
        return float(min(odds / (1 + odds), 2 * hits / (2 * hits + misses)))


def floor_of(
    confusion: Confusion, first: date, end: date, days: int, false_alarms: float, samples: int, seed: int
) -> Floor:
    """The floor of a version, from its labels on its test window, first to end (exclusive).

    days: of a rolling window. false_alarms: the share of rolling windows that fall below by chance. samples: resamples.
    """
    every = np.arange(day_number(first), day_number(end))
    own = confusion.reindexed(every)
    columns = (own.true_positive, own.false_positive, own.false_negative, own.true_negative)
    table = np.stack(columns, axis=1)
    recall, rate = _rates(table.sum(axis=0)[:, None])
    return Floor(float(recall[0]), float(rate[0]), _margin(table, days, false_alarms, samples, seed))


def _margin(table: Ints, days: int, false_alarms: float, samples: int, seed: int) -> float:
    """table: true positives, false positives, false negatives, true negatives by calendar day: (days, 4)."""
    length = len(table)
    block = max(1, round(length ** (1 / 3)))
    blocks = length / block
    if blocks <= 1:
        return -inf
    weeks = (day_weights(length, block, samples, [seed, 2], days) @ table).T
    windows = (day_weights(length, block, samples, [seed, 3]) @ table).T
    positives, negatives = weeks[0] + weeks[2], weeks[1] + weeks[3]
    hits, misses = _expected(*_rates(windows), positives, negatives)
    fallen = _log_odds(weeks[0], weeks[1] + weeks[2]) - _log_odds(hits, misses)
    fallen *= np.sqrt(blocks / np.random.default_rng([seed, 4]).chisquare(blocks - 1, samples))
    known = fallen[positives > 0]
    return min(0.0, float(np.quantile(known, false_alarms))) if known.size else -inf


def _rates(table: Ints) -> tuple[Floats, Floats]:
    """Recall and false positive rate."""
    hit, false, miss, right = table
    return hit / np.maximum(hit + miss, 1), false / np.maximum(false + right, 1)


def _expected[T: (float, Floats)](recall: T, rate: T, positives: T, negatives: T) -> tuple[T, T]:
    """True positives, and false positives and negatives together."""
    return positives * recall, negatives * rate + positives * (1 - recall)


def _log_odds(hits: Floats, misses: Floats) -> Floats:
    return np.log((2 * hits + 0.5) / (misses + 0.5))
