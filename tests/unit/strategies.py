"""Hypothesis strategies that more than one test module uses."""

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
    return Counts.from_rows(days, scores, labels, LEVELS), np.floor(scores * LEVELS) / LEVELS
