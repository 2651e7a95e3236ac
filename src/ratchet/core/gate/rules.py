"""The rules of the gate: what is held against the weeks before, by what measure, and from which change on it is told.

The floors are those that the flights pass on every day of their year (`bench/gate.py`; decision 23 has the figures).
"""

from collections.abc import Callable
from math import exp

import numpy as np

from ratchet.core.evaluation.counts import Floats
from ratchet.core.gate import day_rules
from ratchet.core.gate.changes import Change, Floors, extraordinary
from ratchet.core.gate.day_counts import NumberDays, TextDays, typical
from ratchet.core.gate.findings import Check, Finding, number, share
from ratchet.core.gate.weeks import Weeks

_FEWEST_ROWS = 30
# Logarithms of ratios: 22 % fewer, or 28 % more, rows are told; a third fewer refuse.
_ROWS = Floors(0.25, 0.4, refused_way=-1)
# Logarithms of odds: twice, or half, the odds are told.
_POSITIVES = Floors(0.7, 1.4)
_MISSING = Floors(0.1, 0.25, refused_way=1)
_UNSEEN = Floors(0.02, 0.1, told_way=1, refused_way=1)
# Multiples of the rows' own standard deviation, within logarithms of factors: 1.2 to 1.9, and 1.5 to 2.3.
_TOLD_LEVEL, _REFUSED_LEVEL = 0.9, 2.0
_TOLD_LEVELS, _REFUSED_LEVELS = (0.3, 0.9), (0.6, 1.2)
_OFTEN_EMPTY = 0.05


def judge(weeks: Weeks, *, thinned: bool = False) -> list[Finding]:
    """All that is extraordinary in the calibration and the test window, most general first.

    thinned: whether rows are left out whose label became known too late, so that numbers of rows say nothing.
    """
    counts = weeks.counts
    found: list[Finding | None] = [day_rules.duplicates(weeks)]
    if not thinned:
        found = [_rows(weeks), day_rules.days(weeks), *found, _positives(weeks)]
    for name, days in counts.numbers.items():
        found += [_missing(weeks, name, days), _range(weeks, name, days)]
    for name, texts in counts.texts.items():
        found += [_missing(weeks, name, texts), _unseen(weeks, name, texts)]
    return [one for one in found if one is not None]


def _rows(weeks: Weeks) -> Finding | None:
    history = weeks.rows[weeks.whole & ~weeks.judged]
    if not len(history) or np.mean(history == 0) > _OFTEN_EMPTY:
        return None
    value = np.where(weeks.whole, np.log((weeks.rows + 0.5) / 7), np.nan)
    change = extraordinary(value, lambda usual: np.exp(-usual / 2) / np.sqrt(7), weeks.judged, _ROWS)
    return None if change is None else _told(weeks, "rows", None, "the number of rows a day", change, _per_day)


def _positives(weeks: Weeks) -> Finding | None:
    rows, positives = weeks.rows, weeks.sums(weeks.counts.positives)
    odds = (positives + 0.5) / (rows - positives + 0.5)
    value = np.where(rows >= _FEWEST_ROWS, np.log(odds), np.nan)

    def error(usual: Floats) -> Floats:
        return 2 * np.cosh(usual / 2) / np.sqrt(np.maximum(rows, 1))

    change = extraordinary(value, error, weeks.judged, _POSITIVES)
    return None if change is None else _told(weeks, "positives", None, "the share of positive rows", change, _of_odds)


def _missing(weeks: Weeks, name: str, days: NumberDays | TextDays) -> Finding | None:
    rows, what = weeks.rows, f"the share of missing values in {name!r}"
    value, error = _shares(rows - weeks.sums(days.filled), rows)
    change = extraordinary(value, error, weeks.judged, _MISSING)
    by_week = None if change is None else _told(weeks, "missing", name, what, change, share)
    by_day = day_rules.nothing_filled(weeks, name, what, days.filled)
    return _first_severe(by_day, by_week)


def _unseen(weeks: Weeks, name: str, days: TextDays) -> Finding | None:
    what = f"the share of texts in {name!r} that training has not, or rarely,"
    unseen = days.filled - days.known
    value, error = _shares(weeks.sums(unseen), weeks.rows)
    change = extraordinary(value, error, weeks.judged, _UNSEEN)
    by_week = None if change is None else _told(weeks, "unseen", name, what, change, share)
    return by_week or day_rules.unseen_lately(weeks, name, what, unseen)


def _range(weeks: Weeks, name: str, days: NumberDays) -> Finding | None:
    filled, total, squares = (weeks.sums(each) for each in (days.filled, days.total, days.squares))
    known = ~weeks.judged
    rows = filled[known].sum()
    if rows < _FEWEST_ROWS:
        return None
    mean = total[known].sum() / rows
    deviation = float(np.sqrt(max(squares[known].sum() / rows - mean**2, 0.0)))
    value = np.where(filled >= _FEWEST_ROWS, total / np.maximum(filled, 1), np.nan)
    told = float(np.clip(_TOLD_LEVEL * deviation, *_TOLD_LEVELS))
    refused = float(np.clip(_REFUSED_LEVEL * deviation, *_REFUSED_LEVELS))
    error = deviation / np.sqrt(np.maximum(filled, 1))
    change = extraordinary(value, lambda _: error, weeks.judged, Floors(told, refused))
    by_level = None
    if change is not None:
        by_level = _told(weeks, "range", name, f"the typical value (geometric mean) in {name!r}", change, _typical)
    return _first_severe(by_level, day_rules.far_outside(weeks, name, days))


def _told(
    weeks: Weeks, check: Check, name: str | None, what: str, change: Change, printed: Callable[[float], str]
) -> Finding:
    rises = change.now > change.was
    limit = printed(change.was + (change.bound if rises else -change.bound))
    was = f"was {printed(change.was)} in the weeks before"
    accepted = f"at {'most' if rises else 'least'} {limit}"
    return Finding(check, name, what, weeks.span(change.week), was, printed(change.now), accepted, change.severe)


def _first_severe(*found: Finding | None) -> Finding | None:
    some = [one for one in found if one is not None]
    return next((one for one in some if one.severe), some[0] if some else None)


def _shares(part: Floats, rows: Floats) -> tuple[Floats, Callable[[Floats], Floats]]:
    """The share of some rows by week, and its standard error around a usual share: of half a row at least."""
    whole = np.maximum(rows, 1)

    def error(usual: Floats) -> Floats:
        smoothed = (usual * whole + 0.5) / (whole + 1)
        return np.asarray(np.sqrt(smoothed * (1 - smoothed) / whole))

    return np.where(rows >= _FEWEST_ROWS, part / whole, np.nan), error


def _per_day(value: float) -> str:
    return number(max(exp(value), 0.0))


def _of_odds(value: float) -> str:
    return share(1 / (1 + exp(-value)))


def _typical(value: float) -> str:
    return number(typical(value))
