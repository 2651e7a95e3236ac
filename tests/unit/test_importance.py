"""Permutation importance: what a model does not use counts nothing, what it uses counts what it is worth."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score

from ratchet.core.evaluation.importance import (
    Permuted,
    average_precision,
    importances,
    permutation,
    to_csv,
)
from ratchet.core.evaluation.resampling import Interval

FEATURES = ("used", "little", "unused")
WEIGHTS = np.array([2.0, 0.5, 0.0])
NOTHING = Interval(0.0, 0.0)


def world(seed, rows=1_000, days=20, day_spread=0.5):
    """Days, labels and features of rows; the days differ in their share of positives."""
    random = np.random.default_rng(seed)
    day = 16_000 + np.sort(random.integers(days, size=rows))
    columns = random.standard_normal((rows, len(FEATURES)))
    level = day_spread * random.standard_normal(days)[day - 16_000]
    label = random.random(rows) < 1 / (1 + np.exp(1 - columns @ WEIGHTS - level))
    return day, label, columns


def output(columns, order):
    """What the model with WEIGHTS says of rows and of their copies."""
    copies = np.repeat(columns[None], len(FEATURES) + 1, axis=0)
    for place in range(len(FEATURES)):
        copies[place + 1, :, place] = columns[order, place]
    scores = 1 / (1 + np.exp(1 - copies @ WEIGHTS))
    return Permuted(FEATURES, scores >= 0.5, scores)


def found(seed, **sizes):
    day, label, columns = world(seed, **sizes)
    rows = importances(day, label, output(columns, permutation(len(day), seed)), 1_000, seed)
    return {one.feature: one for one in rows}


def test_a_feature_that_the_model_does_not_use_counts_exactly_nothing():
    unused = found(0)["unused"]
    assert (unused.f1, unused.f1_interval) == (0.0, NOTHING)
    assert (unused.average_precision, unused.average_precision_interval) == (0.0, NOTHING)


def test_importance_is_the_fall_of_the_measures():
    day, label, columns = world(1)
    scored = output(columns, permutation(len(day), 1))
    rows = {one.feature: one for one in importances(day, label, scored, 100, 0)}
    for place, name in enumerate(FEATURES, start=1):
        f1 = f1_score(label, scored.labels[0]) - f1_score(label, scored.labels[place])
        average = average_precision_score(label, scored.scores[0]) - average_precision_score(
            label, scored.scores[place]
        )
        assert rows[name].f1 == pytest.approx(f1)
        # Scores are counted on a grid of 1,024 levels.
        assert rows[name].average_precision == pytest.approx(average, abs=2e-3)


def test_the_greatest_comes_first_and_lies_within_its_interval():
    day, label, columns = world(2)
    rows = importances(day, label, output(columns, permutation(len(day), 2)), 1_000, 0)
    assert [one.feature for one in rows] == ["used", "little", "unused"]
    for one in rows[:2]:
        assert one.f1_interval.low < one.f1 < one.f1_interval.high
        assert one.average_precision_interval.low < one.average_precision < one.average_precision_interval.high
    assert rows[0].f1_interval.low > 0


def test_the_same_seed_gives_the_same_numbers_and_another_gives_others():
    assert found(3) == found(3)
    day, label, columns = world(3)
    other = importances(day, label, output(columns, permutation(len(day), 4)), 1_000, 3)
    assert found(3)["used"] != other[0]


def test_the_order_of_rows_does_not_matter():
    day, label, columns = world(5)
    scored = output(columns, permutation(len(day), 5))
    places = np.random.default_rng(1).permutation(len(day))
    moved = Permuted(FEATURES, scored.labels[:, places], scored.scores[:, places])
    assert importances(day[places], label[places], moved, 500, 0) == importances(day, label, scored, 500, 0)


def test_an_interval_holds_the_importance_in_95_of_100_worlds():
    """The truth is that of far more rows and days; 200 intervals miss it at most 24 times, by chance."""
    truth = found(0, rows=60_000, days=600)
    held = [
        (
            one["used"].f1_interval.low <= truth["used"].f1 <= one["used"].f1_interval.high,
            one["used"].average_precision_interval.low
            <= truth["used"].average_precision
            <= one["used"].average_precision_interval.high,
        )
        for one in (found(seed, rows=600, days=30) for seed in range(1, 101))
    ]
    assert np.sum(held) >= 200 - 24


def test_one_day_says_nothing_about_others():
    day, label, columns = world(6, days=1)
    first = importances(day, label, output(columns, permutation(len(day), 6)), 100, 0)[0]
    assert first.f1_interval == first.average_precision_interval == Interval(-1.0, 1.0)


@pytest.mark.parametrize("label", [False, True])
def test_rows_of_one_class_alone_have_an_importance(label):
    day, labels, columns = world(7, rows=50)
    rows = importances(day, np.full_like(labels, label), output(columns, permutation(50, 7)), 100, 0)
    assert all(np.isfinite([one.f1, one.average_precision]).all() for one in rows)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_average_precision_is_scikit_learns(rows):
    positive, negative = np.array(rows, dtype=np.float64).T
    (measured,) = average_precision(positive[None], negative[None])
    if not positive.sum():
        assert measured == 0
        return
    scores = np.repeat(np.arange(len(rows))[::-1], 2)
    label = np.tile([True, False], len(rows))
    weight = np.stack([positive, negative], axis=1).ravel()
    kept = weight > 0
    assert measured == pytest.approx(average_precision_score(label[kept], scores[kept], sample_weight=weight[kept]))


def test_the_table_has_a_line_for_each_model_and_feature():
    day, label, columns = world(8)
    rows = importances(day, label, output(columns, permutation(len(day), 8)), 100, 0)
    lines = list(csv.DictReader(io.StringIO(to_csv({"candidate": rows, "champion": rows[:1]}))))
    assert [(line["model"], line["feature"]) for line in lines] == [
        *(("candidate", name) for name in FEATURES),
        ("champion", "used"),
    ]
    assert float(lines[0]["f1"]) == rows[0].f1
    assert float(lines[0]["average_precision_high"]) == rows[0].average_precision_interval.high
