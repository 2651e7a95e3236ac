"""What is optimised: its values, what it is called, and that all that chooses and compares follows it."""

import json
from dataclasses import replace
from math import inf, nan

import jsonschema
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import fbeta_score

from ratchet.core.evaluation.comparison import compare
from ratchet.core.evaluation.counts import Confusion, Counts
from ratchet.core.evaluation.f1 import f1, f1_all_positive, f1_of
from ratchet.core.evaluation.objective_values import best_constant, parts, ratio, value_of
from ratchet.core.evaluation.resampling import Interval, Resampling, influence
from ratchet.core.evaluation.threshold import choose, choose_expected, curve
from ratchet.core.objective import F1, SCHEMA, Objective
from ratchet.errors import FailedError
from tests.unit.strategies import counted, rows

F2, HALF = Objective(beta=2), Objective(beta=0.5)
COST = Objective(cost=(1, 8))
EVEN = Objective(cost=(1, 1))

count = st.integers(0, 60)
tables = st.lists(st.tuples(count, count, count, count), min_size=1, max_size=30)
prices = st.floats(0.01, 1000)
objectives = st.builds(Objective, beta=st.floats(0.05, 20)) | st.builds(
    Objective, beta=st.just(1.0), cost=st.tuples(prices, prices)
)


def confusion(table):
    """From a list of days with their true positives, false positives, false negatives, true negatives."""
    columns = np.asarray(table, dtype=np.int64).reshape(-1, 4).T
    return Confusion(np.arange(columns.shape[1]), *columns)


def value(objective, *table):
    return value_of(objective, confusion([table]))


def labelled(counts, threshold, objective):
    return value_of(objective, counts.confusion(threshold))


@pytest.mark.parametrize(
    ("objective", "table", "expected"),
    [
        (F1, (30, 20, 10, 40), 60 / 90),
        (F2, (30, 20, 10, 40), 150 / 210),
        (HALF, (30, 20, 10, 40), 37.5 / 60),
        (COST, (30, 20, 10, 40), -1.0),
        (Objective(cost=(0.5, 2)), (30, 20, 10, 40), -0.3),
        (F2, (0, 0, 0, 9), 0.0),
        (COST, (3, 0, 0, 9), 0.0),
        (COST, (0, 0, 0, 0), 0.0),
    ],
)
def test_the_value_of_a_small_table(objective, table, expected):
    assert value(objective, *table) == pytest.approx(expected)


@given(rows(), st.floats(0.05, 20))
def test_an_f_beta_is_that_of_scikit_learn(drawn, beta):
    _, scores, labels = drawn
    predicted = scores >= 0.5
    counts = (predicted & labels, predicted & ~labels, ~predicted & labels, ~predicted & ~labels)
    measured = value(Objective(beta=beta), *(int(some.sum()) for some in counts))
    assert measured == pytest.approx(fbeta_score(labels, predicted, beta=beta, zero_division=0.0))


@given(tables)
def test_with_a_beta_of_one_all_is_exactly_f1(table):
    one, counts = Objective.parse({"beta": 1}), confusion(table)
    assert (one, one.form, one.name, one.tags()) == (F1, "f1", "F1", {})
    assert value_of(one, counts) == f1_of(counts)
    columns = np.asarray(table, dtype=np.int64).T
    assert (ratio(*parts(one, *columns)) == f1(*columns[:3])).all()


@given(rows())
def test_labelling_every_row_positive_is_the_best_constant_of_f1(drawn):
    counts, _ = counted(drawn)
    assert best_constant(F1, counts) == f1_all_positive(counts)


def test_the_best_constant_of_a_cost_is_the_cheaper_one():
    counts = Counts.from_rows([1] * 10, [0.5] * 10, [True] * 2 + [False] * 8, 64)
    assert best_constant(Objective(cost=(1, 8)), counts) == -0.8, "every row positive"
    assert best_constant(Objective(cost=(1, 3)), counts) == pytest.approx(-0.6), "every row negative"


@given(tables, tables)
def test_with_equal_costs_it_ranks_as_accuracy_does(one, other):
    first, second = confusion(one), confusion(other)
    assume(first.rows and second.rows)

    def accuracy(counts):
        return (counts.true_positive.sum() + counts.true_negative.sum()) / counts.rows

    assert value_of(EVEN, first) == pytest.approx(accuracy(first) - 1)
    if abs(accuracy(first) - accuracy(second)) > 1e-9:
        assert (value_of(EVEN, first) > value_of(EVEN, second)) == (accuracy(first) > accuracy(second))


@given(tables, objectives)
def test_a_value_lies_between_its_bounds(table, objective):
    low, high = objective.bounds
    assert low - 1e-9 * abs(low) <= value_of(objective, confusion(table)) <= high


@given(tables, objectives)
def test_models_with_the_same_counts_tie_however_they_fall_on_the_days(table, objective):
    total = [tuple(sum(column) for column in zip(*table, strict=True))]
    assert value_of(objective, confusion(table)) == value_of(objective, confusion(total))


@given(rows(), objectives)
def test_no_other_threshold_has_a_better_value(drawn, objective):
    counts, scores = counted(drawn)
    chosen = choose(counts, objective)
    values = [labelled(counts, other, objective) for other in np.unique(scores)]
    assert chosen.achieved == pytest.approx(max(values))
    assert chosen.achieved == labelled(counts, chosen.value, objective)
    assert chosen.f1 == f1_of(counts.confusion(chosen.value))
    assert curve(counts, objective).objective.tolist() == pytest.approx(values)


@given(rows(), st.tuples(prices, prices))
def test_by_expected_cost_a_row_is_positive_from_the_false_positives_share_in_both_costs_on(drawn, cost):
    counts, scores = counted(drawn)
    chosen = choose_expected(counts, Objective(cost=cost))
    share = cost[0] / sum(cost)
    assume(np.abs(scores - share).min() > 1e-6)
    above = scores[scores >= share]
    assert chosen.value == (above.min() if len(above) else scores.max())
    assert (chosen.expected, chosen.objective.cost) == (True, cost)


@given(rows(), st.floats(0.05, 20))
def test_no_other_threshold_has_a_better_expected_f_beta(drawn, beta):
    counts, scores = counted(drawn)

    def expected(threshold):
        picked = scores >= threshold
        hits, square = scores[picked].sum(), beta**2
        whole = picked.sum() + square * scores.sum()
        return (1 + square) * hits / whole if whole else 0.0

    chosen = choose_expected(counts, Objective(beta=beta)).value
    assert expected(chosen) == pytest.approx(max(map(expected, np.unique(scores))))


def test_the_more_a_missed_positive_costs_the_lower_is_the_threshold():
    random = np.random.default_rng(0)
    labels = random.random(4_000) < 0.3
    scores = 1 / (1 + np.exp(1 - random.normal(0.8 * labels, 1.0)))
    counts = Counts.from_rows(np.zeros(4_000), scores, labels, 1_024)
    chosen = [choose(counts, Objective(cost=(1, price))).value for price in (1, 2, 4, 8)]
    assert chosen == sorted(chosen, reverse=True)
    assert chosen[0] > chosen[-1]
    assert choose(counts, HALF).value > choose(counts).value > choose(counts, F2).value


@given(tables, objectives)
def test_what_the_days_add_sums_to_zero_and_is_the_derivative(table, objective):
    counts = confusion(table)
    numerator, denominator = parts(objective, *np.asarray(table, dtype=np.int64).T)
    assume(denominator.sum() > 1)
    adds = influence(counts, objective)
    scale = max(abs(bound) for bound in objective.bounds)
    assert adds.sum() == pytest.approx(0, abs=1e-9 * scale)
    day, step = len(table) // 2, 1e-6
    more = np.ones(len(table))
    more[day] += step
    shifted = (more @ numerator) / (more @ denominator)
    assert (shifted - value_of(objective, counts)) / step == pytest.approx(adds[day], abs=1e-4 * scale)


def noisy(seed, hits, days=40):
    """Days with 100 rows of which 30 are positive; hits: the share that is found."""
    random = np.random.default_rng(seed)
    found, false = random.binomial(30, hits, days), random.binomial(70, hits / 2, days)
    return Confusion(np.arange(days), found, false, 30 - found, 70 - false)


def test_a_version_with_the_lower_f1_can_be_the_better_one():
    eager, careful = confusion([(28, 30, 2, 40)] * 30), confusion([(21, 10, 9, 60)] * 30)
    assert f1_of(eager) < f1_of(careful)
    assert compare(eager, {1: careful}, 500, 0).probabilities == {1: 0.0}
    by_cost = compare(eager, {1: careful}, 500, 0, COST)
    assert by_cost.probabilities == {1: 1.0}
    assert by_cost.interval == Interval(*[pytest.approx(-(30 + 8 * 2) / 100)] * 2)
    assert by_cost.intervals[1] == Interval(*[pytest.approx(-(10 + 8 * 9) / 100)] * 2)


@given(st.integers(0, 50))
def test_a_cost_in_another_currency_decides_the_same(seed):
    one, other = noisy(seed, 0.6), noisy(seed + 1, 0.62)
    dollars, cents = (compare(one, {1: other}, 300, 0, Objective(cost=cost)) for cost in ((1, 8), (100, 800)))
    assert cents.probabilities == dollars.probabilities
    assert cents.interval.low == pytest.approx(100 * dollars.interval.low)


@given(st.integers(0, 50), objectives)
def test_the_interval_holds_the_value_and_stays_within_the_bounds(seed, objective):
    one = noisy(seed, 0.6)
    interval, (low, high) = compare(one, {}, 300, 0, objective).interval, objective.bounds
    assert low <= interval.low <= value_of(objective, one) <= interval.high <= high
    assert compare(confusion([(3, 2, 1, 4)]), {}, 100, 0, objective).interval == Interval(low, high)


def test_the_spread_of_a_cost_over_days_is_that_of_the_mean():
    one = noisy(3, 0.6)
    by_day = (one.false_positive + 8 * one.false_negative) / 100
    resampled = Resampling(40, 1, 20_000, 0).values(COST, [one])
    assert resampled.std() == pytest.approx(by_day.std() / np.sqrt(40), rel=0.03)


@pytest.mark.parametrize(
    ("form", "name", "said", "shown"),
    [
        ("f1", "F1", "F1 0.5", 0.25),
        ({"beta": 2}, "F2", "F2 0.5", 0.25),
        ({"beta": 0.5}, "F0.5", "F0.5 0.5", 0.25),
        ({"cost": {"false_positive": 1, "false_negative": 8}}, "cost", "cost 0.5 a row", -0.25),
    ],
)
def test_an_objective_is_named_as_people_do_and_read_back_from_its_tag(form, name, said, shown):
    objective = Objective.parse(form)
    assert (objective.name, objective.said("0.5"), objective.shown(0.25)) == (name, said, shown)
    assert Objective.parse(objective.form) == objective == Objective.parse(objective)
    assert Objective.from_tag(objective.tags().get("ratchet.objective"), "a run") == objective
    jsonschema.validate(form, SCHEMA)
    jsonschema.validate(json.loads(json.dumps(objective.form)), SCHEMA)


REFUSED = [
    "f2",
    None,
    2,
    {},
    {"beta": 0},
    {"beta": -1},
    {"beta": 1_001},
    {"beta": True},
    {"beta": "2"},
    {"gamma": 2},
    {"beta": 2, "cost": {"false_positive": 1, "false_negative": 8}},
    {"cost": 3},
    {"cost": {}},
    {"cost": {"false_positive": 1}},
    {"cost": {"false_positive": 1, "false_negative": 0}},
    {"cost": {"false_positive": 0, "false_negative": 8}},
    {"cost": {"false_positive": -1, "false_negative": 8}},
    {"cost": {"false_positive": 1, "false_negative": 2e9}},
    {"cost": {"false_positive": 1, "false_negative": 8, "true_negative": 1}},
]


@pytest.mark.parametrize("form", REFUSED, ids=str)
def test_anything_else_is_refused_by_the_setting_and_by_the_schema(form):
    with pytest.raises(ValueError, match="accepted"):
        Objective.parse(form)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(form, SCHEMA)


@pytest.mark.parametrize("number", [inf, nan, -inf])
def test_what_is_not_finite_is_refused(number):
    for form in ({"beta": number}, {"cost": {"false_positive": number, "false_negative": 1}}):
        with pytest.raises(ValueError, match="a number greater than 0"):
            Objective.parse(form)


@pytest.mark.parametrize("text", ["F2", "{", '{"beta": 0}', "3"])
def test_a_tag_that_was_edited_is_named(text):
    with pytest.raises(FailedError, match=r"ratchet.objective of the run r1"):
        Objective.from_tag(text, "the run r1")


def test_a_cost_of_nothing_is_shown_without_a_sign():
    assert f"{COST.shown(value(COST, 3, 0, 0, 9)):.3f}" == f"{replace(COST).shown(-0.0):.3f}" == "0.000"
