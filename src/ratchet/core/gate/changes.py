"""Which change of a weekly value is extraordinary: judged by the changes of the weeks before, never by chance alone.

Rows of one week are alike, so what independent draws would differ by says little: weather, sales and holidays move a
week's share of anything by far more. A week is held against the median of the four before it, so a season, which moves
slowly, passes. What such a change amounts to otherwise is learnt from the history: the 90 % quantile of its absolute
changes, which one faulty month of a year does not move. A floor in absolute terms stands for what is never worth a
word, and the standard error of the week's value is added where it has few rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ratchet.core.evaluation.counts import Bools, Floats

_BEFORE = 4
_FEWEST_BEFORE = 3
# With fewer, the largest of a few changes says little about those to come.
_FEWEST_CHANGES = 6
_SHORT = 1.25
_QUANTILE = 0.9
_ERRORS = 4


@dataclass(frozen=True)
class Floors:
    """The least change that is told, and the least one that refuses; what history adds to them.

    told_by, refused_by: multiples of the usual change, which the bound is at least. told_way, refused_way: 1 for rises
    alone, -1 for falls alone, 0 for both.
    """

    told: float
    refused: float
    told_by: float = 3.0
    refused_by: float = 4.0
    told_way: int = 0
    refused_way: int = 0


@dataclass(frozen=True)
class Change:
    """A week's value beside the usual one. bound: the greatest change that is accepted. severe: enough to refuse."""

    week: int
    was: float
    now: float
    bound: float
    severe: bool


def extraordinary(value: Floats, error: Callable[[Floats], Floats], judged: Bools, floors: Floors) -> Change | None:
    """The first change that refuses, or else the first that is told; None if all are ordinary.

    value: by week, NaN where the week has too few rows. error: of the usual values, the standard
    errors that a week's rows would have if nothing had changed.
    """
    usual = _usual(value)
    change = value - usual
    known = np.abs(change[~judged & ~np.isnan(change)])
    spread = float(np.quantile(known, _QUANTILE)) if len(known) >= _FEWEST_CHANGES else None
    found = []
    for severe, least, times, way in (
        (True, floors.refused, floors.refused_by, floors.refused_way),
        (False, floors.told, floors.told_by, floors.told_way),
    ):
        bound = (_SHORT * least if spread is None else max(least, times * spread)) + _ERRORS * error(usual)
        # Comparing with NaN is false, as it should be.
        weeks = np.flatnonzero(judged & (np.abs(change) > bound) & (change * way >= 0))
        found += [Change(int(at), float(usual[at]), float(value[at]), float(bound[at]), severe) for at in weeks[:1]]
    return found[0] if found else None


def _usual(value: Floats) -> Floats:
    """The median of the last weeks with a value before each; NaN if these are too few."""
    filled = np.flatnonzero(~np.isnan(value))
    before = np.searchsorted(filled, np.arange(len(value)))
    result = np.full(len(value), np.nan)
    if len(filled) >= _FEWEST_BEFORE:
        result[before == _FEWEST_BEFORE] = np.median(value[filled[:_FEWEST_BEFORE]])
    if len(filled) >= _BEFORE:
        medians = np.median(sliding_window_view(value[filled], _BEFORE), axis=1)
        result[before >= _BEFORE] = medians[before[before >= _BEFORE] - _BEFORE]
    return result
