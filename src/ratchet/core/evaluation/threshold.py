"""The threshold that turns a probability into a label: the one with the best F1 on the calibration window.

Where that window has few positives, it is the one with the best expected F1, in which each row counts as positive in
part, as its calibrated probability says (N. Ye et al., "Optimizing F-measures: a tale of two approaches", ICML 2012; Z.
Lipton, C. Elkan and B. Narayanaswamy, "Optimal thresholding of classifiers to maximize F1 measure", ECML PKDD 2014).
"""

from dataclasses import dataclass

import numpy as np

from ratchet.core.evaluation.counts import Counts, Floats
from ratchet.core.evaluation.f1 import f1


@dataclass(frozen=True)
class ThresholdCurve:
    """Precision, recall and F1 at each distinct score taken as the threshold: arrays of one length, ascending."""

    threshold: Floats
    precision: Floats
    recall: Floats
    f1: Floats


@dataclass(frozen=True)
class Threshold:
    """The chosen threshold, its F1 on the rows it was chosen on, and the curve of these rows.

    expected: it was chosen by expected F1, not by the F1 of the curve.
    """

    value: float
    f1: float
    curve: ThresholdCurve
    expected: bool = False


def curve(counts: Counts) -> ThresholdCurve:
    """The result of each threshold, where `score >= threshold` is labelled positive."""
    scores, negative, positive = counts.by_score()
    true_positive = positive[::-1].cumsum()[::-1]
    false_positive = negative[::-1].cumsum()[::-1]
    recall = true_positive / max(counts.positives, 1)
    precision = true_positive / (true_positive + false_positive)
    return ThresholdCurve(
        scores, precision, recall, f1(true_positive, false_positive, counts.positives - true_positive)
    )


def choose(counts: Counts) -> Threshold:
    """The score with the greatest F1; if tied, the highest, which labels the fewest rows positive."""
    points = curve(counts)
    best = _last_greatest(points.f1)
    return Threshold(float(points.threshold[best]), float(points.f1[best]), points)


def choose_expected(counts: Counts) -> Threshold:
    """The score with the greatest expected F1: as `choose`, but the labels do not count, only the scores."""
    points = curve(counts)
    scores, negative, positive = counts.by_score()
    rows = negative + positive
    true_positive = (scores * rows)[::-1].cumsum()[::-1]
    labelled = rows[::-1].cumsum()[::-1]
    best = _last_greatest(f1(true_positive, labelled - true_positive, true_positive[0] - true_positive))
    return Threshold(float(points.threshold[best]), float(points.f1[best]), points, expected=True)


def _last_greatest(values: Floats) -> int:
    return len(values) - 1 - int(np.argmax(values[::-1]))
