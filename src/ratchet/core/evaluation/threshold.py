"""The threshold that turns a probability into a label: the one with the best F1 on the calibration window."""

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
    """The chosen threshold, its F1 on the rows it was chosen on, and the curve it was chosen from."""

    value: float
    f1: float
    curve: ThresholdCurve


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
    best = len(points.f1) - 1 - int(np.argmax(points.f1[::-1]))
    return Threshold(float(points.threshold[best]), float(points.f1[best]), points)
