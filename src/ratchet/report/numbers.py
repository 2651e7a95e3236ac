"""Numbers as people read them, and the axis that they are drawn on; shared by the report and the console.

Imports only the standard library: the console's image has neither templates nor plots.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite

_STEP = 0.05
_SURE = 0.001


@dataclass(frozen=True)
class Scale:
    """The axis of the comparison, of F1 or of what else decides, from `low` to `high`."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Sequence[float], unit: float = 1.0) -> "Scale":
        """The shortest axis between multiples of 0.05 units that contains all values."""
        step = _STEP * unit
        low, high = floor(min(values) / step) * step, ceil(max(values) / step) * step
        return cls(low, high if high > low else low + step)

    def at(self, value: float) -> str:
        """The position of a value, in per cent of the axis."""
        return f"{self.percent(value):.2f}%"

    def percent(self, value: float) -> float:
        """The same as a number."""
        return 100 * (value - self.low) / (self.high - self.low)


def count(number: int) -> str:
    """A number of rows: 27,900."""
    return f"{number:,}"


def measure(number: float | None, digits: int = 3) -> str:
    """A metric: 0.541, or a dash if undefined."""
    return "–" if number is None or not isfinite(number) else f"{number:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def share(number: float | None) -> str:
    """A share: 33.1 %, or a dash if unknown."""
    return "–" if number is None or not isfinite(number) else f"{100 * number:.1f}\N{NO-BREAK SPACE}%"


def probability(number: float | None) -> str:
    """A share of resamples, which never amounts to certainty: > 99.9 % rather than 100 %."""
    if number is None or _SURE <= number <= 1 - _SURE:
        return share(number)
    return "< 0.1\N{NO-BREAK SPACE}%" if number < _SURE else "> 99.9\N{NO-BREAK SPACE}%"


def signed(number: float) -> str:
    """A difference, with its sign: +0.0120, −0.0031."""
    return f"{number:+.4f}".replace("-", "\N{MINUS SIGN}") if isfinite(number) else "–"
