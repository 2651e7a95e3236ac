"""How a candidate's pipeline is made and fitted: one of Ratchet's by its name, or a team's own by its import path.

`engines.sklearn.engine` asks for one and knows no difference beyond it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ratchet.engines.own_code import OwnCode, own_code
from ratchet.engines.sklearn import own
from ratchet.engines.sklearn.logging import parameters_logged
from ratchet.engines.sklearn.pipeline import pipeline
from ratchet.engines.sklearn.row_form import plain
from ratchet.errors import ConfigurationError, first_line
from ratchet.io.table.table import LABEL, EventTable
from ratchet.settings import Settings


class Recipe(Protocol):
    """code: the files that a model needs to be loaded. requirements: packages besides those of every model."""

    code: Sequence[str]
    requirements: Sequence[str]

    def probe(self, frame: pd.DataFrame) -> None:
        """Find faults on a few rows of the training window. Raises ConfigurationError."""

    def features(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns of the features, in the form in which the pipeline learns from them and scores them."""

    def fitted(self, frame: pd.DataFrame) -> Any:
        """The pipeline, fitted on the rows of a window. Raises ConfigurationError."""

    def parameters(self, fitted: Any) -> Mapping[str, str]:
        """All parameters of a fitted pipeline by name."""

    def logged(self) -> AbstractContextManager[None]:
        """Around the fit of the measured model: MLflow's autologging, if it is of use."""

    def errors(self, what: str) -> AbstractContextManager[None]:
        """Around what the pipeline does: its errors become a ConfigurationError. what: `predict_proba on …`."""


def recipe(settings: Settings, table: EventTable) -> Recipe:
    """The recipe that the settings name. Raises ConfigurationError if own code can't be imported."""
    if settings.sklearn.own:
        return _Own(settings, table, own_code(own.SETTING, settings.sklearn.estimator))
    return _Stock(settings, table)


class _Stock:
    code: Sequence[str] = ()
    requirements: Sequence[str] = ()

    def __init__(self, settings: Settings, table: EventTable) -> None:
        self._choice, self._seed, self._table = settings.sklearn, settings.seed, table

    def probe(self, frame: pd.DataFrame) -> None: ...

    def features(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[list(self._table.features)]

    def fitted(self, frame: pd.DataFrame) -> Any:
        choice, table = self._choice, self._table
        # Boosting can't bin a column without any value.
        numeric, categorical = (own.with_values(frame, names) for names in (table.numeric, table.categorical))
        unfitted = pipeline(choice.estimator, choice.params, numeric, categorical, self._seed)
        try:
            return unfitted.fit(self.features(frame), frame[LABEL].astype(np.int64))
        except (ValueError, TypeError) as error:
            message = (
                f"{choice.estimator} can't be fitted with sklearn.params {dict(choice.params)}: {first_line(error)}"
            )
            raise ConfigurationError(message) from error

    def parameters(self, fitted: Any) -> Mapping[str, str]:
        return {key: str(value) for key, value in fitted.get_params(deep=True).items()}

    def logged(self) -> AbstractContextManager[None]:
        return parameters_logged()

    def errors(self, what: str) -> AbstractContextManager[None]:
        del what
        return nullcontext()


class _Own:
    def __init__(self, settings: Settings, table: EventTable, code: OwnCode) -> None:
        self._settings, self._table, self._code = settings, table, code
        self.code: Sequence[str] = [str(code.files)]
        self.requirements: Sequence[str] = code.requirements

    def probe(self, frame: pd.DataFrame) -> None:
        own.probe(self._settings, self._table, frame)

    def features(self, frame: pd.DataFrame) -> pd.DataFrame:
        return plain(frame[list(self._table.features)])

    def fitted(self, frame: pd.DataFrame) -> Any:
        made = own.make(self._code, self._settings, self._table, frame)
        with self.errors("fit"):
            made.fit(self.features(frame), frame[LABEL].to_numpy().astype(np.int64))
        return made

    def parameters(self, fitted: Any) -> Mapping[str, str]:
        return own.named_parameters(fitted, self._settings.sklearn.params)

    @contextmanager
    def logged(self) -> Iterator[None]:
        # Autologging would take each estimator that their `fit` fits inside for the whole, one after the other.
        yield

    def errors(self, what: str) -> AbstractContextManager[None]:
        return self._code.errors(what)
