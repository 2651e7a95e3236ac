import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ratchet.core.evaluation.comparison import compare
from ratchet.core.evaluation.counts import Confusion, Counts
from ratchet.core.evaluation.f1 import f1_of
from ratchet.core.evaluation.resampling import Resampling, block_length, f1_interval
from tests.unit.strategies import LEVELS, rows


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
    adds = (twice - f1 * whole) / whole.sum()
    length = block_length(adds)
    assert 28 % length == 0
    blocks = 28 // length
    sums = [np.roll(adds, -first)[:length].sum() for first in range(28)]
    error = np.sqrt(blocks * np.mean(np.square(sums)) * blocks / (blocks - 1))
    interval = compare(one, {}, samples=20_000, seed=0).interval
    assert (interval.high - interval.low) / (2 * stats.t.ppf(0.975, blocks - 1)) == pytest.approx(error, rel=0.1)


def test_a_version_without_rows_on_a_day_is_resampled_on_the_same_days():
    part = Confusion(np.array([3]), *(np.array([number]) for number in (8, 2, 2, 10)))
    assert compare(confusion(8, 2, 2), {1: part}, samples=100, seed=0).intervals[1].low == 0.0


def test_the_same_seed_gives_the_same_result():
    first, second = (compare(noisy(1), {1: noisy(2)}, samples=300, seed=5) for _ in range(2))
    assert first == second


def twice(one):
    """The same days twice, one after the other."""
    _, *counts = (getattr(one, name) for name in one.__dataclass_fields__)
    return Confusion(np.arange(2 * len(one.day)), *(np.tile(values, 2) for values in counts))


@given(st.integers(0, 1000))
def test_twice_the_days_have_a_narrower_interval(seed):
    once, doubled = (compare(one, {}, samples=1000, seed=0).interval for one in (noisy(seed), twice(noisy(seed))))
    assert doubled.high - doubled.low < once.high - once.low


@given(st.integers(0, 1000), st.integers(1, 7))
def test_twice_the_days_are_at_least_as_sure_with_blocks_of_one_length(seed, length):
    pair = noisy(seed, lift=2), noisy(seed + 5000)
    lead = f1_of(pair[0]) - f1_of(pair[1])
    wrong = []
    for models in (pair, [twice(one) for one in pair]):
        resampling = Resampling(len(models[0].day), length, 4_000, 0)
        own, theirs = resampling.f1(models).T
        wrong.append((resampling.widened(lead, own - theirs) * np.sign(lead) <= 0).mean())
    assert wrong[1] < wrong[0] + 0.03


@given(rows(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(drawn, random):
    order = list(range(len(drawn[0])))
    random.shuffle(order)
    one, other = (Counts.from_rows(*part, LEVELS) for part in (drawn, [column[order] for column in drawn]))
    results = [
        compare(counts.confusion(0.5), {1: counts.confusion(0.25)}, samples=100, seed=0) for counts in (one, other)
    ]
    assert results[0] == results[1]


def test_how_many_versions_are_compared_changes_nothing_for_one_of_them():
    candidate, versions = noisy(1, lift=2), {number: noisy(number) for number in range(2, 12)}
    together = compare(candidate, versions, samples=500, seed=0)
    for number, version in versions.items():
        alone = compare(candidate, {number: version}, samples=500, seed=0)
        assert alone.probabilities[number] == together.probabilities[number]
        assert alone.intervals[number] == together.intervals[number]
    assert together.interval == f1_interval(candidate, 500, 0)
