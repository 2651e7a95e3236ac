"""A registered model in memory, ready to serve: its labels, and its labels with probabilities.

`jobs.serve` loads it; the engine's packages are imported only here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ratchet.engines.loading import loading
from ratchet.engines.opening import not_installed
from ratchet.errors import FailedError, first_line
from ratchet.settings import Settings


@dataclass(frozen=True)
class Served:
    """labels: the pyfunc model as MLflow loads it. both: the same, returning a frame of `label` and `probability`.

    plan: a `Plan` with the same answers, None if there is none. unplanned: why not.
    """

    labels: Any
    both: Any
    plan: Any = None
    unplanned: str | None = None


@contextmanager
def loaded(engine: str, settings: Settings, folder: str, beside: Any = None) -> Iterator[Served]:
    """Load a model from a local folder; its resources are released at the end.

    beside: an open engine of the same name, whose Spark session serves, too; starting another takes seconds.
    Raises ConfigurationError if the engine is not installed, FailedError if the model can't be loaded.
    """
    try:
        if engine == "spark":
            from ratchet.engines.spark.scorer import SparkScorer
            from ratchet.engines.spark.session import Session

            session = Session(settings) if beside is None else beside.session
            try:
                session.get()
                yield _load(folder, SparkScorer)
            finally:
                if beside is None:
                    session.stop()
        else:
            from ratchet.engines.sklearn.plan import planned
            from ratchet.engines.sklearn.scorer import ScikitLearnScorer

            yield _load(folder, ScikitLearnScorer, planned if settings.serving.plan else None)
    except ModuleNotFoundError as error:
        raise not_installed(engine, error) from error


def _load(folder: str, scorer: Any, planned: Callable[[Any, Any], tuple[Any, str | None]] | None = None) -> Served:
    """planned: gives the plan of a model with its example, or the reason why there is none."""
    import mlflow

    # Comparing its requirements with what is installed takes half a second, for a warning that is not shown.
    model = loading("the model", mlflow.pyfunc.load_model, folder, suppress_warnings=True)
    example = model.metadata.load_input_example(folder)
    served = Served(model, _Both(model, scorer(model)))
    if example is not None:
        _try_example(served, example)
    if planned is None:
        return served
    plan, reason = planned(model, example)
    return replace(served, plan=plan, unplanned=reason)


class _Both:
    """The interface of a pyfunc model for the scoring server, implemented with a scorer."""

    def __init__(self, model: Any, scorer: Any) -> None:
        self.metadata = model.metadata
        self._scorer = scorer

    def predict(self, data: Any, params: Any = None) -> Any:  # noqa: ARG002  # no model of Ratchet has parameters
        import pandas as pd

        return pd.DataFrame(self._scorer.score(data)._asdict()).set_axis(["label", "probability"], axis=1)


def _try_example(served: Served, example: Any) -> None:
    """Predict the model's own example, because the first request takes Spark seconds."""
    try:
        for model in (served.labels, served.both):
            model.predict(example)
    except Exception as error:
        message = f"the model fails on its own example: {first_line(error)}"
        raise FailedError(message) from error
