"""The test window held against the window that the champion was trained on: what has crept in week by week.

A year may lie between the two, so seasons are in it: a number's typical value is only told, and only if it has moved
far. A share of missing values or of other texts has no such excuse.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Literal

import numpy as np

from ratchet.core.evaluation.feature_counts import FeatureCounts
from ratchet.core.gate.day_counts import level, typical
from ratchet.core.gate.findings import Finding, number, share
from ratchet.core.gate.weeks import Span
from ratchet.core.windows import Window

_FEWEST_ROWS = 200
_MISSING, _UNSEEN = 0.25, 0.2
# In standard deviations of the champion's rows.
_LEVEL = 1.5
_THEN = "when the champion was trained"


def judge_since(champion: Sequence[FeatureCounts], newest: Sequence[FeatureCounts], test: Window) -> list[Finding]:
    """What has changed since the champion's training. newest: of the test window."""
    assert test.start is not None  # noqa: S101  # only a training window may begin with the table
    span = Span(test.name, test.start, test.end - timedelta(days=1))
    before = {one.feature: one for one in champion if one.rows >= _FEWEST_ROWS}
    return [
        finding
        for now in newest
        if (then := before.get(now.feature)) is not None and then.kind == now.kind and now.rows >= _FEWEST_ROWS
        for finding in _changes(then, now, span)
    ]


def _changes(then: FeatureCounts, now: FeatureCounts, span: Span) -> Iterator[Finding]:
    name = now.feature
    missing = then.missing / then.rows, now.missing / now.rows
    if missing[1] - missing[0] > _MISSING:
        yield _share("missing", name, f"the share of missing values in {name!r}", missing, _MISSING, span)
    if now.kind == "categorical":
        strange = sum(rows for text, rows in now.by_value.items() if text not in then.by_value) + now.other
        unseen = then.other / then.rows, strange / now.rows
        if unseen[1] - unseen[0] > _UNSEEN:
            what = f"the share of texts in {name!r} that the champion has not learnt from, or rarely,"
            yield _share("unseen", name, what, unseen, _UNSEEN, span)
        return
    (was, deviation), (is_now, _) = _level(then), _level(now)
    if deviation and abs(is_now - was) > _LEVEL * deviation:
        way = 1 if is_now > was else -1
        accepted = f"at {'most' if way > 0 else 'least'} {number(typical(was + way * _LEVEL * deviation))}"
        what, values = (
            f"the typical value (geometric mean) in {name!r}",
            (number(typical(was)), number(typical(is_now))),
        )
        yield Finding("range", name, what, span, f"was {values[0]} {_THEN}", values[1], accepted, severe=False)


def _share(
    check: Literal["missing", "unseen"], name: str, what: str, values: tuple[float, float], most: float, span: Span
) -> Finding:
    was, now = values
    accepted = f"at most {share(was + most)}"
    return Finding(check, name, what, span, f"was {share(was)} {_THEN}", share(now), accepted, severe=True)


def _level(counts: FeatureCounts) -> tuple[float, float]:
    """Mean and standard deviation of the levels of the buckets; NaN and 0 without a value."""
    rows = np.array(list(counts.by_value.values()), dtype=np.float64)
    if not rows.sum():
        return float("nan"), 0.0
    levels = level(np.array(list(counts.by_value), dtype=np.float64))
    mean = float(np.average(levels, weights=rows))
    return mean, float(np.sqrt(np.average((levels - mean) ** 2, weights=rows)))
