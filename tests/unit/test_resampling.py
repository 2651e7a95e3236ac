import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ratchet.core.evaluation.counts import Confusion
from ratchet.core.evaluation.f1 import f1_of
from ratchet.core.evaluation.resampling import (
    Interval,
    Resampling,
    block_length,
    day_weights,
    f1_interval,
    influence,
)


def days_like(true_positive):
    """Days with 100 rows each that are positive or labelled so: F1 is a mean over the days of a linear measure."""
    true_positive = np.asarray(true_positive)
    rest = 100 - 2 * true_positive
    return Confusion(np.arange(len(rest)), true_positive, rest // 2, rest - rest // 2, np.full(len(rest), 10))


def independent(seed, days):
    return days_like(np.random.default_rng(seed).integers(5, 45, days))


def alike(seed, days):
    """Days whose neighbours correlate by 0.6."""
    shocks = np.random.default_rng(seed).normal(size=days)
    level = np.zeros(days)
    for day in range(days):
        level[day] = 0.6 * level[day - 1] + 0.8 * shocks[day]
    return days_like(np.clip(25 + 6 * level, 0, 50).astype(np.int64))


def single_days(confusion):
    """The percentile interval of days drawn one by one, without widening."""
    resampled = Resampling(len(confusion.day), 1, 2_000, 0).f1([confusion])
    return Interval(*np.quantile(resampled, [0.025, 0.975]))


def width(interval):
    return interval.high - interval.low


@st.composite
def blocks(draw):
    days = draw(st.integers(1, 40))
    return days, draw(st.integers(1, days))


@given(blocks(), st.integers(0, 1000))
def test_a_resample_is_made_of_blocks_of_consecutive_days(drawn, seed):
    days, length = drawn
    weights = day_weights(days, length, 50, seed)
    starts = np.random.default_rng(seed).integers(days, size=(50, -(-days // length)))
    for row, first in zip(weights, starts, strict=True):
        chosen = ((first[:, None] + np.arange(length)) % days).ravel()[:days]
        assert row.tolist() == np.bincount(chosen, minlength=days).tolist()


@given(blocks())
def test_every_day_is_drawn_equally_often(drawn):
    weights = day_weights(*drawn, 4_000, 0)
    assert (weights.sum(axis=1) == drawn[0]).all()
    assert weights.mean(axis=0) == pytest.approx(1, abs=0.1)


def test_the_resamples_do_not_depend_on_how_many_are_drawn_at_once(monkeypatch):
    whole = day_weights(30, 4, 2_500, 7)
    monkeypatch.setattr("ratchet.core.evaluation.resampling._AT_ONCE", 300)
    assert (day_weights(30, 4, 2_500, 7) == whole).all()


@pytest.mark.parametrize("length", [1, 4, 7])
def test_resampled_f1_varies_as_the_sums_of_the_blocks_do(length):
    one = alike(3, 60)
    circle = np.concatenate([influence(one)] * 2)

    def variance(days):
        return np.mean([circle[first : first + days].sum() ** 2 for first in range(60)])

    full, rest = divmod(60, length)
    expected = np.sqrt(full * variance(length) + variance(rest))
    assert Resampling(60, length, 20_000, 0).f1([one]).std() == pytest.approx(expected, rel=0.03)


@given(st.integers(0, 1000))
def test_what_the_days_add_sums_to_zero_and_approximates_what_f1_loses_without_a_day(seed):
    one = independent(seed, 200)
    adds = influence(one)
    fewer = Confusion(*(getattr(one, name)[1:] for name in one.__dataclass_fields__))
    assert adds.sum() == pytest.approx(0, abs=1e-9)
    assert f1_of(one) - f1_of(fewer) == pytest.approx(adds[0], rel=0.02, abs=1e-9)


def test_the_interval_is_students_where_days_are_independent_and_f1_is_a_mean():
    values = np.array([12, 31, 22, 17, 35, 26, 20, 29, 14, 24, 33, 19])
    one = days_like(values)
    error = (values / 50).std(ddof=1) / np.sqrt(12)
    low, high = stats.t.interval(0.95, 11, loc=f1_of(one), scale=error)
    resampling = Resampling(12, 1, 100_000, 0)
    interval = resampling.interval(f1_of(one), resampling.f1([one])[:, 0])
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.02 * (high - low))


def test_independent_days_have_nearly_the_interval_of_single_days():
    many = [independent(seed, 365) for seed in range(20)]
    ratios = [width(f1_interval(one, 2_000, 0)) / width(single_days(one)) for one in many]
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_days_that_are_alike_have_a_wider_interval(seed):
    one = alike(seed, 365)
    assert width(f1_interval(one, 2_000, 0)) / width(single_days(one)) > 1.5


@given(st.integers(0, 1000), st.integers(2, 100))
def test_a_block_is_at_most_a_quarter_of_the_days_rounded_up(seed, days):
    assert 1 <= block_length(influence(alike(seed, days))) <= (days + 3) // 4


@given(st.integers(0, 1000), st.floats(1e-6, 1e6))
def test_the_length_of_a_block_does_not_depend_on_the_unit(seed, factor):
    series = influence(alike(seed, 60))
    assert block_length(series) == block_length(series * factor)


def test_the_more_alike_days_are_the_longer_is_a_block():
    random = np.random.default_rng(0)
    lengths = []
    for correlation in (-0.5, 0, 0.3, 0.6, 0.9):
        series = np.zeros(2_000)
        for day in range(2_000):
            series[day] = correlation * series[day - 1] + random.normal()
        lengths.append(block_length(series - series.mean()))
    assert lengths[0] == lengths[1] < lengths[2] < lengths[3] < lengths[4]


@pytest.mark.parametrize(("days", "length"), [(1, 1), (7, 2), (14, 3), (30, 4), (365, 8)])
def test_where_nothing_is_alike_the_number_of_days_decides(days, length):
    assert block_length(np.zeros(days)) == length


def test_one_day_says_nothing_about_others():
    assert f1_interval(days_like([30]), 200, 0) == Interval(0.0, 1.0)


@given(st.integers(0, 1000), st.integers(2, 5))
def test_an_interval_of_few_days_is_within_zero_and_one_and_holds_f1(seed, days):
    one = independent(seed, days)
    interval = f1_interval(one, 500, 0)
    assert 0 <= interval.low <= f1_of(one) <= interval.high <= 1


def test_days_without_rows_in_between_change_nothing():
    one = independent(1, 30)
    apart = Confusion(one.day * 3, *(getattr(one, name) for name in list(one.__dataclass_fields__)[1:]))
    assert f1_interval(apart, 500, 0) == f1_interval(one, 500, 0)
