"""The two models of a candidate: one calibrator and one threshold around two pipelines."""

from copy import copy
from typing import Any

import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier


def with_pipeline(calibrated: CalibratedClassifierCV, fitted: Any) -> CalibratedClassifierCV:
    """A copy of a calibrated model, around another fitted pipeline; both share the calibrator."""
    other = copy(calibrated)
    other.estimator = FrozenEstimator(fitted)
    (calibrator,) = map(copy, calibrated.calibrated_classifiers_)
    calibrator.estimator = other.estimator
    other.calibrated_classifiers_ = [calibrator]
    return other


def with_threshold(fitted: Any, threshold: float, rows: pd.DataFrame) -> FixedThresholdClassifier:
    """The model in the form in which it is registered. fitted: calibrated. rows: two, with the features."""
    model = FixedThresholdClassifier(
        FrozenEstimator(fitted), threshold=threshold, pos_label=1, response_method="predict_proba"
    )
    # Nothing is learnt here: the inner model is frozen, the labels only name the classes.
    return model.fit(rows, [0, 1])
