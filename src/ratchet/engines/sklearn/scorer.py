"""Labels and probabilities of a registered scikit-learn model, from one pass over the rows.

Called one after the other, `predict` and `predict_proba` would each run the whole pipeline. Used by batch scoring and
the server.
"""

from typing import Any

import numpy as np
from sklearn.model_selection import FixedThresholdClassifier

from ratchet.engines.scored import Scored
from ratchet.errors import FailedError


class ScikitLearnScorer:
    """A loaded model that returns labels and probabilities; thread-safe.

    model: the result of `mlflow.pyfunc.load_model`. Raises FailedError if it has no probabilities of two classes.
    """

    def __init__(self, model: Any) -> None:
        from mlflow.pyfunc import PyFuncModel

        # MLflow's own wrapper enforces the signature just as `model.predict` does.
        self._served = PyFuncModel(model.metadata, OnePass(model.get_raw_model()), predict_fn="score")

    def score(self, rows: Any) -> Scored:
        """Score any input that the model's `predict` accepts, such as a DataFrame; raises the same errors."""
        scored: Scored = self._served.predict(rows)
        return scored


class OnePass:
    """The labels of `predict`, derived from the probabilities if the model was trained by Ratchet.

    model: of scikit-learn's own kind. Raises FailedError if it has no probabilities of two classes.
    """

    def __init__(self, model: Any) -> None:
        classes = list(getattr(model, "classes_", ()))
        if not hasattr(model, "predict_proba") or len(classes) != 2:  # noqa: PLR2004  # a binary classifier's
            message = f"the model, a {type(model).__name__}, gives no probabilities of two classes"
            raise FailedError(message)
        self._model = model
        self._classes = np.asarray(classes)
        positive = getattr(model, "pos_label", None)
        self._positive = 1 if positive is None else classes.index(positive)
        self._threshold = _threshold(model)

    def score(self, rows: Any) -> Scored:
        probabilities = self._model.predict_proba(rows)[:, self._positive]
        if self._threshold is None:
            return Scored(np.asarray(self._model.predict(rows)), probabilities)
        hit = probabilities >= self._threshold
        return Scored(self._classes[np.where(hit, self._positive, 1 - self._positive)], probabilities)


def _threshold(model: Any) -> float | None:
    """The model's threshold; None if only the model's own `predict` knows it."""
    fixed = isinstance(model, FixedThresholdClassifier) and model.response_method == "predict_proba"
    return float(model.threshold) if fixed and model.threshold != "auto" else None
