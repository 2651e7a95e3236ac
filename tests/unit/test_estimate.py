"""F1 expected from scores alone: exact on small tables, right on average where the scores are, blind to the labels."""

from datetime import date
from math import isnan, sqrt

import numpy as np
import pytest
from hypothesis import given

from ratchet.core.evaluation.counts import Counts, day_number, day_of
from ratchet.core.evaluation.estimate import expected, expected_confusion, past_error, rolling_estimates
from ratchet.core.evaluation.f1 import f1_of
from ratchet.core.evaluation.rolling import rolling
from ratchet.core.watch_estimate import MOST_MONTHS, WatchEstimate
from ratchet.core.windows import Window
from ratchet.errors import FailedError
from tests.unit.strategies import counted, rows

LEVELS = 16_384
WINDOW = Window("test", day_of(16_000), day_of(16_013))


def test_the_scores_of_a_small_table_add_up_to_its_expected_confusion():
    counts = Counts.from_table([1, 1, 2], [0.75, 0.25, 0.5], [True, False, False], [4, 8, 2], LEVELS)
    confusion = expected_confusion(counts, 0.5)
    assert confusion.day.tolist() == [1, 2]
    assert confusion.true_positive.tolist() == [3.0, 1.0]
    assert confusion.false_positive.tolist() == [1.0, 1.0]
    assert confusion.false_negative.tolist() == [2.0, 0.0]
    assert confusion.true_negative.tolist() == [6.0, 0.0]
    whole, first = expected(confusion), expected(confusion, 1, 1)
    assert (whole.rows, whole.positives) == (14, 6.0)
    assert (whole.precision, whole.recall, whole.f1) == (4 / 6, 4 / 6, 8 / 12)
    assert (first.rows, first.precision, first.recall, first.f1) == (12, 3 / 4, 3 / 5, 6 / 9)
    # F1 = 2 TP / (4 + TP + FN): its slopes at TP = 3, FN = 2 are 2 (4 + 2) / 81 and -6 / 81.
    assert first.f1_error == pytest.approx(sqrt((12 / 81) ** 2 * 4 * 0.1875 + (6 / 81) ** 2 * 8 * 0.1875))


def test_without_rows_or_without_a_positive_score_nothing_is_divided_by_zero():
    none = expected(expected_confusion(Counts.from_rows([], [], [], LEVELS), 0.5))
    assert (none.rows, isnan(none.f1), isnan(none.recall)) == (0, True, True)
    zero = expected(expected_confusion(Counts.from_rows([1, 1], [0.0, 0.0], [True, False], LEVELS), 0.5))
    assert (zero.rows, zero.positives, zero.precision, zero.recall, zero.f1, zero.f1_error) == (2, 0, 0, 0, 0, 0)


@given(rows())
def test_labels_do_not_count_and_windows_are_those_of_the_rolling_metrics(drawn):
    days, scores, labels = drawn
    counts, _ = counted(drawn)
    turned = Counts.from_rows(days, scores, ~labels, 64)
    found = rolling_estimates(counts, 0.5, WINDOW, days=7)
    for one, other, measured in zip(
        found, rolling_estimates(turned, 0.5, WINDOW, 7), rolling(counts, 0.5, WINDOW, 7), strict=True
    ):
        assert (one.day, one.days, one.expected.rows) == (measured.day, measured.days, measured.rows)
        assert one.expected.rows == other.expected.rows
        if one.expected.rows:
            assert one.expected.f1 == pytest.approx(other.expected.f1)
            assert one.expected.positives == pytest.approx(other.expected.positives)
            assert 0 <= one.expected.f1 <= 1


def test_where_scores_are_right_the_estimate_errs_as_much_as_chance_does():
    random = np.random.default_rng(7)
    errors, chance = [], []
    for _ in range(400):
        scores = random.beta(1, 3, 2_000)
        labels = random.random(2_000) < scores
        counts = Counts.from_rows(np.zeros(2_000), scores, labels, LEVELS)
        before = expected(expected_confusion(counts, 0.35))
        errors.append(before.f1 - f1_of(counts.confusion(0.35)))
        chance.append(before.f1_error)
    standardized = np.array(errors) / np.array(chance)
    assert abs(np.mean(errors)) < 4 * np.mean(chance) / sqrt(400), "unbiased"
    assert 0.9 < np.std(standardized) < 1.1, "the standard error is that of chance"
    assert 0.92 < np.mean(np.abs(standardized) < 1.96) < 0.98


def test_a_change_of_the_features_is_seen_and_one_of_the_concept_is_not():
    random = np.random.default_rng(8)
    scores = {"then": random.beta(1, 3, 50_000), "features moved": random.beta(2, 3, 50_000)}
    scores["concept moved"] = scores["then"]
    shares = {**scores, "concept moved": 0.5 * scores["then"]}
    before, after = {}, {}
    for name, score in scores.items():
        counts = Counts.from_rows(np.zeros(50_000), score, random.random(50_000) < shares[name], LEVELS)
        before[name] = expected(expected_confusion(counts, 0.35)).f1
        after[name] = f1_of(counts.confusion(0.35))
    assert before["features moved"] == pytest.approx(after["features moved"], abs=0.01)
    assert after["features moved"] > after["then"] + 0.08
    assert before["concept moved"] == pytest.approx(before["then"], abs=1e-12)
    assert after["concept moved"] < before["concept moved"] - 0.1


def test_past_errors_are_those_of_days_with_a_full_window_of_which_both_are_known():
    first = day_number(date(2013, 12, 30))
    estimated = {first + place: 0.5 for place in range(5)}
    realised = {first + place: value for place, value in enumerate([0.1, 0.4, 0.7, 0.6])}
    found = past_error(estimated, realised, length=2)
    assert found.by_month == pytest.approx({"2013-12": 0.1, "2014-01": -0.15})
    assert found.mean_absolute == pytest.approx((0.1 + 0.2 + 0.1) / 3)
    assert past_error(estimated, realised, length=5) is None
    assert past_error({}, realised, length=1) is None
    gap = {first: 0.1, first + 2: 0.7, first + 3: 0.6}
    assert past_error(estimated, gap, length=2).by_month == pytest.approx({"2014-01": -0.1})


ESTIMATE = WatchEstimate("2014-01-01", 12.5, 0.41, 0.4, 0.42, 0.35, 0.021, {"2013-12": -0.01})


def test_a_tag_holds_an_estimate_and_no_more_months_than_fit():
    assert WatchEstimate.from_tag(ESTIMATE.to_tag(), "it") == ESTIMATE
    many = {f"{year}-{month:02d}": 0.123456789 for year in range(2000, 2020) for month in range(1, 13)}
    long = WatchEstimate("2020-01-01", 12.5, 0.41, 0.4, 0.42, 0.35, 0.021, many).to_tag()
    assert len(long) < 5_000, "MLflow's limit"
    assert list(WatchEstimate.from_tag(long, "it").error_by_month) == sorted(many)[-MOST_MONTHS:]


def test_the_sentence_says_what_is_expected_how_far_off_it_was_and_what_it_can_not_see():
    assert ESTIMATE.sentence() == (
        "from the scores alone, a rolling F1 of 0.410 is expected on 2013-12-31; past estimates were off by 0.021 on"
        " average; it can't see a changed concept, where features and label relate differently than in the calibration"
        " window"
    )
    fresh = WatchEstimate("2014-01-01", 12.5, 0.41, 0.4, 0.42)
    assert "; no past estimate can be checked yet; " in fresh.sentence()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"until": 3}', ESTIMATE.to_tag().replace("2014-01-01", "soon")])
def test_a_tag_that_is_no_estimate_is_named(text):
    with pytest.raises(FailedError, match=r"ratchet\.estimate of version 3"):
        WatchEstimate.from_tag(text, "version 3")
