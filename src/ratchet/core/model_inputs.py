"""The columns that a model needs, as named by its signature in MLflow; used by servers and batch scoring."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratchet.errors import ConfigurationError

NUMBERS = ("double", "float", "long", "integer", "boolean")
BOOLEANS = "boolean_categories"
"""Key in a model's metadata: its boolean categories."""
RAW = "raw_features"
"""Key in a model's metadata: its features of `data.features`, which may be dates or times in a table."""
_TEXT = "string"


@dataclass(frozen=True)
class ModelInputs:
    """The columns that a model needs. kinds: MLflow's type names (`double`, `string`), by column.

    booleans: text columns whose values in training were the texts of true and false. raw: text columns that are no
    categories.
    """

    kinds: Mapping[str, str]
    booleans: frozenset[str] = frozenset()
    raw: frozenset[str] = frozenset()

    @classmethod
    def of(cls, about: Any, model: str) -> "ModelInputs":
        """Read MLflow's facts about a model; model: its name in messages. Raises ConfigurationError if it is unusable.

        about: an `mlflow.models.Model`.
        """
        schema = about.get_input_schema()
        specs = getattr(schema, "inputs", ())
        kinds = {str(spec.name): getattr(spec.type, "name", "") for spec in specs if getattr(spec, "name", None)}
        if not kinds or len(kinds) != len(specs):
            message = f"{model} has no signature that names its columns, so its inputs are unknown"
            raise ConfigurationError(message)
        for name, kind in kinds.items():
            if kind not in (*NUMBERS, _TEXT):
                message = f"{model} needs the column {name!r} as {kind or 'something'}; numbers and text can be scored"
                raise ConfigurationError(message)
        known = about.metadata or {}
        return cls(kinds, frozenset(known.get(BOOLEANS, ())), frozenset(known.get(RAW, ())) & kinds.keys())

    @property
    def numeric(self) -> tuple[str, ...]:
        return tuple(name for name, kind in self.kinds.items() if kind in NUMBERS)

    @property
    def categorical(self) -> tuple[str, ...]:
        return tuple(name for name in self.texts if name not in self.raw)

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(name for name, kind in self.kinds.items() if kind == _TEXT)
