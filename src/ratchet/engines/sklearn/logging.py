"""MLflow's autologging of scikit-learn, for what it knows best: the parameters of everything in the pipeline.

Left alone it also copies the training rows, scores them, and draws pictures of that: twice the memory, several times
the seconds, and measures of nothing that matters here. It has no switch for that, but it leaves all of it out for an
estimator that was fitted without labels; so it is shown the first rows, and no labels.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mlflow
from mlflow.sklearn import utils

_SHOWN_ROWS = 5


@contextmanager
def parameters_logged() -> Iterator[None]:
    """Inside, `mlflow.sklearn.autolog()` is on and logs parameters to the active run."""
    original = utils._get_X_y_and_sample_weight  # noqa: SLF001  # tests/integration says when a new MLflow changes it
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
