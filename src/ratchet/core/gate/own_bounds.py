"""The team's own bounds of a feature (`data.bounds`): they hold whatever the history was."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ratchet.core.evaluation.counts import Bools, Floats, Ints
from ratchet.core.gate.day_counts import NumberDays
from ratchet.core.gate.findings import Finding, number, share
from ratchet.core.gate.weeks import Weeks

_FEWEST_ROWS = 30


@dataclass(frozen=True)
class OwnBounds:
    """Bounds of one feature; None: not set. missing, unseen: the greatest share of a week's rows."""

    min: float | None = None
    max: float | None = None
    missing: float | None = None
    unseen: float | None = None

    def replaces(self, check: str) -> bool:
        """Whether a bound stands in the place of a check by history."""
        return (check == "missing" and self.missing is not None) or (check == "unseen" and self.unseen is not None)


def judge_own(weeks: Weeks, bounds: Mapping[str, OwnBounds]) -> list[Finding]:
    """What breaks a bound: values in all windows, shares in the weeks of the calibration and the test window."""
    counts, found = weeks.counts, list[Finding]()
    for name, own in bounds.items():
        if name in counts.numbers:
            found += _values(weeks, name, counts.numbers[name], own)
        filled = (counts.numbers.get(name) or counts.texts[name]).filled
        found += _share(weeks, "missing", name, counts.rows - filled, own.missing)
        if name in counts.texts:
            found += _share(weeks, "unseen", name, filled - counts.texts[name].known, own.unseen)
    return found


def _values(weeks: Weeks, name: str, days: NumberDays, own: OwnBounds) -> Iterator[Finding]:
    if own.min is not None:
        at_least = f"at least {number(own.min)}"
        yield from _value(weeks, name, f"the smallest value in {name!r}", days.low, days.low < own.min, at_least)
    if own.max is not None:
        at_most = f"at most {number(own.max)}"
        yield from _value(weeks, name, f"the greatest value in {name!r}", days.high, days.high > own.max, at_most)


def _value(weeks: Weeks, name: str, what: str, values: Floats, beyond: Bools, accepted: str) -> Iterator[Finding]:
    for place in np.flatnonzero(beyond)[:1]:
        day, now = int(weeks.counts.day[place]), number(float(values[place]))
        yield Finding("range", name, what, weeks.days_of(day, day), "", now, accepted, severe=True, own=True)


def _share(
    weeks: Weeks, check: Literal["missing", "unseen"], name: str, part: Ints, most: float | None
) -> Iterator[Finding]:
    if most is None:
        return
    rows = weeks.rows
    value = weeks.sums(part) / np.maximum(rows, 1)
    for week in np.flatnonzero(weeks.judged & (rows >= _FEWEST_ROWS) & (value > most))[:1].tolist():
        what = f"the share of {'missing values' if check == 'missing' else 'rare or unseen texts'} in {name!r}"
        now = share(float(value[week]))
        yield Finding(check, name, what, weeks.span(week), "", now, f"at most {share(most)}", severe=True, own=True)
