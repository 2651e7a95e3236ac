"""Precision, recall and F1 from confusion counts.

Separate from `core.evaluation.metrics` so that a trainer can start, and a registrar work, without scikit-learn.
"""

import numpy as np
import numpy.typing as npt

from ratchet.core.evaluation.counts import Confusion, Counts, Floats


def f1(true_positive: npt.ArrayLike, false_positive: npt.ArrayLike, false_negative: npt.ArrayLike) -> Floats:
    """F1 = 2 TP / (2 TP + FP + FN), elementwise; 0 if no row is positive or labelled positive."""
    twice = 2 * np.asarray(true_positive, dtype=np.float64)
    whole = twice + np.asarray(false_positive, dtype=np.float64) + np.asarray(false_negative, dtype=np.float64)
    return np.divide(twice, whole, out=np.zeros_like(whole), where=whole > 0)


def f1_of(confusion: Confusion) -> float:
    """F1 over all days."""
    return float(f1(confusion.true_positive.sum(), confusion.false_positive.sum(), confusion.false_negative.sum()))


def f1_all_positive(counts: Counts) -> float:
    """F1 of labelling every row positive, which needs no model."""
    return float(f1(counts.positives, counts.total - counts.positives, 0))


def precision_of(confusion: Confusion) -> float:
    """The share of the rows labelled positive that are positive; 0 if there are none."""
    return _share(confusion.true_positive.sum(), confusion.false_positive.sum())


def recall_of(confusion: Confusion) -> float:
    """The share of the positive rows that are labelled positive; 0 if there are none."""
    return _share(confusion.true_positive.sum(), confusion.false_negative.sum())


def _share(part: np.int64, rest: np.int64) -> float:
    return float(part / (part + rest)) if part + rest else 0.0
