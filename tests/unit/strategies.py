"""Hypothesis strategies that more than one test module uses."""

from functools import cache

import numpy as np
from hypothesis import strategies as st

from ratchet.core.evaluation.counts import Counts

LEVELS = 64


@st.composite
def rows(draw, both_classes=True):
    """Days, scores on a grid and off it, labels: three arrays of one length, a row each."""
    size = draw(st.integers(2, 60))
    days = draw(st.lists(st.integers(16_000, 16_012), min_size=size, max_size=size))
    scores = draw(st.lists(st.floats(0, 1), min_size=size, max_size=size))
    labels = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    if both_classes:
        labels[0], labels[-1] = True, False
    return np.array(days), np.array(scores), np.array(labels)


def counted(drawn):
    """The count table of drawn rows, and its rows again, one by one."""
    days, scores, labels = drawn
    grid = points(LEVELS)
    return Counts.from_rows(days, scores, labels, LEVELS), grid[np.searchsorted(grid, scores, side="right") - 1]


@cache
def points(levels):
    """The grid of scores, point by point: multiples of 1/levels, and narrower ones in each octave towards 0 and 1."""
    low = [np.arange(levels // 64) * 2.0**-53]
    for exponent in range(-53, -6):
        width = max(2.0**exponent / (levels // 64), 2.0**-53)
        low.append(np.arange(2.0**exponent, 2.0 ** (exponent + 1), width))
    low = np.concatenate(low)
    low = np.unique(low[low < 1 / 64])
    return np.unique(np.concatenate([low, np.arange(levels // 64, levels - levels // 64 + 1) / levels, 1 - low]))


def awkward_scores(levels):
    """Points of the grid with the doubles next to them, powers of two, subnormal numbers, and random scores."""
    grid = points(levels)
    some = np.concatenate(
        [grid[:: len(grid) // 5000 + 1], 2.0 ** -np.arange(1.0, 1075), 1 - 2.0 ** -np.arange(1.0, 54), [0, 1]]
    )
    random = np.random.default_rng(0)
    drawn = [random.random(5000), 2 ** -random.uniform(0, 60, 5000), 1 - 2 ** -random.uniform(0, 53, 5000)]
    found = np.concatenate([some, np.nextafter(some, 0), np.nextafter(some, 1), *drawn])
    return found[(found >= 0) & (found <= 1)]
