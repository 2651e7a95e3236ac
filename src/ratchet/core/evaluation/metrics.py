"""The metrics of a run and the points of its curves, from the count table.

scikit-learn's metrics are used wherever available, with the row counts as `sample_weight`. Its input is first summed
over days, so it contains each distinct score at most twice, however many rows there were.
"""

from dataclasses import dataclass

import numpy as np
from sklearn import metrics as measures

from ratchet.core.evaluation.counts import Bools, Counts, Floats, Ints
from ratchet.core.evaluation.f1 import f1_of, precision_of, recall_of

METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc", "average_precision", "brier", "log_loss")


@dataclass(frozen=True)
class ClassRow:
    """A line of the classification report; the line for accuracy has no precision or recall."""

    name: str
    precision: float | None
    recall: float | None
    f1: float
    support: int


@dataclass(frozen=True)
class CalibrationBin:
    """Rows whose scores lie in one tenth of [0, 1]: their mean score and share of positives."""

    mean_score: float
    positive_share: float
    rows: int


def expanded(counts: Counts) -> tuple[Bools, Floats, Ints]:
    """Labels, scores and rows summed over days: arrays of equal length, one triple per (score, label)."""
    scores, negative, positive = counts.by_score()
    label = np.repeat([False, True], len(scores))
    rows = np.concatenate([negative, positive])
    kept = rows > 0
    return label[kept], np.concatenate([scores, scores])[kept], rows[kept]


def metrics(counts: Counts, threshold: float) -> dict[str, float]:
    """The metrics named in METRICS, and `threshold`. Both classes must occur in `counts`."""
    label, score, rows = expanded(counts)
    confusion = counts.confusion(threshold)
    right = confusion.true_positive.sum() + confusion.true_negative.sum()
    return {
        "accuracy": float(right / counts.total),
        "precision": precision_of(confusion),
        "recall": recall_of(confusion),
        "f1": f1_of(confusion),
        "roc_auc": float(measures.roc_auc_score(label, score, sample_weight=rows)),
        "average_precision": float(measures.average_precision_score(label, score, sample_weight=rows)),
        "brier": float(measures.brier_score_loss(label, score, sample_weight=rows)),
        "log_loss": float(measures.log_loss(label, score, sample_weight=rows, labels=[False, True])),
        "threshold": threshold,
    }


def classification_report(counts: Counts, threshold: float) -> list[ClassRow]:
    """scikit-learn's classification report, one row per class and average."""
    label, score, rows = expanded(counts)
    report = measures.classification_report(
        label,
        score >= threshold,
        labels=[False, True],
        target_names=["negative", "positive"],
        sample_weight=rows,
        output_dict=True,
        zero_division=0.0,
    )
    accuracy = ClassRow("accuracy", None, None, float(report["accuracy"]), counts.total)
    named = {
        name: ClassRow(name, float(row["precision"]), float(row["recall"]), float(row["f1-score"]), int(row["support"]))
        for name, row in report.items()
        if name != "accuracy"
    }
    return [named["negative"], named["positive"], accuracy, named["macro avg"], named["weighted avg"]]


def roc_points(counts: Counts) -> tuple[Floats, Floats, Floats]:
    """False positive rate, true positive rate and threshold of the ROC curve's corners."""
    label, score, rows = expanded(counts)
    false_positive_rate, true_positive_rate, threshold = measures.roc_curve(label, score, sample_weight=rows)
    return false_positive_rate, true_positive_rate, threshold


def pr_points(counts: Counts) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and threshold of the precision-recall curve; the threshold is one shorter."""
    label, score, rows = expanded(counts)
    precision, recall, threshold = measures.precision_recall_curve(label, score, sample_weight=rows)
    return precision, recall, threshold


def calibration_points(counts: Counts, bins: int = 10) -> list[CalibrationBin]:
    """Mean score and share of positives in bins of equal width over [0, 1]; empty bins are left out."""
    scores, negative, positive = counts.by_score()
    where = np.minimum((scores * bins).astype(np.int64), bins - 1)
    rows = np.bincount(where, weights=negative + positive, minlength=bins)
    scored = np.bincount(where, weights=scores * (negative + positive), minlength=bins)
    positives = np.bincount(where, weights=positive, minlength=bins)
    return [
        CalibrationBin(float(scored[b] / rows[b]), float(positives[b] / rows[b]), int(rows[b]))
        for b in range(bins)
        if rows[b] > 0
    ]
