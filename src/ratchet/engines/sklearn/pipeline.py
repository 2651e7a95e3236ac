"""The scikit-learn pipelines: preprocessing and estimator, by the estimator's name.

They consist of the classes of scikit-learn, XGBoost and LightGBM alone, so that a registered model loads and serves
where Ratchet is not installed. Numbers and categories may be missing, and a category may be unknown to training.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from ratchet.engines.sklearn import boosting
from ratchet.errors import ConfigurationError

# HistGradientBoosting has 255 bins for categories; one is reserved for all rare categories together.
_MOST_CATEGORIES = 254


@dataclass(frozen=True)
class _Choice:
    """An estimator: its preprocessing, how to make it for so many numbers and categories, and Ratchet's defaults.

    more: parameters that it accepts and doesn't list. less: those that it lists and Ratchet sets.
    """

    make: Callable[[int, int], Any]
    preprocess: Callable[[Sequence[str], Sequence[str]], ColumnTransformer]
    defaults: Mapping[str, object]
    more: Sequence[str] = ()
    less: Sequence[str] = ()


def _for_trees(numeric: Sequence[str], categorical: Sequence[str]) -> ColumnTransformer:
    """Categories as numbers, missing values as NaN, which trees handle natively."""
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=_MOST_CATEGORIES,
    )
    return _columns(encoder, "passthrough", numeric, categorical)


def _for_linear(numeric: Sequence[str], categorical: Sequence[str]) -> ColumnTransformer:
    """Categories one-hot, numbers imputed with an indicator and scaled."""
    categories = make_pipeline(
        # pandas.NA matches both None, from JSON, and NaN, from frames.
        SimpleImputer(missing_values=pd.NA, strategy="constant", fill_value="(missing)"),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20, max_categories=1000),
    )
    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()
    )
    return _columns(categories, numbers, numeric, categorical)


def _columns(
    categories: object, numbers: object, numeric: Sequence[str], categorical: Sequence[str]
) -> ColumnTransformer:
    return ColumnTransformer(
        [("categorical", categories, list(categorical)), ("numeric", numbers, list(numeric))],
        verbose_feature_names_out=False,
    )


def _hist_gradient_boosting(_numbers: int, categories: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(categorical_features=list(range(categories)))


_ESTIMATORS: Mapping[str, _Choice] = {
    "hist_gradient_boosting": _Choice(
        _hist_gradient_boosting,
        _for_trees,
        {
            "learning_rate": 0.15,
            "max_iter": 100,
            "max_leaf_nodes": 15,
            "l2_regularization": 1.0,
            "early_stopping": False,
        },
    ),
    "lightgbm": _Choice(
        boosting.lightgbm,
        _for_trees,
        {"learning_rate": 0.1, "num_leaves": 15, "reg_lambda": 1.0},
        more=boosting.MORE_OF_LIGHTGBM,
        less=("cat_feature",),
    ),
    "logistic_regression": _Choice(
        lambda _numbers, _categories: LogisticRegression(), _for_linear, {"max_iter": 300, "C": 1.0}
    ),
    "random_forest": _Choice(
        lambda _numbers, _categories: RandomForestClassifier(),
        _for_trees,
        {"n_estimators": 100, "min_samples_leaf": 20, "n_jobs": -1},
    ),
    "xgboost": _Choice(
        boosting.xgboost,
        _for_trees,
        {"learning_rate": 0.1, "grow_policy": "lossguide", "max_leaves": 15, "max_depth": 0, "reg_lambda": 1.0},
        less=("callbacks", "early_stopping_rounds", "feature_types"),
    ),
}


def accepted(name: str) -> list[str]:
    """The parameters of an estimator that may be configured, sorted."""
    choice = _ESTIMATORS[name]
    return sorted({*choice.make(1, 1).get_params(), *choice.more} - {*choice.less})


def pipeline(
    name: str, params: Mapping[str, object], numeric: Sequence[str], categorical: Sequence[str], seed: int
) -> Pipeline:
    """The unfitted pipeline of an estimator.

    params override Ratchet's defaults; an unknown parameter raises ConfigurationError.
    """
    choice, known = _ESTIMATORS[name], accepted(name)
    unknown = sorted({*params} - {*known})
    if unknown:
        message = f"sklearn.params.{unknown[0]} is no parameter of {name}; accepted are {', '.join(known)}"
        raise ConfigurationError(message)
    estimator = choice.make(len(numeric), len(categorical))
    estimator.set_params(**{"random_state": seed, **choice.defaults, **params})
    return Pipeline([("preprocess", choice.preprocess(numeric, categorical)), ("estimator", estimator)])
