"""MLflow's autologging of scikit-learn, used only for the parameters of all parts of the pipeline.

By default it also copies the training rows, scores them and plots the results, which doubles the memory and multiplies
the time for metrics that are not needed. No option disables this, but autologging skips it for an estimator that is
fitted without labels; so it gets only the first rows, without labels.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mlflow
from mlflow.sklearn import utils

_SHOWN_ROWS = 5


@contextmanager
def parameters_logged() -> Iterator[None]:
    """Inside, `mlflow.sklearn.autolog()` is on and logs parameters to the active run; without one, it stays off."""
    if mlflow.active_run() is None:  # autologging would create one
        yield
        return
    original = utils._get_X_y_and_sample_weight  # noqa: SLF001  # a test in tests/integration fails if a new MLflow changes it
    utils._get_X_y_and_sample_weight = _first_rows  # noqa: SLF001
    try:
        mlflow.sklearn.autolog(log_models=False, log_datasets=False, log_post_training_metrics=False, silent=True)
    finally:
        utils._get_X_y_and_sample_weight = original  # noqa: SLF001
    try:
        yield
    finally:
        mlflow.sklearn.autolog(disable=True, silent=True)


def _first_rows(_fit: object, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> tuple[Any, None, None]:
    return args[0][:_SHOWN_ROWS], None, None
