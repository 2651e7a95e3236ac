"""The settings of windows and trainers."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import model_validator

from ratchet.settings.forms import Flag, GapText, Memory, OrImportPath, PeriodText, Scalar, Section, is_import_path
from ratchet.settings.search import Search


class WindowSettings(Section):
    """Lengths of the windows, counted back from `as_of`, in days (`31d`), weeks (`4w`) or calendar months (`1mo`)."""

    test: PeriodText = "1mo"
    """Length of the test window, on which F1 is measured. A month has each day of the week at least four times."""
    calibration: PeriodText = "1mo"
    """Length of the calibration window before it, on which the calibrator is fitted and the threshold chosen."""
    train: PeriodText | None = None
    """Length of the training window before that. None: all earlier rows."""
    gap: GapText | None = None
    """Days between two windows, in which the earlier one's labels become known; `0d` for none. None: `known_after`."""
    refit: Flag = True
    """Whether to fit what is promoted anew on the rows of all windows before it serves; comparisons don't change."""


class _Trainer(Section):
    """What the sections of both trainers have."""

    estimator: str
    """Name of the estimator, or import path of your own."""
    params: Mapping[str, Scalar | None] = {}
    """Parameters of the estimator by its own names; they override Ratchet's defaults. Your own gets all."""
    search: Search | None = None
    """A search for better parameters before the fit: `trials`, `minutes`, `folds`, `space`. None: no search."""

    @model_validator(mode="after")
    def _given_or_searched(self) -> Self:
        twice = sorted({*self.params} & {*(self.search.space if self.search else ())})
        if twice:
            message = f"{twice[0]} is in params and in search.space; omit one of them"
            raise ValueError(message)
        return self

    @property
    def own(self) -> bool:
        """Whether the estimator is the team's own, named by an import path."""
        return is_import_path(self.estimator)


class SklearnSettings(_Trainer):
    """The scikit-learn trainer."""

    estimator: Annotated[
        Literal["hist_gradient_boosting", "lightgbm", "logistic_regression", "random_forest", "xgboost"], OrImportPath()
    ] = "hist_gradient_boosting"
    """Name of the estimator, or import path of your own, such as `our.models:make`. The default: best on the sample."""
    memory_limit: Memory | None = None
    """Memory that the trainer may use. None: the limit of its cgroup, or the machine's memory."""


class SparkSettings(_Trainer):
    """The Spark trainer."""

    estimator: Annotated[
        Literal["logistic_regression", "random_forest", "gradient_boosted_trees", "xgboost"], OrImportPath()
    ] = "logistic_regression"
    """Name of the estimator, or import path of your own stages. The default: fastest, not measurably worse."""
    params: Mapping[str, Scalar | None] = {}
    """Parameters of the estimator by Spark's own names; they override Ratchet's defaults. Your own gets all."""
    driver_memory: Memory = "2GiB"
    """Heap of Spark's JVM on a single machine; on Kubernetes the SparkApplication sets it."""
    conf: Mapping[str, Scalar] = {}
    """Spark's own configuration (`spark.…`); it overrides Ratchet's defaults."""
