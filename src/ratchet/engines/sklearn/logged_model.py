"""A logged model, loaded to label rows: an existing version beside a candidate, or the candidate's own, read back.

One that carries a team's own code is loaded in a process of its own (`engines.sklearn.apart`), any other one here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
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


def has_code(about: Any) -> bool:
    """Whether a model carries code of its own. about: an `mlflow.models.Model`."""
    return any(flavor.get("code") for flavor in about.flavors.values())
