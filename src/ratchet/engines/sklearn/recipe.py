"""How a candidate's pipeline is made and fitted: one of Ratchet's by its name, or a team's own by its import path.

`engines.sklearn.engine` asks for one and knows no difference beyond it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ratchet.core.search import Params
from ratchet.engines.own_code import OwnCode, check_raw, own_code
from ratchet.engines.requirements import pinned
from ratchet.engines.sklearn import boosting, own
from ratchet.engines.sklearn.logging import parameters_logged
from ratchet.engines.sklearn.pipeline import pipeline
from ratchet.engines.sklearn.row_form import plain
from ratchet.errors import ConfigurationError, first_line
from ratchet.io.table.table import DAY, LABEL, EventTable
from ratchet.settings import Settings


class Recipe(Protocol):
    """code: the files that a model needs to be loaded."""

    code: Sequence[str]

    def probe(self, frame: pd.DataFrame) -> None:
        """Find faults on a few rows of the training window. Raises ConfigurationError."""

    def features(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns of the features, in the form in which the pipeline learns from them and scores them."""

    def grown(self, frame: pd.DataFrame, params: Params) -> Mapping[str, object]:
        """The configured parameters, overridden by others, with the number of trees where that is to be found."""

    def fitted(self, frame: pd.DataFrame, params: Mapping[str, object]) -> Any:
        """The pipeline, fitted on the rows of a window. params: from `grown`. Raises ConfigurationError."""

    def parameters(self, fitted: Any, params: Mapping[str, object]) -> Mapping[str, str]:
        """All parameters of a fitted pipeline by name."""

    def requirements(self, fitted: Any) -> Sequence[str]:
        """The packages that a fitted pipeline needs besides those of every model, in pip's form."""

    def logged(self) -> AbstractContextManager[None]:
        """Around the fit of the measured model: MLflow's autologging, if it is of use."""

    def errors(self, what: str) -> AbstractContextManager[None]:
        """Around what the pipeline does: its errors become a ConfigurationError. what: `predict_proba on …`."""


def recipe(settings: Settings, table: EventTable) -> Recipe:
    """The recipe that the settings name. Raises ConfigurationError if own code can't be imported."""
    check_raw(settings, "sklearn")
    if settings.sklearn.own:
        return _Own(settings, table, own_code(own.SETTING, settings.sklearn.estimator))
    return _Stock(settings, table)


class _Stock:
    code: Sequence[str] = ()

    def __init__(self, settings: Settings, table: EventTable) -> None:
        self._choice, self._seed, self._table = settings.sklearn, settings.seed, table

    def probe(self, frame: pd.DataFrame) -> None: ...

    def features(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[list(self._table.features)]

    def grown(self, frame: pd.DataFrame, params: Params) -> Mapping[str, object]:
        every: dict[str, object] = {**self._choice.params, **params}
        if "n_estimators" in every:
            return every
        with self._fitting(every):
            trees = boosting.trees(self._unfitted(frame, every), *self._learnt(frame), frame[DAY].to_numpy())
        return {**every, **trees}

    def fitted(self, frame: pd.DataFrame, params: Mapping[str, object]) -> Any:
        with self._fitting(params):
            return self._unfitted(frame, params).fit(*self._learnt(frame))

    def _unfitted(self, frame: pd.DataFrame, params: Mapping[str, object]) -> Any:
        # A column without any value carries no information, and boosting can't bin it.
        numeric, categorical = (
            own.with_values(frame, names) for names in (self._table.numeric, self._table.categorical)
        )
        return pipeline(self._choice.estimator, params, numeric, categorical, self._seed)

    def _learnt(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, "pd.Series[int]"]:
        return self.features(frame), frame[LABEL].astype(np.int64)

    @contextmanager
    def _fitting(self, params: Mapping[str, object]) -> Iterator[None]:
        """Turns what an estimator says of its parameters into a ConfigurationError."""
        name = self._choice.estimator
        try:
            yield
        except boosting.refusals() as error:
            message = f"{name} can't be fitted with sklearn.params {dict(params)}: {first_line(error)}"
            raise ConfigurationError(message) from error

    def parameters(self, fitted: Any, params: Mapping[str, object]) -> Mapping[str, str]:
        del params
        return {key: str(value) for key, value in fitted.get_params(deep=True).items()}

    def requirements(self, fitted: Any) -> Sequence[str]:
        return pinned(boosting.requirements(fitted))

    def logged(self) -> AbstractContextManager[None]:
        return parameters_logged()

    def errors(self, what: str) -> AbstractContextManager[None]:
        del what
        return nullcontext()


class _Own:
    def __init__(self, settings: Settings, table: EventTable, code: OwnCode) -> None:
        self._settings, self._table, self._code = settings, table, code
        self._probed = False
        self.code: Sequence[str] = [str(code.files)]

    def probe(self, frame: pd.DataFrame) -> None:
        if not self._probed:
            own.probe(self._settings, self._table, frame)
        self._probed = True

    def features(self, frame: pd.DataFrame) -> pd.DataFrame:
        return plain(frame[list(self._table.features)])

    def grown(self, frame: pd.DataFrame, params: Params) -> Mapping[str, object]:
        del frame
        return {**self._settings.sklearn.params, **params}

    def fitted(self, frame: pd.DataFrame, params: Mapping[str, object]) -> Any:
        made = own.make(self._code, self._settings, self._table, frame, params)
        with self.errors("fit"):
            made.fit(self.features(frame), frame[LABEL].to_numpy().astype(np.int64))
        return made

    def parameters(self, fitted: Any, params: Mapping[str, object]) -> Mapping[str, str]:
        return own.named_parameters(fitted, params)

    def requirements(self, fitted: Any) -> Sequence[str]:
        del fitted
        return self._code.requirements

    @contextmanager
    def logged(self) -> Iterator[None]:
        # Autologging would take each estimator that their `fit` fits inside for the whole, one after the other.
        yield

    def errors(self, what: str) -> AbstractContextManager[None]:
        return self._code.errors(what)
