import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import f1_score

from ratchet.core.evaluation import threshold
from ratchet.core.evaluation.counts import Counts
from tests.unit.strategies import counted, rows


@given(rows())
def test_no_other_threshold_gives_a_better_f1(drawn):
    _, _, labels = drawn
    counts, scores = counted(drawn)
    chosen = threshold.choose(counts)
    best = max(f1_score(labels, scores >= other, zero_division=0.0) for other in np.unique(scores))
    assert chosen.f1 == pytest.approx(best)
    assert f1_score(labels, scores >= chosen.value, zero_division=0.0) == pytest.approx(best)


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
