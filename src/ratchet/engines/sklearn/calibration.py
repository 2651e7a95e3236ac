"""The calibrator of the scikit-learn engine, around a fitted pipeline."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from ratchet.core.evaluation.few_positives import calibration_method


def fitted(pipeline: Any, features: pd.DataFrame, label: Any) -> CalibratedClassifierCV:
    """A calibrator fitted on the rows of the calibration window: isotonic, or Platt's sigmoid for few positives.

    The sigmoid is fitted on the decision function where the estimator has one, else on its probability.
    """
    method: Any = calibration_method(int(label.sum()))
    return CalibratedClassifierCV(FrozenEstimator(pipeline), method=method).fit(features, label.astype(np.int64))
