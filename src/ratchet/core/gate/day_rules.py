"""The rules of the gate that look at single days: what a week's sum would hide."""

from collections.abc import Iterator

import numpy as np

from ratchet.core.evaluation.counts import Bools, Ints, day_of
from ratchet.core.gate.day_counts import NumberDays
from ratchet.core.gate.findings import Finding, number, share
from ratchet.core.gate.weeks import DAYS, Weeks

_FEWEST_ROWS = 20
_FEWEST_DAYS = 14
_LISTED = 3
_OFTEN_EMPTY = 0.05
# A day of which each row is there twice closes half of the gap to a share of 1.
_OF_THE_GAP = 0.4
_DEVIATIONS = 6
# That so many rows have no value, if each has as often one as before.
_CHANCE = 1e-6
_UNSEEN = 0.05
_LATELY = 8 * DAYS
# As many widths of the earlier range beyond it.
_WIDTHS = 2


def days(weeks: Weeks) -> Finding | None:
    """Days without a row, where the same day of the week has had some so far."""
    rows = dict(zip(weeks.counts.day.tolist(), weeks.counts.rows.tolist(), strict=True))
    before: dict[int, list[int]] = {weekday: [] for weekday in range(DAYS)}
    missing = []
    for day in range(int(weeks.counts.day[0]), weeks.end):
        if not weeks.is_judged(day):
            if weeks.window_of(day):
                before[day % DAYS].append(rows.get(day, 0))
        elif day not in rows and _always_many(before[day % DAYS]):
            missing.append(day)
    if not missing:
        return None
    listed = ", ".join(str(day_of(day)) for day in missing[:_LISTED])
    listed += f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
    what = f"the number of days without a row ({listed})"
    was = "was 0 on the same days of the weeks before"
    return Finding("days", None, what, weeks.days_of(missing[0], missing[-1]), was, str(len(missing)), "0", severe=True)


def duplicates(weeks: Weeks) -> Finding | None:
    """Days on which far more rows than on the others repeat one of the same day, in all windows."""
    counts = weeks.counts
    repeated = counts.rows - counts.distinct
    value = repeated / np.maximum(counts.rows, 1)
    usual = float(np.median(value))
    deviation = float(np.median(np.abs(value - usual)))
    bound = usual + max(_OF_THE_GAP * (1 - usual), _DEVIATIONS * deviation)
    found = np.flatnonzero((value > bound) & (counts.rows >= _FEWEST_ROWS) & (counts.day >= weeks.oldest))
    if len(counts.day) < _FEWEST_DAYS or not len(found):
        return None
    rows, copies = int(counts.rows[found].sum()), int(repeated[found].sum())
    now = f"{share(copies / rows)} ({copies:,} of {rows:,} rows, on {len(found)} day{'' if len(found) == 1 else 's'})"
    what = "the share of rows that repeat another one of their day in all features and the label"
    where = weeks.days_of(int(counts.day[found[0]]), int(counts.day[found[-1]]))
    was = f"is {share(usual)} on a usual day"
    return Finding("duplicates", None, what, where, was, now, f"at most {share(bound)}", severe=True)


def nothing_filled(weeks: Weeks, name: str, what: str, filled: Ints) -> Finding | None:
    """Consecutive days without any value, more than twice as many as ever before; a single day is only told."""
    counts = weeks.counts
    judged = weeks.judged_days
    history = ~judged & (counts.day >= weeks.oldest)
    if history.sum() < _FEWEST_DAYS:
        return None
    before = max((last - first + 1 for first, last in _runs((filled == 0) & history)), default=0)
    usual = 1 - filled[history].sum() / counts.rows[history].sum()
    for first, last in _runs((filled == 0) & judged):
        length = last - first + 1
        rows = int(counts.rows[first : last + 1].sum())
        if length > 2 * before and rows >= _FEWEST_ROWS and usual**rows < _CHANCE:
            where = weeks.days_of(int(counts.day[first]), int(counts.day[last]))
            was = f"was so on {before or 'no'} consecutive day{'' if before == 1 else 's'} before"
            accepted = f"100 % on at most {max(2 * before, 1)} day{'' if 2 * before <= 1 else 's'}"
            return Finding("missing", name, what, where, was, share(1), accepted, severe=length > 1)
    return None


def unseen_lately(weeks: Weeks, name: str, what: str, unseen: Ints) -> Finding | None:
    """A day of the newest week with more unseen texts than each of the weeks before: only told."""
    counts = weeks.counts
    value = unseen / np.maximum(counts.rows, 1)
    newest = weeks.end - DAYS
    before = value[(counts.day >= newest - _LATELY) & (counts.day < newest) & (counts.rows >= _FEWEST_ROWS)]
    if len(before) < _FEWEST_DAYS:
        return None
    usual = float(np.median(before))
    bound = usual + max(_UNSEEN, 2 * float((before - usual).max()))
    found = np.flatnonzero((counts.day >= newest) & (counts.rows >= _FEWEST_ROWS) & (value > bound))
    if not len(found):
        return None
    day, now = int(counts.day[found[0]]), share(float(value[found[0]]))
    was = f"was {share(usual)} on a day before"
    where = weeks.days_of(day, day)
    return Finding("unseen", name, what, where, was, now, f"at most {share(bound)}", severe=False)


def far_outside(weeks: Weeks, name: str, days: NumberDays) -> Finding | None:
    """A value that is further from the earlier range than twice its width: only told, since it may be one alone."""
    judged, history = weeks.judged_days & (days.filled > 0), ~weeks.judged_days & (days.filled > 0)
    if not judged.any() or not history.any():
        return None
    low, high = float(days.low[history].min()), float(days.high[history].max())
    width = _WIDTHS * (high - low)
    for values, beyond, word in ((days.high, high + width, "greatest"), (days.low, low - width, "smallest")):
        outside = judged & ((values > beyond) if word == "greatest" else (values < beyond))
        if width and outside.any():
            day, now = int(weeks.counts.day[outside][0]), number(float(values[outside][0]))
            was = f"values were between {number(low)} and {number(high)} before"
            accepted = f"at {'most' if word == 'greatest' else 'least'} {number(beyond)}"
            what = f"the {word} value in {name!r}"
            return Finding("range", name, what, weeks.days_of(day, day), was, now, accepted, severe=False)
    return None


def _always_many(rows: list[int]) -> bool:
    return len(rows) > 1 and float(np.median(rows)) >= _FEWEST_ROWS and rows.count(0) <= _OFTEN_EMPTY * len(rows)


def _runs(days: Bools) -> Iterator[tuple[int, int]]:
    """The first and last place of each run of days that are true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], days, [False]]).astype(np.int8)))
    for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        yield first, after - 1
