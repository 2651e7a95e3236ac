"""The mean of paired differences over periods, with its interval.

Neighbouring periods often have the same version in service, so blocks of them are resampled: the circular block
bootstrap (D. Politis and J. Romano, "A circular block-resampling procedure for stationary data", in "Exploring the
limits of bootstrap", 1992), with blocks of n^(1/3) of a history's n periods (P. Hall, J. Horowitz and B.-Y. Jing, "On
blocking rules for the bootstrap with dependent data", Biometrika 82, 1995).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ratchet.core.evaluation.counts import Floats

_SAMPLES = 10_000


@dataclass(frozen=True)
class Difference:
    """A mean difference, the middle 95 % of its resamples, and in how many of the periods it is above zero."""

    mean: float
    low: float
    high: float
    better: int
    periods: int

    @property
    def shown(self) -> int:
        """1 or -1 where the interval lies above or below zero, otherwise 0."""
        return int(self.low > 0) - int(self.high < 0)

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def difference(one: Sequence[Floats], other: Sequence[Floats], seed: int) -> Difference:
    """Compare values by period. one, other: for each history as many as it has periods; NaN leaves a period out."""
    draw = np.random.default_rng(seed)
    paired = [a - b for a, b in zip(one, other, strict=True)]
    kept = [values[~np.isnan(values)] for values in paired]
    kept = [values for values in kept if len(values)]
    resampled = sum(_sums(values, draw) for values in kept) / sum(map(len, kept))
    low, high = np.quantile(resampled, [0.025, 0.975])
    together = np.concatenate(kept)
    return Difference(float(together.mean()), float(low), float(high), int((together > 0).sum()), len(together))


def _sums(values: Floats, draw: np.random.Generator) -> Floats:
    """The sum of each resample of one history."""
    number = len(values)
    length = max(1, round(number ** (1 / 3)))
    starts = draw.integers(number, size=(_SAMPLES, -(-number // length)))
    places = (starts[:, :, None] + np.arange(length)).reshape(_SAMPLES, -1)[:, :number] % number
    return np.asarray(values[places].sum(axis=1))
