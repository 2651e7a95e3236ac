import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as measures

from ratchet.core.evaluation import metrics
from ratchet.core.evaluation.counts import Counts
from ratchet.core.evaluation.f1 import f1, f1_all_positive
from tests.unit.strategies import LEVELS, counted, rows


@given(rows(), st.integers(0, LEVELS))
def test_the_measures_of_counts_are_those_of_the_single_rows(drawn, level):
    _, _, labels = drawn
    counts, scores = counted(drawn)
    threshold = level / LEVELS
    predicted = scores >= threshold
    assert metrics.metrics(counts, threshold) == pytest.approx(
        {
            "accuracy": measures.accuracy_score(labels, predicted),
            "precision": measures.precision_score(labels, predicted, zero_division=0.0),
            "recall": measures.recall_score(labels, predicted),
            "f1": measures.f1_score(labels, predicted, zero_division=0.0),
            "roc_auc": measures.roc_auc_score(labels, scores),
            "average_precision": measures.average_precision_score(labels, scores),
            "brier": measures.brier_score_loss(labels, scores),
            "log_loss": measures.log_loss(labels, scores, labels=[False, True]),
            "threshold": threshold,
        }
    )


@given(rows(), st.integers(0, LEVELS))
def test_the_classification_report_is_that_of_the_single_rows(drawn, level):
    _, _, labels = drawn
    counts, scores = counted(drawn)
    expected = measures.classification_report(
        labels, scores >= level / LEVELS, labels=[False, True], output_dict=True, zero_division=0.0
    )
    report = {row.name: row for row in metrics.classification_report(counts, level / LEVELS)}
    assert report["positive"].f1 == pytest.approx(expected["True"]["f1-score"])
    assert report["negative"].recall == pytest.approx(expected["False"]["recall"])
    assert report["accuracy"].f1 == pytest.approx((labels == (scores >= level / LEVELS)).mean())
    assert report["macro avg"].precision == pytest.approx(expected["macro avg"]["precision"])
    assert report["weighted avg"].support == len(labels)


@given(rows())
def test_calibration_bins_hold_every_row_once(drawn):
    counts, scores = counted(drawn)
    bins = metrics.calibration_points(counts)
    assert sum(one.rows for one in bins) == len(scores)
    assert sum(one.positive_share * one.rows for one in bins) == pytest.approx(counts.positives)
    assert sum(one.mean_score * one.rows for one in bins) == pytest.approx(scores.sum())


@given(rows())
def test_labelling_every_row_positive_is_what_a_threshold_of_zero_does(drawn):
    counts, _ = counted(drawn)
    assert f1_all_positive(counts) == pytest.approx(metrics.metrics(counts, 0.0)["f1"])


def test_f1_is_nought_where_nothing_is_or_is_labelled_positive():
    assert f1([0, 1], [0, 1], [0, 1]).tolist() == [0.0, 0.5]


def test_precision_is_nought_where_no_row_is_labelled_positive():
    counts = Counts.from_rows([1, 1], [0.25, 0.5], [True, False], 64)
    assert metrics.metrics(counts, 0.75)["precision"] == 0.0


@given(rows())
def test_curves_end_where_every_row_is_positive(drawn):
    counts, _ = counted(drawn)
    false_positive_rate, true_positive_rate, _ = metrics.roc_points(counts)
    precision, recall, _ = metrics.pr_points(counts)
    assert (false_positive_rate[-1], true_positive_rate[-1]) == pytest.approx((1.0, 1.0))
    assert (precision[-1], recall[-1]) == (1.0, 0.0)
    assert np.all(np.diff(recall) <= 0)
