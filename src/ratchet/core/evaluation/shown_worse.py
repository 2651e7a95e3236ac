"""Several measures at once: which are shown to be worse than their bounds, and what could have stayed unseen.

One of many slices looks bad by chance alone. The bounds are therefore joint: in at most 5 % of cases is any measure
called worse of which none truly is. The critical value is that of the largest of all standardized deviations over the
same resamples of days, which keeps the correlation of the measures (max-T: Westfall and Young 1993, "Resampling-based
multiple testing"; Romano and Wolf 2005, "Exact and approximate stepdown methods for multiple hypothesis testing",
Journal of the American Statistical Association 100).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from ratchet.core.evaluation.counts import Floats
from ratchet.core.evaluation.day_sums import Ratio
from ratchet.core.evaluation.resampling import Interval, Resampling, block_length

_LEVEL = 0.95
_LEAST_ERROR = 1e-12


@dataclass(frozen=True)
class Lead:
    """The lead of a measure over another on the same days, or over a bound. sign: -1 if less is better."""

    own: Ratio
    other: Ratio | None
    sign: int

    @property
    def value(self) -> float:
        """How much better the measure is; of one that is beside no other, the measure itself."""
        return self.sign * (self.own.value - (0.0 if self.other is None else self.other.value))

    @property
    def influence(self) -> Floats:
        """How much each day adds to the lead, to first order; the sum is 0."""
        return self.own.influence if self.other is None else self.own.influence - self.other.influence


def joint_length(series: Sequence[Floats]) -> int:
    """Days in a block for several series at once: the quadratic mean of the lengths that each would have."""
    lengths = [block_length(one) for one in series]
    return max(1, round(sqrt(sum(length**2 for length in lengths) / len(lengths))))


def resampled(leads: Sequence[Lead], resampling: Resampling) -> Floats:
    """The leads on each resample, widened: (samples, leads). All have the same days."""
    own = _ratios([lead.own for lead in leads], resampling)
    others = np.zeros_like(own)
    if beside := {place: lead.other for place, lead in enumerate(leads) if lead.other is not None}:
        others[:, list(beside)] = _ratios(list(beside.values()), resampling)
    found = np.array([lead.sign for lead in leads]) * (own - others)
    return resampling.widened(np.array([lead.value for lead in leads]), found)


def uncertainty(measured: Floats, draws: Floats) -> Floats:
    """How far each true value may jointly lie above the measured one, at 95 %: (measures).

    measured: (measures); draws: (samples, measures), from `resampled`.
    """
    errors = draws - measured
    scale = np.maximum(errors.std(axis=0), _LEAST_ERROR)
    return float(np.quantile((-errors / scale).max(axis=1), _LEVEL)) * scale


def intervals(draws: Floats, bounds: tuple[float, float]) -> list[Interval]:
    """The middle 95 % of each column by itself. bounds: the least and the greatest possible value."""
    low, high = np.clip(np.quantile(draws, [0.025, 0.975], axis=0), *bounds)
    return [Interval(float(one), float(other)) for one, other in zip(low, high, strict=True)]


def _ratios(ratios: Sequence[Ratio], resampling: Resampling) -> Floats:
    return resampling.ratios([one.numerator for one in ratios], [one.denominator for one in ratios])
