"""Labels and probabilities of a registered scikit-learn model, from one pass over the rows.

Asked for one after the other, `predict` and `predict_proba` would each run the whole pipeline. Batch scoring and the
server come through here.
"""

from typing import Any

import numpy as np
from sklearn.model_selection import FixedThresholdClassifier

from ratchet.engines.scored import Scored
from ratchet.errors import FailedError


class ScikitLearnScorer:
    """A loaded model that gives labels and probabilities; threads may share it.

    model: what `mlflow.pyfunc.load_model` returns. Raises FailedError where it gives no probabilities of two classes.
    """

    def __init__(self, model: Any) -> None:
        from mlflow.pyfunc import PyFuncModel

        # MLflow's own class around it enforces the signature just as `model.predict` does.
        self._served = PyFuncModel(model.metadata, _OnePass(model.get_raw_model()), predict_fn="score")

    def score(self, rows: Any) -> Scored:
        """Score what `predict` of the model accepts, such as a DataFrame; raises what that raises."""
        scored: Scored = self._served.predict(rows)
        return scored


class _OnePass:
    """The labels that `predict` would give, made from the probabilities where the model is one of Ratchet's."""

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
    """Where the label changes; None where only the model's own `predict` knows."""
    fixed = isinstance(model, FixedThresholdClassifier) and model.response_method == "predict_proba"
    return float(model.threshold) if fixed and model.threshold != "auto" else None
