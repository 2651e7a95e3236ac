"""XGBoost and LightGBM, and the number of trees that either grows.

More trees than help learn the noise of the training rows, and how many help depends on the table. So the trees are
counted on the end of the training window: a fit on its earlier days stops growing where the later days no longer
profit, and the estimator is fitted anew on all days with that many trees. No other window is looked at.
"""

import logging
import sys
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from ratchet.core.evaluation.counts import Ints
from ratchet.errors import ConfigurationError

# LightGBM takes parameters that its class for scikit-learn doesn't list; these are the ones that people tune.
MORE_OF_LIGHTGBM = (
    *("bagging_seed", "cat_l2", "cat_smooth", "extra_trees", "feature_fraction_bynode", "linear_tree", "max_bin"),
    *("max_cat_threshold", "max_cat_to_onehot", "max_delta_step", "min_data_in_bin", "min_data_per_group"),
    *("path_smooth", "scale_pos_weight"),
)
_MOST_TREES = 500
_PATIENCE = 20
_LATER_SHARE = 0.1


def xgboost(numbers: int, categories: int) -> Any:
    """An XGBClassifier for columns of category codes, followed by numbers."""
    from xgboost import XGBClassifier

    kinds = ["c"] * categories + ["q"] * numbers
    return XGBClassifier(enable_categorical=True, feature_types=kinds)


def lightgbm(_numbers: int, categories: int) -> Any:
    """An LGBMClassifier for columns of category codes, followed by numbers.

    Raises ConfigurationError if the system's OpenMP library, which its package lacks, is not installed.
    """
    try:
        from lightgbm import LGBMClassifier, register_logger
    except OSError as error:
        message = f"the estimator lightgbm can't be loaded here: {error}; Debian's package libgomp1 has that library"
        raise ConfigurationError(message) from error
    # Its own logger prints to stdout, where each line is an event.
    register_logger(logging.getLogger("lightgbm"))
    # The name `categorical_feature` is that of an argument of `fit`, so it is given by an alias.
    native = {"cat_feature": list(range(categories))} if categories else {}
    # The same trees whatever the number of threads. n_jobs: OMP_NUM_THREADS, as for the other estimators.
    return LGBMClassifier(deterministic=True, force_row_wise=True, n_jobs=0, verbosity=-1, **native)


def requirements(pipeline: Pipeline) -> tuple[str, ...]:
    """The packages that a fitted pipeline needs besides scikit-learn's."""
    package = _package(pipeline.named_steps["estimator"])
    return {"xgboost": ("xgboost-cpu",), "lightgbm": ("lightgbm",)}.get(package, ())


def refusals() -> tuple[type[Exception], ...]:
    """The errors by which an estimator refuses its parameters."""
    module = sys.modules.get("lightgbm.basic")
    return (ValueError, TypeError, *(() if module is None else (module.LightGBMError,)))


def _package(estimator: object) -> str:
    return type(estimator).__module__.partition(".")[0]


def trees(unfitted: Pipeline, features: pd.DataFrame, label: "pd.Series[int]", day: Ints) -> dict[str, object]:
    """The number of trees, found on the end of the training window, as a parameter.

    label, day: of each row, in ascending order of days. Empty, so that the estimator's own default holds, if it is
    neither of the two or one class is missing in a part of the days. Raises what the estimator's fit does.
    """
    preprocess, estimator = unfitted.named_steps["preprocess"], unfitted.named_steps["estimator"]
    package, later = _package(estimator), _later(day)
    if package not in _STOPPED or not _both_classes(label[:later], label[later:]):
        return {}
    estimator.set_params(n_estimators=_MOST_TREES)
    earlier_rows = preprocess.fit_transform(features.iloc[:later])
    later_rows = preprocess.transform(features.iloc[later:])
    found = _STOPPED[package](estimator, earlier_rows, label[:later], (later_rows, label[later:]))
    # 0: the configured kind of boosting can't be stopped, such as LightGBM's `dart`.
    return {"n_estimators": found} if found else {}


def _later(day: Ints) -> int:
    """The first row of the last days, at least a tenth of the rows; 0 if there is one day."""
    border = day[int(len(day) * (1 - _LATER_SHARE))]
    return int(np.searchsorted(day, border))


def _both_classes(*labels: "pd.Series[int]") -> bool:
    return all(0 < label.sum() < len(label) for label in labels)


def _stopped_xgboost(estimator: Any, rows: Any, label: Any, later: tuple[Any, Any]) -> int:
    estimator.set_params(early_stopping_rounds=_PATIENCE, eval_metric="logloss")
    estimator.fit(rows, label, eval_set=[later], verbose=False)
    return int(estimator.best_iteration) + 1


def _stopped_lightgbm(estimator: Any, rows: Any, label: Any, later: tuple[Any, Any]) -> int:
    from lightgbm import early_stopping

    stop = early_stopping(_PATIENCE, verbose=False)
    options = {"eval_X": (later[0],), "eval_y": (later[1],), "eval_metric": "binary_logloss"}
    estimator.fit(rows, label, **options, callbacks=[stop])
    return int(estimator.best_iteration_ or 0)


_STOPPED = {"xgboost": _stopped_xgboost, "lightgbm": _stopped_lightgbm}
