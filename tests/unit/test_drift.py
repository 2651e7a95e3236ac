"""Buckets, the counts of features, and the distance between two windows of them."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from ratchet.core.evaluation import drift, feature_counts
from ratchet.core.evaluation.buckets import DIGITS, LARGEST, SMALLEST, bucket_of, count
from ratchet.core.evaluation.drift import distance
from ratchet.core.evaluation.feature_counts import MOST_VALUES, FeatureCounts
from ratchet.errors import FailedError

ROWS = st.lists(st.integers(0, 1000), min_size=2, max_size=40)
NAMES = st.text(min_size=1, max_size=8)


def bucket(value):
    return float(bucket_of(np.array([value], dtype=np.float64))[0])


@given(st.floats(allow_nan=False))
def test_a_bucket_is_near_what_lies_in_it_and_lies_in_itself(value):
    number = bucket(value)
    assert bucket(number) == number
    if SMALLEST <= abs(value) <= LARGEST:
        assert abs(value - number) <= abs(value) / 2**DIGITS
    assert np.frexp(number)[0] * 2**DIGITS == int(np.frexp(number)[0] * 2**DIGITS), "five binary digits"


@given(st.lists(st.floats(allow_nan=False), min_size=2, max_size=20))
def test_larger_values_have_no_smaller_bucket(values):
    assert (np.diff(bucket_of(np.sort(np.array(values)))) >= 0).all()


@given(st.lists(st.floats()))
def test_every_row_is_counted_once_in_its_bucket(values):
    array = np.array(values, dtype=np.float64)
    rows, missing = count(array)
    assert missing == np.isnan(array).sum()
    assert rows == Counter(bucket_of(array[~np.isnan(array)]).tolist())
    assert list(rows) == sorted(rows)


def test_whole_numbers_up_to_32_have_a_bucket_each():
    numbers = np.arange(-32, 33).astype(np.float64)
    assert bucket_of(numbers).tolist() == numbers.tolist()


@pytest.mark.parametrize(
    ("value", "expected"), [(-0.0, 0), (5e-324, 0), (1e-20, 0), (math.inf, LARGEST), (-1e300, -LARGEST), (33, 32)]
)
def test_what_is_very_small_or_large_or_between_has_a_bucket_too(value, expected):
    assert bucket(value) == expected


@given(ROWS, ROWS)
def test_the_distance_is_that_of_scipy(one, other):
    size = min(len(one), len(other))
    p, q = np.array(one[:size], dtype=float), np.array(other[:size], dtype=float)
    if p.sum() and q.sum():
        assert distance(p, q) == pytest.approx(jensenshannon(p, q, 2), abs=1e-7)
        assert distance(p, q) == pytest.approx(distance(q, p))
        assert 0 <= distance(p, q) <= 1
    else:
        assert distance(p, q) == 0


@given(ROWS, st.integers(2, 9))
def test_the_same_shares_have_no_distance_however_many_rows(rows, times):
    p = np.array(rows, dtype=float)
    assert distance(p, p) == 0
    assert distance(p, times * p) == pytest.approx(0, abs=1e-7)


def test_nothing_in_common_is_a_distance_of_one():
    assert distance(np.array([3.0, 4, 0, 0]), np.array([0.0, 0, 5, 1])) == 1


@pytest.mark.parametrize(("share", "expected"), [(0.01, 0.07), (0.05, 0.16), (0.10, 0.23)])
def test_what_the_documents_say_a_distance_means(share, expected):
    assert round(distance(np.array([1.0, 0.0]), np.array([1 - share, share])), 2) == expected


def test_chance_is_about_what_samples_of_one_distribution_differ_by():
    random = np.random.default_rng(0)
    shares = random.dirichlet(np.ones(40))
    found = []
    for _ in range(100):
        one, other = (
            FeatureCounts.of_numbers("x", dict(enumerate(random.multinomial(rows, shares).tolist())), 0)
            for rows in (5000, 900)
        )
        (row,) = drift.drift([one], [other])
        found.append((row.distance, row.chance))
    mean, chance = np.mean(found, axis=0)
    assert chance == pytest.approx(mean, rel=0.1)


def test_features_are_sorted_by_distance_and_those_of_one_window_alone_left_out():
    then = [FeatureCounts.of_texts(name, {"a": 5, "b": 5}, 0) for name in ("gone", "same", "moved")]
    now = [
        FeatureCounts.of_texts("same", {"a": 2, "b": 2}, 0, {"a": 5, "b": 5}),
        FeatureCounts.of_texts("moved", {"a": 4}, 4, {"a": 5, "b": 5}),
        FeatureCounts.of_texts("new", {"a": 4}, 0),
    ]
    rows = drift.drift(then, now)
    assert [row.feature for row in rows] == ["moved", "same"]
    assert (rows[1].distance, rows[0].missing_training, rows[0].missing_newest) == (0, 0, 0.5)


def test_a_missing_value_is_a_value_of_its_own():
    then = FeatureCounts.of_numbers("x", {1.0: 10}, 0)
    now = FeatureCounts.of_numbers("x", {1.0: 5}, 5)
    (row,) = drift.drift([then], [now])
    assert row.distance == pytest.approx(0.558, abs=0.001)


def test_texts_beyond_the_most_frequent_are_one_and_the_newest_are_told_apart_as_training_did():
    texts = {f"{number:03}": 1000 - number for number in range(MOST_VALUES + 50)}
    then = FeatureCounts.of_texts("x", texts, 3)
    assert len(then.by_value) == MOST_VALUES
    assert (then.other, then.missing, then.rows) == (sum(1000 - n for n in range(100, 150)), 3, sum(texts.values()) + 3)
    now = FeatureCounts.of_texts("x", {"000": 7, "120": 8, "never seen": 9}, 0, then.by_value)
    assert (dict(now.by_value), now.other) == ({"000": 7}, 17)


@given(st.data())
def test_the_counts_are_read_again_as_they_were_written(data):
    features = data.draw(st.lists(NAMES, max_size=4, unique=True))
    counts = []
    for place, name in enumerate(features):
        rest = data.draw(st.tuples(st.integers(0, 9), st.integers(0, 9)))
        if place % 2:
            values = data.draw(st.dictionaries(st.floats(allow_nan=False).map(bucket), st.integers(1)))
            counts.append(FeatureCounts(name, "numeric", values, 0, rest[1]))
        else:
            values = data.draw(st.dictionaries(st.text(max_size=8), st.integers(1)))
            counts.append(FeatureCounts(name, "categorical", values, *rest))
    assert feature_counts.from_csv(feature_counts.to_csv(counts)) == tuple(counts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "feature,kind\n",
        "feature,kind,part,value,rows\nx,odd,value,a,1\n",
        "feature,kind,part,value,rows\nx,numeric,value,a,1\n",
        "feature,kind,part,value,rows\nx,numeric,value,1.0,many\n",
        "feature,kind,part,value,rows\nx,numeric,else,,1\n",
        "feature,kind,part,value,rows\nx,numeric\n",
    ],
)
def test_what_is_no_table_of_counts_is_refused(text):
    with pytest.raises(FailedError, match=r"feature_counts\.csv"):
        feature_counts.from_csv(text)


def test_a_metric_has_a_name_that_mlflow_takes_and_no_other_feature_has():
    rows = [drift.FeatureDrift(name, "numeric", 0.1 * n, 0, 0, 0) for n, name in enumerate(("a b", "ä/c", "ü/c"), 1)]
    assert drift.metrics(rows) == {
        "drift.a b": pytest.approx(0.1),
        "drift.__c": pytest.approx(0.2),
        "drift.__c-2": pytest.approx(0.3),
        "drift_max": pytest.approx(0.3),
    }
    assert drift.metrics([]) == {}
