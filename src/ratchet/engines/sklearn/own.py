"""A team's own estimator: made by their function, and tried on a few rows before it gets all of them.

`engines.sklearn.engine` tries it before the fit; `probe` needs nothing else, so a check of a configuration can call it,
too. Each fault of the estimator is a ConfigurationError of one sentence.
"""

import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import cloudpickle
import mlflow
import numpy as np
import pandas as pd
from sklearn.base import is_classifier

from ratchet.core.evaluation.counts import Floats
from ratchet.engines.own_code import OwnCode, own_code
from ratchet.engines.sklearn import calibration
from ratchet.engines.sklearn.apart import apart
from ratchet.engines.sklearn.refitting import with_threshold
from ratchet.engines.sklearn.row_form import plain
from ratchet.errors import ConfigurationError, FailedError
from ratchet.io.table.rows import of_both_classes
from ratchet.io.table.table import LABEL, EventTable
from ratchet.settings import Settings

SETTING = "sklearn.estimator"
_ROWS_OF_A_CLASS = 50
_FEW = 3
# Sums of the same numbers in another order may differ by this much.
_SAME = 1e-9


def make(own: OwnCode, settings: Settings, table: EventTable, frame: pd.DataFrame, params: Mapping[str, object]) -> Any:
    """A new, unfitted estimator for the features that have any value in a frame; checked for the methods it needs."""
    numeric, categorical = (with_values(frame, names) for names in (table.numeric, table.categorical))
    made = own.made(settings, numeric, categorical, params)
    for method in ("fit", "predict", "predict_proba"):
        if not callable(getattr(made, method, None)):
            message = f"{own.name} returns a {type(made).__name__} without the method {method}"
            raise ConfigurationError(message)
    if not is_classifier(made):
        message = (
            f"{own.name} returns a {type(made).__name__}, which scikit-learn takes for no classifier: let it inherit"
            " from ClassifierMixin and BaseEstimator, in this order, or be the last step of a Pipeline"
        )
        raise ConfigurationError(message)
    return made


def named_parameters(fitted: Any, params: Mapping[str, object]) -> dict[str, str]:
    """All parameters by name, as text: those that the function got, and those that the estimator tells of itself."""
    told = fitted.get_params(deep=True) if hasattr(fitted, "get_params") else {}
    given = {f"own.{key}": value for key, value in params.items()}
    return {key: str(value) for key, value in (given | told).items()}


def with_values(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """The columns with any value; one without carries no information."""
    return [name for name in names if frame[name].notna().any()]


def probe(settings: Settings, table: EventTable, frame: pd.DataFrame) -> None:
    """Try the own estimator on a hundred rows; returns if nothing is wrong with it, or if it is not an own one.

    frame: rows of a window as `io.table.inspection.load` reads them. The estimator is made and fitted twice, saved with
    its code, loaded in a process of its own, and asked once. Raises ConfigurationError, a sentence about the fault.
    """
    if not settings.sklearn.own:
        return
    own = own_code(SETTING, settings.sklearn.estimator)
    few = of_both_classes(frame, _ROWS_OF_A_CLASS).reset_index(drop=True)
    rows, label = plain(few[list(table.features)]), few[LABEL].to_numpy().astype(np.int64)
    params = settings.sklearn.params
    first, second = (_Try(own, make(own, settings, table, frame, params), rows, label) for _ in range(2))
    first.check()
    if np.abs(first.scores - second.scores).max() > _SAME:
        message = (
            f"{own.name} is not deterministic: two fits on the same {len(rows)} rows with the seed {settings.seed} give"
            " different probabilities; pass the seed to everything that draws at random"
        )
        raise ConfigurationError(message)
    _check_saved(own, first)


class _Try:
    """An estimator fitted on a few rows."""

    def __init__(self, own: OwnCode, made: Any, rows: pd.DataFrame, label: Any) -> None:
        self._own = own
        given, labels = rows.copy(), label.copy()
        with own.errors("fit"):
            # Many estimators return themselves, but scikit-learn uses the one that was fitted.
            made.fit(given, labels)
        self._check_untouched("fit", given, rows)
        if not np.array_equal(labels, label):
            message = f"{own.name} changes the labels that fit gets; let it work on a copy"
            raise ConfigurationError(message)
        self.fitted, self.rows, self.label = made, rows, label
        self.scores = self._probabilities(rows)

    def check(self) -> None:
        """That a row's probability depends on that row alone."""
        alone = self._probabilities(self.rows.iloc[:_FEW].reset_index(drop=True))
        if np.abs(alone - self.scores[:_FEW]).max() > _SAME:
            message = (
                f"{self._own.name}: the probability of a row depends on the other rows that predict_proba gets with it;"
                " what is learnt from many rows belongs in fit"
            )
            raise ConfigurationError(message)

    def _probabilities(self, rows: pd.DataFrame) -> Floats:
        given = rows.copy()
        with self._own.errors("predict_proba"):
            found = self.fitted.predict_proba(given)
        self._check_untouched("predict_proba", given, rows)
        return _positive(self._own, self.fitted, found, len(rows))

    def _check_untouched(self, method: str, given: pd.DataFrame, before: pd.DataFrame) -> None:
        if not given.equals(before) or list(given.columns) != list(before.columns):
            changed = [name for name in before if name not in given or not given[name].equals(before[name])]
            what = f"the column {changed[0]!r}" if changed else "the columns"
            message = f"{self._own.name} changes {what} of the frame that {method} gets; let it work on a copy"
            raise ConfigurationError(message)


def _positive(own: OwnCode, fitted: Any, found: Any, rows: int) -> Floats:
    """The probability of the positive class, checked."""
    if (classes := list(getattr(fitted, "classes_", ()))) != [0, 1]:
        message = f"{own.name}: after fit its classes_ are {classes}; [0, 1] is accepted, the labels that fit gets"
        raise ConfigurationError(message)
    shape = np.shape(found)
    if shape != (rows, 2):
        message = f"{own.name}: predict_proba returns the shape {shape} for {rows} rows; ({rows}, 2) is accepted"
        raise ConfigurationError(message)
    scores = np.asarray(found, dtype=np.float64)
    if not np.isfinite(scores).all() or scores.min() < 0 or scores.max() > 1:
        message = f"{own.name}: predict_proba returns {scores.min()} to {scores.max()}; from 0 to 1 is accepted"
        raise ConfigurationError(message)
    return scores[:, 1]


def _check_saved(own: OwnCode, tried: _Try) -> None:
    """That the estimator, calibrated, can be saved, and gives the same in a process that has only what was saved."""
    with own.errors("predict_proba, when it is calibrated"):
        calibrated = calibration.fitted(tried.fitted, tried.rows, tried.label)
    try:
        cloudpickle.dumps(tried.fitted)
    except Exception as error:
        message = f"{own.name} returns a {type(tried.fitted).__name__} that can't be saved with pickle: {error}"
        raise ConfigurationError(message) from error
    with tempfile.TemporaryDirectory(prefix="ratchet-probe-") as folder:
        try:
            again = _elsewhere(own, with_threshold(calibrated, 0.5, tried.rows.iloc[:2]), tried.rows, f"{folder}/model")
        except FailedError as error:
            message = f"{own.name}: saved with its code and loaded again in another process, {error}"
            raise ConfigurationError(message) from error
    if np.abs(again - calibrated.predict_proba(tried.rows)[:, 1]).max() > _SAME:
        message = f"{own.name}: saved and loaded again in another process, it gives other probabilities"
        raise ConfigurationError(message)


def _elsewhere(own: OwnCode, model: Any, rows: pd.DataFrame, place: str) -> Floats:
    """The probabilities of a model that was saved with its code and is loaded in a process of its own."""
    mlflow.sklearn.save_model(
        model,
        place,
        serialization_format="cloudpickle",
        code_paths=[str(own.files)],
        pip_requirements=list(own.requirements),
    )
    with apart(place) as there:
        return np.asarray(there.score(rows).probabilities)
