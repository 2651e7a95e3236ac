"""The threshold that turns a probability into a label: the one with the best F1 on the calibration window.

Where that window has few positives, it is the one with the best expected F1, in which each row counts as positive in
part, as its calibrated probability says (N. Ye et al., "Optimizing F-measures: a tale of two approaches", ICML 2012; Z.
Lipton, C. Elkan and B. Narayanaswamy, "Optimal thresholding of classifiers to maximize F1 measure", ECML PKDD 2014).

Another objective takes the place of F1 if `promotion.objective` names one. By expected cost, a row is labelled positive
if its probability is at least the false positive's share in the sum of both costs (C. Elkan, "The foundations of
cost-sensitive learning", IJCAI 2001).
"""

from dataclasses import dataclass

import numpy as np

from ratchet.core.evaluation.counts import Counts, Floats
from ratchet.core.evaluation.f1 import f1
from ratchet.core.evaluation.objective_values import parts, ratio
from ratchet.core.objective import F1, Objective


@dataclass(frozen=True)
class ThresholdCurve:
    """The measures at each distinct score taken as the threshold: arrays of one length, ascending.

    objective: the value of the objective that chooses, greater is better; F1 again if that is F1.
    """

    threshold: Floats
    precision: Floats
    recall: Floats
    f1: Floats
    objective: Floats


@dataclass(frozen=True)
class Threshold:
    """The chosen threshold, its F1 on the rows it was chosen on, and the curve of these rows.

    expected: it was chosen by the expected value, not by that of the curve. objective: what it was chosen by.
    """

    value: float
    f1: float
    curve: ThresholdCurve
    expected: bool = False
    objective: Objective = F1

    @property
    def achieved(self) -> float:
        """The objective's value on the rows it was chosen on."""
        return float(self.curve.objective[np.searchsorted(self.curve.threshold, self.value)])


def curve(counts: Counts, objective: Objective = F1) -> ThresholdCurve:
    """The result of each threshold, where `score >= threshold` is labelled positive."""
    scores, negative, positive = counts.by_score()
    true_positive = positive[::-1].cumsum()[::-1]
    false_positive = negative[::-1].cumsum()[::-1]
    recall = true_positive / max(counts.positives, 1)
    precision = true_positive / (true_positive + false_positive)
    false_negative = counts.positives - true_positive
    true_negative = counts.total - counts.positives - false_positive
    values = ratio(*parts(objective, true_positive, false_positive, false_negative, true_negative))
    return ThresholdCurve(scores, precision, recall, f1(true_positive, false_positive, false_negative), values)


def choose(counts: Counts, objective: Objective = F1) -> Threshold:
    """The score with the best value; if tied, the highest, which labels the fewest rows positive."""
    points = curve(counts, objective)
    best = _last_greatest(points.objective)
    return Threshold(float(points.threshold[best]), float(points.f1[best]), points, objective=objective)


def choose_expected(counts: Counts, objective: Objective = F1) -> Threshold:
    """The score with the best expected value: as `choose`, but the labels do not count, only the scores."""
    points = curve(counts, objective)
    scores, negative, positive = counts.by_score()
    rows = negative + positive
    true_positive = (scores * rows)[::-1].cumsum()[::-1]
    labelled = rows[::-1].cumsum()[::-1]
    false_positive, false_negative = labelled - true_positive, true_positive[0] - true_positive
    true_negative = labelled[0] - labelled - false_negative
    best = _last_greatest(ratio(*parts(objective, true_positive, false_positive, false_negative, true_negative)))
    return Threshold(float(points.threshold[best]), float(points.f1[best]), points, expected=True, objective=objective)


def _last_greatest(values: Floats) -> int:
    return len(values) - 1 - int(np.argmax(values[::-1]))
