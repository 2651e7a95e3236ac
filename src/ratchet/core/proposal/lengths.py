"""Lengths of windows that fit a table, and how long its newest rows wait for their labels."""

from dataclasses import dataclass

import numpy as np

from ratchet.core.evaluation.counts import Ints

# The defaults of windows, two months, and as much again to learn from.
_ENOUGH_DAYS = 120
_PARTS = 5
# A share of rows without a label that chance does not explain.
_EXCESS = 0.02


@dataclass(frozen=True)
class Lengths:
    """Days of the test window and of the calibration window; None: the default. gap: whether one fits between."""

    days: int | None
    gap: bool = True


def lengths(days: int, known_after: int) -> Lengths | None:
    """The windows of a table of so many days; None if it is too short. known_after: days until a label is final."""
    with_gaps = days - 3 * known_after
    if with_gaps >= _ENOUGH_DAYS:
        return Lengths(None)
    if with_gaps >= _PARTS:
        return Lengths(with_gaps // _PARTS)
    without = days - known_after
    return Lengths(without // _PARTS, gap=False) if without >= _PARTS else None


def unlabelled_days(rows: Ints, missing: Ints) -> int:
    """How many of the newest days lack more labels than is usual. rows, missing: by day, all days to the last.

    A day without rows lacks none and is skipped.
    """
    some = rows > 0
    share = missing[some] / rows[some]
    if not len(share):
        return 0
    lacking = share > float(np.median(share[: max(len(share) // 2, 1)])) + _EXCESS
    newest = int(np.argmin(lacking[::-1])) if not lacking.all() else len(lacking)
    if newest == 0:
        return 0
    first = np.flatnonzero(some)[-newest]
    return len(rows) - int(first)
