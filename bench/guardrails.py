"""How often guardrails hold an equal model by chance, and notice a true loss on a slice; writes docs/guardrails.md.

A world is a test window of 30 days whose rows fall into ten slices of very different size. Two models score the same
rows, as `bench.rule.power` has them: they share most of each score, and differ by their own effects of each day and of
each slice on each day. The measuring is Ratchet's.

Usage: python bench/guardrails.py [WORLDS], which takes about two minutes on two free cores.
"""

import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binomtest, norm

from ratchet.core.evaluation.counts import Bools, Floats, Ints
from ratchet.core.evaluation.day_sums import DaySums, sums_by_group
from ratchet.core.evaluation.f1 import f1
from ratchet.core.evaluation.guardrails import Measurements, results
from ratchet.core.slices import ALL_ROWS, Group, Slice
from ratchet.settings import Guardrail

SIZES = (12_000, 8_000, 4_000, 2_000, 2_000, 1_000, 1_000, 500, 500, 300)
WORST = 3
"""The place of the slice with a true loss; it has 2,000 rows."""
LOSSES = (0.0, 0.03, 0.05, 0.1, 0.15)
MARGINS = (0.0, 0.02, 0.05)
WORLDS, SAMPLES = 1_000, 1_000
_DAYS, _BASE_RATE, _GAP, _CUT = 30, 0.24, 1.0, 0.7
# Parts of a score's variance: shared by both models, of a model's day, of a slice on a model's day.
_SHARED, _DAY, _SLICE_DAY = 0.85, 0.01, 0.01


def _f1_at(gap: float) -> float:
    recall, false_rate = norm.sf(_CUT - gap), norm.sf(_CUT)
    return float(f1(_BASE_RATE * recall, (1 - _BASE_RATE) * false_rate, _BASE_RATE * (1 - recall)))


def _gap(loss: float) -> float:
    """How far apart a model scores the classes whose F1 is lower by the loss."""
    return float(brentq(lambda gap: _f1_at(gap) - (_f1_at(_GAP) - loss), 0.0, _GAP))


def world(loss: float, seed: int) -> Measurements:
    """One test window; the candidate is worse on one slice, and equal on the others."""
    random = np.random.default_rng([seed, round(1000 * loss)])
    group = np.repeat(np.arange(len(SIZES)), SIZES)
    day = random.integers(_DAYS, size=len(group))
    rate = random.beta(_BASE_RATE * 12, (1 - _BASE_RATE) * 12, size=_DAYS)
    label = random.random(len(group)) < rate[day]
    shared = np.sqrt(_SHARED) * random.standard_normal(len(group))
    gaps = np.full(len(SIZES), _GAP)
    champion = _sums(gaps, group, day, label, shared, random)
    gaps[WORST] = _gap(loss)
    candidate = _sums(gaps, group, day, label, shared, random)
    grouping = Slice("slice").grouped({f"{place}": size for place, size in enumerate(SIZES)})
    return Measurements([grouping], candidate, champion, 1, 0, "")


def _sums(
    gaps: Floats, group: Ints, day: Ints, label: Bools, shared: Floats, random: np.random.Generator
) -> Mapping[Group, DaySums]:
    own = np.sqrt(1 - _SHARED - _DAY - _SLICE_DAY) * random.standard_normal(len(group))
    by_day = np.sqrt(_DAY) * random.standard_normal(_DAYS)[day]
    by_slice = np.sqrt(_SLICE_DAY) * random.standard_normal((len(SIZES), _DAYS))[group, day]
    predicted = gaps[group] * label + shared + own + by_day + by_slice >= _CUT
    place = np.repeat([ALL_ROWS[0], 0], len(group))
    groups = np.concatenate([np.full(len(group), ALL_ROWS[1]), group])
    days, labels, labelled = (np.tile(column, 2) for column in (day, label, predicted))
    rows, losses = np.ones(len(place), dtype=np.int64), np.zeros(len(place))
    return sums_by_group((place, groups), days, labels, labelled, rows, (losses, losses))


def broken(loss: float, seed: int) -> list[tuple[bool, bool]]:
    """For each margin whether the guardrail is broken, and whether it is so on the slice with the loss."""
    found = world(loss, seed)
    seen = []
    for margin in MARGINS:
        rows = results([Guardrail(metric="f1", slice="slice", not_worse_by=margin)], found, {}, SAMPLES, seed)
        seen.append((any(row.broken for row in rows), rows[WORST].broken))
    return seen


def main(worlds: int = WORLDS) -> None:
    """Judge all worlds, write the page."""
    lines = []
    with ProcessPoolExecutor(2) as pool:
        for loss in LOSSES:
            found = np.array(list(pool.map(partial(broken, loss), range(worlds), chunksize=20)))
            cells = [_share(found[:, place, 1 if loss else 0]) for place in range(len(MARGINS))]
            lines.append(f"| {loss or 'none'} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    margins = " | ".join(f"not worse by {margin:g}" for margin in MARGINS)
    sizes = ", ".join(f"{size:,}" for size in SIZES)
    text = _PAGE.format(
        worlds=worlds,
        samples=f"{SAMPLES:,}",
        f1=_f1_at(_GAP),
        sizes=sizes,
        margins=margins,
        rows="\n".join(lines),
        rule="---|" * (1 + len(MARGINS)),
    )
    Path("docs/guardrails.md").write_text(text, encoding="utf-8")


def _share(found: Floats) -> str:
    error = binomtest(int(found.sum()), len(found)).proportion_ci(method="wilson")
    return f"{found.mean():.3f} ({error.low:.3f}–{error.high:.3f})"


_PAGE = """# How often a guardrail holds by chance, and what it notices

Made by `python bench/guardrails.py {worlds}` from so many simulated test windows for each line, {samples} resamples in
each. A window has 30 days and ten slices of {sizes} rows;
two models score the same rows, each with an F1 of {f1:.3f}. The guardrail over all ten slices is
`{{slice: …, metric: f1, not_worse_by: …}}`.

The error that is bounded: a candidate that is worse than the champion **by no more than the margin on any slice** is
held in at most 5 of 100 cases, however many slices there are (max-T). The first line shows it: the models are equal,
which for a margin of 0 is the limit. What is not bounded is the opposite error: a true loss on a small slice may go
unseen. The other lines show how often a true loss of F1 on one slice of 2,000 rows is noticed on that slice. The report
says how large a loss may be on a guardrail's smallest group without being noticed.

In brackets: the 95 % interval of the Monte Carlo error.

| true loss on one slice | {margins} |
|{rule}
{rows}
"""


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
