"""The settings: one frozen tree, each setting with its unit, its default and the reason for the default.

`configuration` fills the tree before any work starts; every layer above reads it.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, model_validator

from ratchet.core.windows import Period
from ratchet.settings.data import Csv, Data, Label
from ratchet.settings.forms import Section, bytes_of
from ratchet.settings.notify import Notify
from ratchet.settings.operation import Exporter, Retention, Retrain, Score, Serving, Tracking, Watch
from ratchet.settings.promotion import Evaluation, Guardrail, Promotion
from ratchet.settings.training import SklearnSettings, SparkSettings, WindowSettings

__all__ = [
    "MODEL_NAME",
    "Csv",
    "Data",
    "Evaluation",
    "Exporter",
    "Guardrail",
    "Label",
    "Notify",
    "Promotion",
    "Retrain",
    "Serving",
    "Settings",
    "Tracking",
    "Watch",
    "bytes_of",
]


MODEL_NAME = r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?"
"""The form of a model's name, as a regular expression."""


class Settings(Section):
    """All settings of Ratchet."""

    model: Annotated[str, Field(pattern=f"^{MODEL_NAME}$")]
    """Name of the model in lower case, digits, hyphens; it is registered as `<model>-sklearn` and `<model>-spark`."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of all randomness: the same data and settings give the same model."""
    data: Data
    windows: WindowSettings = WindowSettings()
    sklearn: SklearnSettings = SklearnSettings()
    spark: SparkSettings = SparkSettings()
    evaluation: Evaluation = Evaluation()
    promotion: Promotion = Promotion()
    tracking: Tracking = Tracking()
    retrain: Retrain = Retrain()
    serving: Serving = Serving()
    watch: Watch = Watch()
    score: Score = Score()
    exporter: Exporter = Exporter()
    retention: Retention = Retention()
    notify: Notify = Notify()

    @model_validator(mode="after")
    def _sliceable(self) -> "Settings":
        columns = [one.column for one in self.evaluation.sliced]
        for column, role in ((self.data.label.column, "label"), (self.data.timestamp, "timestamp")):
            if column in columns:
                message = f"evaluation.slices names the {role} column {column!r}; any other column is accepted"
                raise ValueError(message)
        for guardrail in self.promotion.guardrails:
            if guardrail.slice is not None and guardrail.slice not in columns:
                message = f"promotion.guardrails names the slice {guardrail.slice!r}, which is not in evaluation.slices"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _raw_for_their_own(self) -> "Settings":
        for engine in self.retrain.engines:
            self.check_raw(engine)
        return self

    def check_raw(self, engine: str) -> None:
        """Raises ValueError if the table has features that this engine's estimator can't use."""
        choice = self.sklearn if engine == "sklearn" else self.spark
        if self.data.features and not choice.own:
            message = (
                f"data.features is for estimators of your own, and {engine}.estimator is {choice.estimator}; name the"
                " columns in data.categorical, or leave the engine out of retrain.engines"
            )
            raise ValueError(message)

    @model_validator(mode="after")
    def _floor_of_a_share(self) -> "Settings":
        if self.watch.floor is not None and self.promotion.objective.cost is not None:
            message = "watch.floor is an F1 or F-beta, and promotion.objective is a cost; omit watch.floor"
            raise ValueError(message)
        return self

    @property
    def gap(self) -> Period | None:
        """The time between two windows; None if there is none."""
        text = self.windows.gap or self.data.label.known_after
        return None if text in (None, "0d") else Period.parse(text)

    def registered_name(self, engine: str) -> str:
        """Name of an engine's registered model."""
        return f"{self.model}-{engine}"

    @property
    def experiment(self) -> str:
        """Name of MLflow's experiment."""
        return self.tracking.experiment or self.model

    def flattened(self) -> dict[str, str]:
        """The values as text by path, without secrets; logged as parameters."""
        return {path: _without_password(str(value)) for path, value in _leaves(self.model_dump(), ())}


def _leaves(tree: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield ".".join((*path, key)), value


def _without_password(text: str) -> str:
    if "://" not in text or "@" not in text:
        return text
    parts = urlsplit(text)
    if parts.password is None:
        return text
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{parts.netloc.rpartition('@')[2]}"))
