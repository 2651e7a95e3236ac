"""How a candidate's stages are made and fitted: Ratchet's by the estimator's name, or a team's own by an import path.

`engines.spark.engine` asks for one and knows no difference beyond it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ratchet.core.search import Params
from ratchet.engines import folding
from ratchet.engines.own_code import OwnCode, check_raw, own_code
from ratchet.engines.spark import own, pipeline
from ratchet.engines.spark.errors import spark_errors
from ratchet.engines.spark.logging import Needed
from ratchet.engines.spark.pipeline import ESTIMATORS, Categories, Numbers
from ratchet.io.table.table import LABEL, EventTable
from ratchet.settings import Settings


class Recipe(Protocol):
    """code: the team's own, None if it has none."""

    code: OwnCode | None

    def probe(self, numbers: Sequence[Numbers], categories: Sequence[Categories], rows: Any) -> None:
        """Find faults on a few rows of the training window. Raises ConfigurationError."""

    def fitted(
        self, numbers: Sequence[Numbers], categories: Sequence[Categories], rows: Any, params: Params
    ) -> list[Any]:
        """Fitted stages, up to the estimator's probability. params: override the configured ones."""

    def parameters(self, stages: Sequence[Any], params: Params) -> Mapping[str, str]:
        """All parameters of fitted stages by name."""

    def most_categories(self) -> int:
        """The maximum number of values of a categorical feature."""

    def needed(self, stages: Sequence[Any]) -> Needed:
        """What a model of these stages needs to be loaded."""


def recipe(settings: Settings, table: EventTable, cores: int) -> Recipe:
    """The recipe that the settings name. Raises ConfigurationError for unknown parameters, and own code that fails."""
    check_raw(settings, "spark")
    if settings.spark.own:
        return _Own(settings, table, own_code(own.SETTING, settings.spark.estimator))
    return _Stock(settings, cores)


class _Stock:
    code: OwnCode | None = None

    def __init__(self, settings: Settings, cores: int) -> None:
        self._choice, self._seed, self._cores = settings.spark, settings.seed, cores
        self._configured = self._unfitted({})
        if self._choice.search is not None:
            known = pipeline.accepted(self._configured)
            folding.check_space("spark.search", self._choice.estimator, self._choice.search, known)

    def probe(self, numbers: Sequence[Numbers], categories: Sequence[Categories], rows: Any) -> None: ...

    def fitted(
        self, numbers: Sequence[Numbers], categories: Sequence[Categories], rows: Any, params: Params
    ) -> list[Any]:
        from pyspark.ml import Pipeline

        name = self._choice.estimator
        stages = pipeline.preprocessing(ESTIMATORS[name], numbers, categories)
        with spark_errors(f"fitting {name}", parameters="spark.params"):
            return list(Pipeline(stages=[*stages, self._unfitted(params)]).fit(rows).stages)

    def parameters(self, stages: Sequence[Any], params: Params) -> Mapping[str, str]:
        return pipeline.parameters([*stages[:-1], self._unfitted(params)])

    def most_categories(self) -> int:
        return pipeline.most_categories(self._choice.estimator, self._configured)

    def needed(self, stages: Sequence[Any]) -> Needed:
        del stages
        return Needed(self._choice.estimator)

    def _unfitted(self, params: Params) -> Any:
        every = {**self._choice.params, **params}
        return pipeline.estimator(self._choice.estimator, every, LABEL, self._seed, self._cores)


class _Own:
    def __init__(self, settings: Settings, table: EventTable, code: OwnCode) -> None:
        self._settings, self._features, self._probed = settings, table.features, False
        self._code = code
        self.code: OwnCode | None = code

    def probe(self, numbers: Sequence[Numbers], categories: Sequence[Categories], rows: Any) -> None:
        if not self._probed:
            own.probe(self._code, self._settings, _names(numbers, categories), self._features, rows)
        self._probed = True

    def fitted(
        self, numbers: Sequence[Numbers], categories: Sequence[Categories], rows: Any, params: Params
    ) -> list[Any]:
        stages = own.make(self._code, self._settings, _names(numbers, categories), self._every(params))
        name = self._settings.spark.estimator
        with self._code.errors("fit"), spark_errors(f"fitting {name}", parameters="spark.params"):
            return own.fitted(stages, rows, self._features)

    def parameters(self, stages: Sequence[Any], params: Params) -> Mapping[str, str]:
        return own.parameters(stages, self._every(params))

    def most_categories(self) -> int:
        return pipeline.most_categories(self._settings.spark.estimator, None)

    def needed(self, stages: Sequence[Any]) -> Needed:
        files = own.code_needed(self._code, stages)
        return Needed(self._settings.spark.estimator, self._code.requirements, files)

    def _every(self, params: Params) -> dict[str, object]:
        return {**self._settings.spark.params, **params}


def _names(numbers: Sequence[Numbers], categories: Sequence[Categories]) -> tuple[list[str], list[str]]:
    return [one.name for one in numbers], [one.name for one in categories]
