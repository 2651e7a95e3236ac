import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import f1_score

from ratchet.core.evaluation import threshold
from ratchet.core.evaluation.counts import Counts
from tests.unit.strategies import LEVELS, counted, rows


@given(rows())
def test_no_other_threshold_gives_a_better_f1(drawn):
    _, _, labels = drawn
    counts, scores = counted(drawn)
    chosen = threshold.choose(counts)
    best = max(f1_score(labels, scores >= other, zero_division=0.0) for other in np.unique(scores))
    assert chosen.f1 == pytest.approx(best)
    assert f1_score(labels, scores >= chosen.value, zero_division=0.0) == pytest.approx(best)


@given(rows())
def test_no_other_threshold_gives_a_better_expected_f1(drawn):
    counts, scores = counted(drawn)

    def expected_f1(threshold):
        labelled = scores >= threshold
        whole = labelled.sum() + scores.sum()
        return 2 * scores[labelled].sum() / whole if whole else 0.0

    chosen = threshold.choose_expected(counts)
    assert chosen.expected
    assert expected_f1(chosen.value) == pytest.approx(max(map(expected_f1, np.unique(scores))))


@given(rows())
def test_expected_f1_is_chosen_by_scores_alone_and_its_own_f1_is_that_of_the_labels(drawn):
    days, scores, labels = drawn
    chosen = threshold.choose_expected(Counts.from_rows(days, scores, labels, LEVELS))
    other = threshold.choose_expected(Counts.from_rows(days, scores, ~labels, LEVELS))
    assert chosen.value == other.value
    assert chosen.f1 == pytest.approx(f1_score(labels, scores >= chosen.value, zero_division=0.0))


def test_the_best_expected_f1_is_twice_its_threshold():
    """Of calibrated scores without gaps: Lipton, Elkan and Narayanaswamy, theorem 1."""
    scores = np.random.default_rng(0).beta(0.5, 5, 100_000)
    chosen = threshold.choose_expected(Counts.from_rows(np.zeros(len(scores)), scores, scores > 0.2, 16_384))
    labelled = scores >= chosen.value
    assert 2 * scores[labelled].sum() / (labelled.sum() + scores.sum()) == pytest.approx(2 * chosen.value, abs=1e-3)


def test_of_equally_good_thresholds_the_highest_is_chosen():
    counts = Counts.from_rows([1, 1, 1], [0.25, 0.5, 0.75], [True, False, True], 64)
    lowest_and_middle_lose = {round(float(value), 3) for value in threshold.curve(counts).f1}
    assert threshold.choose(counts).value == 0.25
    assert lowest_and_middle_lose == {0.8, 0.5, 0.667}
    tied = Counts.from_rows([1, 1, 1, 1], [0.25, 0.25, 0.5, 0.75], [True, False, False, True], 64)
    values = dict(zip(threshold.curve(tied).threshold, threshold.curve(tied).f1, strict=True))
    assert values[0.25] == pytest.approx(values[0.75])
    assert threshold.choose(tied).value == 0.75


@given(rows())
def test_the_curve_has_a_point_for_each_distinct_score(drawn):
    counts, scores = counted(drawn)
    points = threshold.curve(counts)
    assert points.threshold.tolist() == np.unique(scores).tolist()
    assert points.recall[0] == 1.0
