import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.core.evaluation.counts import Counts
from ratchet.core.evaluation.late_labels import days_late

ROWS = 400


def counts(share):
    """Rows of consecutive days, so many of which are positive."""
    positives = np.round(np.asarray(share) * ROWS).astype(int)
    day = np.arange(len(positives))
    label = np.repeat([True, False], len(day))
    rows = np.concatenate([positives, ROWS - positives])
    kept = rows > 0
    return Counts.from_table(np.tile(day, 2)[kept], np.zeros(2 * len(day))[kept], label[kept], rows[kept], 64)


def drawn(seed, days=60):
    return np.random.default_rng(seed).uniform(0.15, 0.35, days)


@pytest.mark.parametrize("delay", [5, 10, 14])
def test_days_whose_positives_are_not_known_yet_are_counted(delay):
    share = drawn(0)
    share[-delay:] = 0
    assert delay <= days_late(counts(share)) <= delay + 2


@given(st.integers(0, 999), st.integers(12, 28))
def test_a_share_that_falls_evenly_to_nothing_is_noticed(seed, delay):
    share = drawn(seed)
    share[-delay:] *= np.arange(delay)[::-1] / delay
    assert 3 <= days_late(counts(share)) <= delay + 3


@given(st.integers(0, 999), st.integers(20, 90))
def test_days_that_only_vary_are_not(seed, days):
    assert days_late(counts(drawn(seed, days))) is None


def test_a_share_that_falls_for_good_is_not_late_but_lower():
    share = drawn(0)
    share[-20:] *= 0.6
    assert days_late(counts(share)) is None


def test_too_few_days_say_nothing():
    share = drawn(0, 20)
    share[-5:] = 0
    assert days_late(counts(share)) is None
