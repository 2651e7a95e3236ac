"""A logged model, loaded to label rows: an existing version beside a candidate, or the candidate's own, read back.

One that carries a team's own code is loaded in a process of its own (`engines.sklearn.apart`), any other one here.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import Model

from ratchet.engines.loading import downloaded, loading
from ratchet.engines.scored import Scored
from ratchet.engines.sklearn.apart import apart
from ratchet.engines.sklearn.scorer import ScikitLearnScorer
from ratchet.errors import FailedError, first_line

_KEPT = 4


class LoggedModel:
    """names: the columns that the model needs; None if it has no signature. Methods raise FailedError."""

    def __init__(self, about: Any, here: Any, there: Any) -> None:
        schema = about.get_input_schema()
        self.names = None if schema is None else tuple(schema.input_names())
        self._here, self._there = here, there

    def labels(self, rows: pd.DataFrame) -> Any:
        """The labels of rows, integers."""
        found = self.score(rows).labels if self._there else self._try(self._here.predict, rows)
        return np.asarray(found).astype(np.int64)

    def score(self, rows: pd.DataFrame) -> Scored:
        """The labels and probabilities of rows."""
        scorer = self._there or ScikitLearnScorer(self._here)
        scored: Scored = self._try(scorer.score, rows)
        return scored

    def _try(self, call: Any, rows: pd.DataFrame) -> Any:
        try:
            return call(rows)
        except Exception as error:
            message = f"it can't score the data: {first_line(error)}"
            raise FailedError(message) from error


@contextmanager
def logged_model(model_uri: str) -> Iterator[LoggedModel]:
    """Load a model, until the end of the context. Raises FailedError, with the reason in one sentence."""
    with downloaded("it", model_uri) as local:
        about = loading("it", Model.load, local)
        if has_code(about):
            with apart(local) as there:
                yield LoggedModel(about, None, there)
        else:
            # An old version's requirements differ from what is installed; checking that takes an eighth of the time.
            here = loading("it", mlflow.pyfunc.load_model, local, suppress_warnings=True)
            yield LoggedModel(about, here, None)


class LoggedModels:
    """Models that are loaded when they are first used; the last ones are kept until `close`. Thread-safe.

    The champion is scored on all rows, on slices and permuted, with other versions in between.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        # In the order of their last use, and without those in use: one that is thrown out is not being asked.
        self._kept: dict[str, tuple[LoggedModel, ExitStack]] = {}

    @contextmanager
    def use(self, model_uri: str) -> Iterator[LoggedModel]:
        """A model for this context alone. Raises FailedError as `logged_model`; a model that failed is not kept."""
        with self._lock:
            model, stack = self._kept.pop(model_uri, (None, ExitStack()))
        with stack:
            model = model or stack.enter_context(logged_model(model_uri))
            yield model
            self._keep(model_uri, model, stack.pop_all())

    def _keep(self, model_uri: str, model: LoggedModel, stack: ExitStack) -> None:
        with self._lock:
            over = [self._kept.pop(model_uri)] if model_uri in self._kept else []
            self._kept[model_uri] = model, stack
            if len(self._kept) > _KEPT:
                over.append(self._kept.pop(next(iter(self._kept))))
        for _, unused in over:
            unused.close()

    def close(self) -> None:
        """Release all; may be called twice."""
        with self._lock:
            over, self._kept = self._kept, {}
        for _, unused in over.values():
            unused.close()


def has_code(about: Any) -> bool:
    """Whether a model carries code of its own. about: an `mlflow.models.Model`."""
    return any(flavor.get("code") for flavor in about.flavors.values())
