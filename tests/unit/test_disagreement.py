"""Where two models differ: the days, and the features of the rows that they label differently."""

from datetime import date

import numpy as np
import pytest

from ratchet.core.evaluation.counts import Confusion, day_number
from ratchet.core.evaluation.disagreement import Group, day_leads, disagreement

FIRST = day_number(date(2013, 12, 1))
ROWS = 2_000


def confusion(*days, first=FIRST):
    """Counts of (right positives, false alarms, missed positives) by day, with ten right negatives each."""
    columns = np.array(days).T
    return Confusion(first + np.arange(len(days)), *columns, np.full(len(days), 10))


def test_the_days_are_counted_and_those_that_differ_most_are_named_in_their_order():
    own = confusion((4, 1, 1), (4, 1, 1), (5, 0, 0), (0, 5, 5), (4, 1, 1))
    theirs = confusion((4, 1, 1), (3, 2, 2), (1, 4, 4), (4, 1, 1), (4, 1, 0))
    leads = day_leads(own, theirs)
    assert (leads.better, leads.worse, leads.same) == (2, 2, 1)
    assert [day.day.day for day in leads.greatest] == [2, 3, 4]
    third = leads.greatest[1]
    assert (third.rows, third.positives, third.candidate, third.champion) == (15, 5, 1.0, 0.2)
    assert third.lead == 0.8


def test_only_days_that_the_champion_has_not_learnt_from_are_compared():
    leads = day_leads(confusion((5, 0, 0), (4, 1, 1)), confusion((3, 2, 2), first=FIRST + 1))
    assert (leads.better, leads.worse, leads.same) == (1, 0, 0)
    assert [day.day.day for day in leads.greatest] == [2]


def test_equal_models_have_no_day_that_differs():
    leads = day_leads(confusion((4, 1, 1), (0, 0, 0)), confusion((4, 1, 1), (0, 0, 0)))
    assert (leads.better, leads.worse, leads.same, leads.greatest) == (0, 0, 2, ())


@pytest.fixture
def rows():
    """Numbers, texts and noise; the models disagree on a tenth of the rows, all of them of AA, or all late."""
    random = np.random.default_rng(0)
    columns = {
        "hour": random.integers(24, size=ROWS).astype(np.float64),
        "carrier": np.array(["AA", "BB", "CC", None], dtype=object)[random.integers(4, size=ROWS)],
        "noise": random.standard_normal(ROWS),
    }
    return columns, random.random(ROWS) < 0.5, random


def test_a_text_that_separates_the_rows_is_named_with_who_is_right(rows):
    columns, label, random = rows
    differs = (columns["carrier"] == "AA") & (random.random(ROWS) < 0.4)
    right = random.random(ROWS) < 0.75
    candidate = np.where(right, label, ~label)
    found = disagreement(columns, label, candidate, candidate ^ differs)
    assert (found.rows, found.disagreeing) == (ROWS, differs.sum())
    assert found.candidate_right == (differs & right).sum()
    expected = Group("carrier", "AA", int((columns["carrier"] == "AA").sum()), found.disagreeing, found.candidate_right)
    assert found.groups == (expected,)


def test_a_range_of_numbers_that_separates_the_rows_is_named(rows):
    columns, label, random = rows
    columns["hour"][:50] = np.nan
    differs = (columns["hour"] >= 20) & (random.random(ROWS) < 0.4)
    found = disagreement(columns, label, label, label ^ differs)
    assert [(one.feature, one.values) for one in found.groups] == [("hour", "20 to 23")]
    assert found.groups[0].candidate_right == found.candidate_right == found.disagreeing


def test_missing_values_and_rare_texts_are_groups(rows):
    columns, label, random = rows
    missing = np.array([value is None for value in columns["carrier"]])
    found = disagreement(columns, label, label, label ^ (missing & (random.random(ROWS) < 0.4)))
    assert found.groups[0].values == "missing"
    rare = np.arange(ROWS) < 300
    columns["carrier"] = np.where(rare, np.array([f"r{row}" for row in range(ROWS)], dtype=object), columns["carrier"])
    found = disagreement(columns, label, label, label ^ (rare & (random.random(ROWS) < 0.4)))
    assert (found.groups[0].values, found.groups[0].rows) == ("other values", 300)


def test_at_most_three_features_are_named_the_clearest_first():
    random = np.random.default_rng(1)
    differs = random.random(ROWS) < 0.2
    columns = {
        f"f{place}": differs + spread * random.standard_normal(ROWS) for place, spread in enumerate((3, 1, 2, 4))
    }
    found = disagreement(columns, differs, differs, np.zeros(ROWS, dtype=bool))
    assert [one.feature for one in found.groups] == ["f1", "f2", "f0"]


def test_chance_alone_names_a_feature_in_at_most_5_of_100_tables():
    named = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        columns = {f"f{place}": random.standard_normal(500) for place in range(8)}
        columns["text"] = np.array(["a", "b", "c"], dtype=object)[random.integers(3, size=500)]
        label = random.random(500) < 0.5
        named += bool(disagreement(columns, label, label, label ^ (random.random(500) < 0.1)).groups)
    assert named <= 18  # of 200: by chance beyond 5 of 100 once in a hundred runs


@pytest.mark.parametrize("differs", [False, True])
def test_models_that_agree_on_all_rows_or_on_none_have_no_groups(rows, differs):
    columns, label, _ = rows
    found = disagreement(columns, label, label, label ^ differs)
    assert (found.disagreeing, found.groups) == (differs * ROWS, ())


def test_columns_without_a_value_or_with_one_alone_separate_nothing(rows):
    _, label, random = rows
    columns = {
        "empty": np.full(ROWS, np.nan),
        "constant": np.ones(ROWS),
        "nothing": np.full(ROWS, None, dtype=object),
    }
    found = disagreement(columns, label, label, label ^ (random.random(ROWS) < 0.1))
    assert found.groups == ()
