import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.core.evaluation.comparison import compare
from ratchet.core.evaluation.counts import Confusion
from ratchet.core.evaluation.f1 import f1_of


def confusion(right, wrong, missed, days=28):
    """A month in which every day is the same."""
    return Confusion(np.arange(days), *(np.full(days, number) for number in (right, wrong, missed, 10)))


def noisy(seed, lift=0):
    random = np.random.default_rng(seed)
    return Confusion(np.arange(28), *(random.integers(5, 30, 28) + add for add in (lift, 0, 0, 0)))


def test_days_that_are_alike_leave_no_doubt():
    result = compare(confusion(8, 2, 2), {1: confusion(7, 2, 3)}, samples=200, seed=0)
    assert result.probabilities == {1: 1.0}
    assert result.interval.low == pytest.approx(result.interval.high) == pytest.approx(f1_of(confusion(8, 2, 2)))


def test_a_tie_counts_against_the_candidate():
    same = noisy(3)
    assert compare(same, {1: same}, samples=500, seed=0).probabilities == {1: 0.0}


@pytest.mark.parametrize(("days", "known"), [(1, False), (13, False), (14, True)])
def test_below_fourteen_days_with_rows_no_probability_is_known(days, known):
    first, second = (
        Confusion.from_rows(np.arange(days), [1] * days, label, [9] * days) for label in ([1] * days, [0] * days)
    )
    assert (compare(first, {1: second}, samples=200, seed=0).probabilities[1] is not None) is known


def test_without_versions_there_is_no_probability():
    assert compare(noisy(1), {}, samples=100, seed=0).probabilities == {}


@given(st.integers(0, 1000))
def test_the_interval_holds_the_measured_f1(seed):
    result = compare(noisy(seed), {}, samples=500, seed=0)
    assert result.interval.low <= f1_of(noisy(seed)) <= result.interval.high


def test_the_interval_is_as_wide_as_the_standard_error_by_the_delta_method_says():
    one = noisy(7)
    f1 = f1_of(one)
    twice, whole = 2 * one.true_positive, 2 * one.true_positive + one.false_positive + one.false_negative
    residual = twice - f1 * whole
    error = np.sqrt((residual**2).sum()) / whole.sum()
    interval = compare(one, {}, samples=20_000, seed=0).interval
    assert (interval.high - interval.low) / (2 * 1.96) == pytest.approx(error, rel=0.1)


def test_a_version_without_rows_on_a_day_is_resampled_on_the_same_days():
    part = Confusion(np.array([3]), *(np.array([number]) for number in (8, 2, 2, 10)))
    assert compare(confusion(8, 2, 2), {1: part}, samples=100, seed=0).intervals[1].low == 0.0


def test_the_same_seed_gives_the_same_result():
    first, second = (compare(noisy(1), {1: noisy(2)}, samples=300, seed=5) for _ in range(2))
    assert first == second
