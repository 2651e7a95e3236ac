"""How often intervals hold the truth and equal models look different in simulated worlds; writes docs/coverage.md.

A world has two equally good models. Each day has an effect on the share of positives and one on how well each model
tells them apart; the effects follow an autoregression of order one, so neighbouring days are alike. Weekends have half
the rows. Compared are single days, resampled one by one and not widened, and the blocks of `core.evaluation`.

Usage: python bench/coverage.py [WORLDS], which takes a minute or two on two free cores.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from scipy.special import expit, logit, ndtr
from scipy.stats import binomtest

from ratchet.core.evaluation.comparison import probabilities
from ratchet.core.evaluation.counts import Confusion, Floats
from ratchet.core.evaluation.f1 import f1_of
from ratchet.core.evaluation.resampling import Interval, Resampling, f1_interval, influence

CORRELATIONS, DAYS = (0.0, 0.3, 0.6), (7, 14, 30, 90)
WORLDS, SAMPLES, SURE = 1_000, 1_000, 0.95
_ROWS, _POSITIVES = 300, 0.24
_WEEK = np.array([1, 1, 1, 1, 1, 0.5, 0.5])


@dataclass(frozen=True)
class Seen:
    """What one world shows, first for single days, then for blocks.

    held: the truth is in the interval of F1. looks_different: the probability of being better is above 0.95 or below
    0.05. width: of the blocks' interval by that of single days. alike: the correlation of neighbouring days in what
    they add to F1.
    """

    held: tuple[bool, bool]
    looks_different: tuple[bool, bool]
    width: float
    alike: float


def world(correlation: float, days: int, seed: int) -> tuple[Confusion, Confusion]:
    """Two equally good models on the same rows."""
    random = np.random.default_rng([seed, days, int(100 * correlation)])
    rows = random.poisson(_ROWS * _WEEK[np.arange(days) % len(_WEEK)]) + 1
    positive = random.binomial(rows, expit(logit(_POSITIVES) + 0.5 * _effects(correlation, days, random)))
    shared = _effects(correlation, days, random)
    first, second = (_labelled(rows, positive, shared, correlation, random) for _ in range(2))
    return first, second


def _effects(correlation: float, days: int, random: np.random.Generator) -> Floats:
    """Standard normal numbers whose neighbours have this correlation."""
    shocks = random.normal(size=days)
    effects = shocks.copy()
    for day in range(1, days):
        effects[day] = correlation * effects[day - 1] + np.sqrt(1 - correlation**2) * shocks[day]
    return effects


def _labelled(
    rows: Floats, positive: Floats, shared: Floats, correlation: float, random: np.random.Generator
) -> Confusion:
    """A model with the days' shared effect and its own on how well it tells the classes apart."""
    quality = 0.25 * (shared + _effects(correlation, len(rows), random)) / np.sqrt(2)
    hit = random.binomial(positive, ndtr(0.4 + quality))
    wrong = random.binomial(rows - positive, ndtr(-0.6 - 0.15 * quality))
    return Confusion(np.arange(len(rows)), hit, wrong, positive - hit, rows - positive - wrong)


def look(correlation: float, days: int, seed: int, truth: float) -> Seen:
    """Judge one world both ways."""
    first, second = world(correlation, days, seed)
    singly = Resampling(days, 1, SAMPLES, seed)
    own, theirs = singly.f1([first, second]).T
    old, new = Interval(*np.quantile(own, [0.025, 0.975])), f1_interval(first, SAMPLES, seed)
    better = (float((own > theirs).mean()), probabilities(first, {1: second}, SAMPLES, seed)[1])
    adds = influence(first)
    return Seen(
        held=(old.low <= truth <= old.high, new.low <= truth <= new.high),
        looks_different=(not 1 - SURE <= better[0] <= SURE, not 1 - SURE <= better[1] <= SURE),
        width=(new.high - new.low) / (old.high - old.low),
        alike=float(adds[:-1] @ adds[1:] / (adds @ adds)),
    )


def row(correlation: float, days: int, worlds: int, truth: float) -> str:
    """A line of the table."""
    seen = [look(correlation, days, seed, truth) for seed in range(worlds)]
    held = (_share([one.held[way] for one in seen]) for way in range(2))
    different = (_share([one.looks_different[way] for one in seen], 0.5) for way in range(2))
    width, alike = np.median([one.width for one in seen]), np.mean([one.alike for one in seen])
    return f"| {correlation} | {days} | {alike:.2f} | {' | '.join(held)} | {width:.2f} | {' | '.join(different)} |"


def _share(found: list[bool], factor: float = 1) -> str:
    """A share and the 95 % interval of its Monte Carlo error (Wilson)."""
    error = binomtest(sum(found), len(found)).proportion_ci(method="wilson")
    return f"{factor * np.mean(found):.3f} ({factor * error.low:.3f}–{factor * error.high:.3f})"


def main(worlds: int = WORLDS) -> None:
    """Judge all worlds, write the page."""
    # F1 of so many days errs by 0.0003, a fiftieth of an interval of 90 days.
    truth = f1_of(world(0.0, 100_000, 0)[0])
    cells = list(product(CORRELATIONS, DAYS))
    lines: list[str] = []
    with ProcessPoolExecutor(2) as pool:
        found = pool.map(row, *zip(*cells, strict=True), [worlds] * len(cells), [truth] * len(cells))
        for line in found:
            lines.append(line)
            print(line, flush=True)
    text = _PAGE.format(worlds=worlds, samples=f"{SAMPLES:,}", f1=truth, rows="\n".join(lines))
    Path("docs/coverage.md").write_text(text, encoding="utf-8")


_PAGE = """# How often the intervals hold the truth

Made by `python bench/coverage.py {worlds}` from so many simulated worlds for each line, {samples} resamples in each.
A world has two equally good models, whose true F1 is {f1:.3f}. Each day has an effect on the share of positives and one
on how well each model tells the classes apart; the effects of neighbouring days correlate by the first column. A day
has about 300 rows, half as many on weekends.

- *measured*: the mean correlation of neighbouring days in what they add to F1; a block's length is chosen from it. It
  is smaller than the first column because each day also has chance of its own, and because few days understate it.
- *covers*: the share of worlds in which the 95 % interval of a model's F1 holds its true F1; 0.95 is right.
- *too sure*: how often a model is called better than its equal with a probability above 0.95; 0.05 is right. Ratchet
  itself gives no probability below 14 days.
- *single*: days resampled one by one, the percentiles taken as they are. *blocks*: what Ratchet does
  ([decision 14](decisions/0014-blocks-of-days.md)). *width*: the median width of its interval by that of single days.

In brackets: the 95 % interval of the Monte Carlo error.

| correlation | days | measured | covers, single | covers, blocks | width | too sure, single | too sure, blocks |
|---|---|---|---|---|---|---|---|
{rows}
"""


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
