"""The floor of the rolling F1: what chance alone explains, at each week's share of positives."""

from datetime import date, timedelta
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.core.evaluation.counts import Confusion, day_number
from ratchet.core.evaluation.f1 import f1, f1_of
from ratchet.core.evaluation.floor import floor_of
from ratchet.core.evaluation.objective_values import value_of
from ratchet.core.objective import F1, Objective

FIRST = date(2013, 7, 1)


def confusion(table, first=FIRST):
    """From a list of days with their true positives, false positives, false negatives, true negatives."""
    columns = np.asarray(table, dtype=np.int64).reshape(-1, 4).T
    return Confusion(np.arange(columns.shape[1]) + day_number(first), *columns)


def floored(counts, false_alarms=0.01, samples=2_000, seed=0, days=7, objective=F1):
    end = FIRST + timedelta(days=int(counts.day[-1]) - day_number(FIRST) + 1)
    return floor_of(counts, FIRST, end, days, false_alarms, samples, seed, objective)


def at_its_own_rate(counts, **more):
    positives = int((counts.true_positive + counts.false_negative).sum())
    return floored(counts, **more).at(counts.rows, positives)


def simulated(days, seed, recall=0.6, rate=0.2, spread=0.5, rows=400):
    """Days whose share of positives moves from day to day, with its neighbours, around one in five."""
    draw, level = np.random.default_rng(seed), 0.0
    table = []
    for _ in range(days):
        level = 0.4 * level + draw.normal(0, spread)
        positives = draw.binomial(rows, 1 / (1 + 4 * np.exp(-level)))
        shift = draw.normal(0, 0.15)
        hit = draw.binomial(positives, 1 / (1 + np.exp(-np.log(recall / (1 - recall)) - shift)))
        false = draw.binomial(rows - positives, 1 / (1 + np.exp(-np.log(rate / (1 - rate)) - shift)))
        table.append((hit, false, positives - hit, rows - positives - false))
    return confusion(table)


DAYS = st.lists(st.tuples(*[st.integers(0, 60)] * 4), min_size=1, max_size=40).filter(
    lambda days: sum(day[0] + day[2] for day in days) > 0
)


OBJECTIVES = st.sampled_from(
    [Objective(beta=2), Objective(beta=0.3), Objective(cost=(1, 8)), Objective(cost=(0.3, 0.1))]
)


@given(DAYS)
def test_it_is_never_above_the_versions_own_f1(days):
    counts = confusion(days)
    assert 0 <= at_its_own_rate(counts, samples=200) <= f1_of(counts)


@given(DAYS, st.floats(0.001, 0.2), st.floats(0.001, 0.2))
def test_fewer_false_alarms_never_raise_it(days, one, other):
    counts, (less, more) = confusion(days), sorted((one, other))
    assert at_its_own_rate(counts, false_alarms=less, samples=200) <= at_its_own_rate(
        counts, false_alarms=more, samples=200
    )


@given(DAYS)
def test_the_same_counts_give_the_same_floor(days):
    assert floored(confusion(days), samples=200) == floored(confusion(days), samples=200)


@given(DAYS, OBJECTIVES)
def test_of_another_objective_it_is_never_above_the_versions_own_value_nor_out_of_bounds(days, objective):
    counts, (low, _) = confusion(days), objective.bounds
    own = value_of(objective, counts)
    assert low <= at_its_own_rate(counts, samples=200, objective=objective) <= own + 1e-9 * abs(low)


@given(DAYS)
def test_of_f1_by_its_beta_it_is_that_of_f1(days):
    assert floored(confusion(days), samples=200, objective=Objective(beta=1)) == floored(confusion(days), samples=200)


@given(DAYS)
def test_a_cost_in_another_currency_has_the_same_floor_in_that(days):
    counts = confusion(days)
    dollars, cents = (
        at_its_own_rate(counts, samples=200, objective=Objective(cost=cost)) for cost in ((1, 8), (100, 800))
    )
    assert cents == pytest.approx(100 * dollars)


@pytest.mark.parametrize("objective", [Objective(beta=2), Objective(cost=(1, 8)), Objective(cost=(1, 1))], ids=str)
@pytest.mark.parametrize("share", [0.01, 0.05])
def test_of_unchanged_weeks_about_the_named_share_is_low_by_another_objective(share, objective):
    low = []
    for seed in range(60):
        days = simulated(230, seed)
        floor = floored(_part(days, 0, 30), share, objective=objective)
        weeks = [_part(days, end - 7, end) for end in range(40, 231, 10)]
        low += [value_of(objective, week) < floor.at(week.rows, _positives(week)) for week in weeks]
    assert share / 4 < np.mean(low) < share * 2


def test_a_version_whose_recall_fell_is_low_by_its_cost():
    worse = [simulated(60, seed, recall=0.4, rate=0.25) for seed in range(20)]
    weeks = [_part(days, 30, 37) for days in worse]
    floors = [floored(simulated(30, seed), objective=Objective(cost=(1, 8))) for seed in range(20)]
    low = [
        value_of(floor.objective, week) < floor.at(week.rows, _positives(week))
        for week, floor in zip(weeks, floors, strict=True)
    ]
    assert np.mean(low) > 0.8


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_of_weeks_that_nothing_has_changed_in_about_the_named_share_is_low(share):
    low = []
    for seed in range(60):
        days = simulated(230, seed)
        floor = floored(_part(days, 0, 30), share)
        # The weeks that end every tenth day of the two hundred that follow.
        low += [_low(_part(days, end - 7, end), floor) for end in range(40, 231, 10)]
    assert share / 4 < np.mean(low) < share * 2


def test_a_version_that_has_become_worse_is_low_although_more_rows_are_positive():
    worse = [simulated(60, seed, recall=0.4, rate=0.25) for seed in range(20)]
    floors = [floored(simulated(30, seed)) for seed in range(20)]
    assert np.mean([_low(_part(days, 30, 37), floor) for days, floor in zip(worse, floors, strict=True)]) > 0.8
    floor = floors[0]
    assert floor.at(2_800, 1_400) > floor.at(2_800, 560) > floor.at(2_800, 100)


def _part(days, first, end):
    kept = (days.day >= day_number(FIRST) + first) & (days.day < day_number(FIRST) + end)
    columns = (days.true_positive, days.false_positive, days.false_negative, days.true_negative)
    return Confusion(days.day[kept], *(column[kept] for column in columns))


def _low(week, floor):
    return f1_of(week) < floor.at(week.rows, _positives(week))


def _positives(week):
    return int((week.true_positive + week.false_negative).sum())


def test_the_fewer_days_the_lower_it_is():
    floors = {days: np.mean([at_its_own_rate(simulated(days, seed)) for seed in range(20)]) for days in (5, 7, 30, 180)}
    assert floors[5] < floors[7] < floors[30] < floors[180]
    own = np.mean([f1_of(simulated(7, seed)) for seed in range(20)])
    assert 0.05 < floors[7] < 0.8 * own


def test_of_a_single_day_chance_is_unknown_and_nothing_is_low():
    assert at_its_own_rate(confusion([(30, 20, 10, 40)])) == 0


def test_days_that_are_all_alike_leave_only_the_counts_themselves():
    alike = confusion([(300, 200, 100, 400)] * 30)
    assert at_its_own_rate(alike) == pytest.approx(f1(300, 200, 100), abs=0.001)


def test_days_without_rows_count_as_days_without_rows():
    table = [(6, 4, 3, 20), (7, 3, 2, 22), (5, 5, 4, 18), (6, 3, 5, 21)] * 4
    whole = confusion(table)
    workdays = Confusion(whole.day + 3 * (np.arange(16) // 4), *(confusion(table).__dict__[name] for name in COLUMNS))
    assert at_its_own_rate(workdays) < at_its_own_rate(whole), "a week has fewer rows"


COLUMNS = ("true_positive", "false_positive", "false_negative", "true_negative")


def test_a_week_without_a_positive_row_has_none():
    assert isnan(floored(simulated(30, 0)).at(100, 0))
