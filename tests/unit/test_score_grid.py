"""Rounding to the grid of scores: exact, and fine enough for classes that are rarer than one in ten thousand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from ratchet.core.evaluation.counts import Counts
from ratchet.core.evaluation.metrics import metrics
from ratchet.core.evaluation.score_grid import rounded
from tests.unit.strategies import awkward_scores, points

LEVELS = [64, 1024, 16_384, 1_048_576]
scores = st.floats(0, 1) | st.builds(lambda distance: 1 - distance, st.floats(0, 2**-6))


@given(st.lists(scores, min_size=1), st.sampled_from(LEVELS))
def test_a_score_is_rounded_to_the_nearest_point_below_it(drawn, levels):
    grid = points(levels)
    expected = grid[np.searchsorted(grid, drawn, side="right") - 1]
    assert rounded(np.array(drawn), levels).tolist() == expected.tolist()


@pytest.mark.parametrize("levels", LEVELS)
def test_the_scores_beside_every_power_of_two_and_every_step_are_rounded_down_too(levels):
    grid = points(levels)
    drawn = awkward_scores(levels)
    assert np.array_equal(rounded(drawn, levels), grid[np.searchsorted(grid, drawn, side="right") - 1])


@given(scores, scores, st.sampled_from(LEVELS))
def test_rounding_keeps_the_order(one, other, levels):
    low, high = rounded(np.array(sorted([one, other])), levels)
    assert low <= high


@pytest.mark.parametrize("levels", LEVELS)
def test_points_stay_where_they_are_and_so_do_those_of_the_grid_without_narrow_cells(levels):
    grid = points(levels)
    multiples = np.arange(levels + 1) / levels
    assert np.array_equal(rounded(grid, levels), grid)
    assert np.array_equal(rounded(multiples, levels), multiples)
    assert len(grid) < 2.5 * levels


@given(st.lists(scores, min_size=1), scores, st.sampled_from(LEVELS))
def test_no_label_depends_on_the_rounding_at_a_threshold_on_the_grid(drawn, score, levels):
    threshold = rounded(np.array([score]), levels)[0]
    exact = np.array(drawn) >= threshold
    assert (exact == (rounded(np.array(drawn), levels) >= threshold)).all()


@pytest.mark.parametrize("base_rate", [0.001, 0.0002, 0.00005])
@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_metrics_are_those_of_the_scores_themselves_however_rare_the_positives_are(base_rate, spread):
    """Log loss follows the base rate down, so it is compared relatively; the other metrics are."""
    random = np.random.default_rng(0)
    odds = np.exp(random.normal(0, spread, 400_000))
    score = odds / (odds + odds.mean() / base_rate)
    label = random.random(len(score)) < score
    assert label.sum() > 5
    found = metrics(Counts.from_rows(np.zeros(len(score)), score, label, 16_384), 0.5)
    for name, measure in (
        ("roc_auc", roc_auc_score), ("average_precision", average_precision_score), ("brier", brier_score_loss),
    ):  # fmt: skip
        assert found[name] == pytest.approx(measure(label, score), abs=1e-4), name
    assert found["log_loss"] == pytest.approx(log_loss(label, score), rel=1e-4)


def test_scores_of_exactly_0_and_1_cost_what_they_cost_unrounded():
    score, label = np.array([0.0, 1.0, 2.0**-60, 0.5]), np.array([True, False, True, True])
    found = metrics(Counts.from_rows(np.zeros(4), score, label, 16_384), 0.5)
    assert found["log_loss"] == pytest.approx(log_loss(label, score), rel=1e-12)
