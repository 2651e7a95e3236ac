"""F1, or another objective, on days like these: the bootstrap over blocks of days.

Rows of one day are alike (a storm delays all of a day's flights), and so are days next to each other. Blocks of
consecutive days are therefore resampled with replacement, on a circle that joins the last day to the first: the
circular block bootstrap (Politis and Romano 1992, "A circular block-resampling procedure for stationary data"). Days
without rows are left out first, so the days on both sides of a gap count as neighbours.

A bootstrap over m blocks is too sure for two known reasons: its variance is too small by (m - 1)/m, and it ignores that
the variance itself is estimated. Hesterberg's expanded percentile interval (2015, "What teachers should know about the
bootstrap", The American Statistician 69) makes up for both with the quantiles of Student's t with m - 1 degrees of
freedom. The same is done here without quantiles, so that it holds for intervals and probabilities alike: t is a normal
distribution of random scale, and each resample's deviation from the measured value is multiplied by such a scale, the
square root of m / chi-square(m - 1). `docs/coverage.md` shows how often the intervals hold the truth.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ratchet.core.evaluation.counts import Confusion, Floats, Ints
from ratchet.core.evaluation.f1 import f1_of
from ratchet.core.evaluation.objective_values import added_by_day, parts_of, ratio, value_of
from ratchet.core.objective import F1, Objective

Weights = npt.NDArray[np.int32]

# Neighbouring days are never taken to be quite independent, nor so alike that no window could hold enough blocks.
_LEAST_ALIKE, _MOST_ALIKE = 0.1, 0.95
# With fewer blocks, the last of which may be cut, Student's t is too wide to say much.
_FEWEST_BLOCKS = 4
# Blocks that estimate a variance best are too short for intervals. Lazarus, Lewis, Stock and Watson (2018), "HAR
# inference: recommendations for practice", lengthen the usual rule about as much at 30 to 90 days.
_LONGER = 3
_AT_ONCE = 1_000


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of the resamples."""

    low: float
    high: float


def influence(confusion: Confusion, objective: Objective = F1) -> Floats:
    """How much each day adds to F1, or another objective, to first order; the sum is 0.

    F1 is the ratio of 2 TP to 2 TP + FP + FN, and the others are ratios of sums, too.
    """
    return added_by_day(*parts_of(objective, confusion), value_of(objective, confusion))


def block_length(series: Floats) -> int:
    """Days in a block. series: what each day adds to the measure, with the mean 0; in the order of the days.

    Three times Andrews' length for the Bartlett kernel, which is the circular block bootstrap's: 1.1447 (a n)^(1/3)
    with a = 4 r²/(1 - r²)², where r is the correlation of neighbouring days (1991, "Heteroskedasticity and
    autocorrelation consistent covariance matrix estimation", Econometrica 59, equations 6.2 and 6.4). In few days r is
    estimated too low, by (1 + 3 r)/n (Marriott and Pope 1954, Biometrika 41), which is added. At most a quarter of n.
    """
    days, variance = len(series), float(series @ series)
    measured = float(series[:-1] @ series[1:]) / variance if variance > 0 else 0.0
    alike = float(np.clip(measured + (1 + 3 * measured) / days, _LEAST_ALIKE, _MOST_ALIKE))
    best = 1.1447 * float(np.cbrt((2 * alike / (1 - alike**2)) ** 2 * days))
    return max(1, min(round(_LONGER * best), -(-days // _FEWEST_BLOCKS)))


def day_weights(days: int, length: int, samples: int, seed: int | list[int], drawn: int | None = None) -> Weights:
    """How often each resample draws each day: (samples, days).

    Blocks of `length` consecutive days, at most `days`, begin on random days; the last is cut so that there are `drawn`
    days, None: as many as before.
    """
    size = days if drawn is None else drawn
    blocks = -(-size // length)
    starts = np.random.default_rng(seed).integers(days, size=(samples, blocks))
    lengths = np.full(blocks, length)
    lengths[-1] = size - (blocks - 1) * length
    weights = np.empty((samples, days), dtype=np.int32)
    for first in range(0, samples, _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        weights[some] = _drawn(starts[some], lengths, days)
    return weights


def _drawn(starts: Ints, lengths: Ints, days: int) -> Weights:
    """How many blocks each day lies in: those begun up to this day less those that ended before it."""
    longest = int(lengths.max())
    width, size = days + longest, len(starts) * (days + longest)
    first = np.arange(len(starts))[:, None] * width + starts
    change = np.bincount(first.ravel(), minlength=size) - np.bincount((first + lengths).ravel(), minlength=size)
    drawn = np.cumsum(change.reshape(-1, width), axis=1, dtype=np.int32)
    drawn[:, :longest] += drawn[:, days:]  # The circle joins the last day to the first.
    return drawn[:, :days]


class Resampling:
    """The same resamples of days for all models, so that comparisons are paired.

    days: their number. length: days in a block. The same seed gives the same resamples.
    """

    def __init__(self, days: int, length: int, samples: int, seed: int) -> None:
        self._weights = day_weights(days, length, samples, seed)
        blocks = days / length
        # One block alone shows no spread to widen.
        chance = np.random.default_rng([seed, 1]).chisquare(max(blocks - 1, 1), samples)
        self._scale: Floats = np.sqrt(blocks / chance)

    @property
    def samples(self) -> int:
        return len(self._weights)

    def f1(self, confusions: Sequence[Confusion]) -> Floats:
        """F1 of each model on each resample, not yet widened: (samples, models). All have counts on the same days."""
        return self.values(F1, confusions)

    def values(self, objective: Objective, confusions: Sequence[Confusion]) -> Floats:
        """An objective's value of each model on each resample, as `f1`."""
        numerators, denominators = zip(*(parts_of(objective, one) for one in confusions), strict=True)
        return self.ratios(numerators, denominators)

    def ratios(self, numerators: Sequence[Floats], denominators: Sequence[Floats]) -> Floats:
        """Ratios of sums on each resample, not yet widened: (samples, ratios). Both: by day, for each ratio."""
        by_day = np.stack([*numerators, *denominators], axis=1)
        return ratio(*np.split(self.sums(by_day), 2, axis=1))

    def sums(self, by_day: Floats) -> Floats:
        """The sums of columns of (days, columns) over each resample's days: (samples, columns)."""
        return np.concatenate(list(self.some_sums(by_day)))

    def some_sums(self, by_day: Floats) -> Iterator[Floats]:
        """The same, some resamples at a time, in order."""
        for first in range(0, self.samples, _AT_ONCE):
            yield self._weights[first : first + _AT_ONCE].astype(np.float64) @ by_day

    def widened(self, measured: float | Floats, resampled: Floats) -> Floats:
        """Resampled values, each further from the measured value by the resample's scale.

        resampled: (samples) of one measure, or (samples, measures) with one measured value for each.
        """
        scale = self._scale if resampled.ndim == 1 else self._scale[:, None]
        return np.asarray(measured + scale * (resampled - measured))

    def interval(self, measured: float, resampled: Floats, bounds: tuple[float, float] = (0.0, 1.0)) -> Interval:
        """Of a measure between its bounds. One day alone says nothing about others: all that lies between them."""
        if self._weights.shape[1] == 1:
            return Interval(*bounds)
        low, high = np.clip(np.quantile(self.widened(measured, resampled), [0.025, 0.975]), *bounds)
        return Interval(float(low), float(high))


def f1_interval(confusion: Confusion, samples: int, seed: int) -> Interval:
    """The interval of F1 on days like the given ones, of which there is at least one."""
    days = len(confusion.day)
    resampling = Resampling(days, block_length(influence(confusion)), samples, seed)
    return resampling.interval(f1_of(confusion), resampling.f1([confusion])[:, 0])
