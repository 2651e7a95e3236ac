"""The forms of values that several settings have, and the base of all sections."""

import re
from collections.abc import Mapping
from itertools import pairwise
from math import isfinite
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import core_schema

from ratchet.core import objective
from ratchet.core.objective import Objective
from ratchet.core.windows import Period


def _flag(value: object) -> object:
    return bool(value) if type(value) is int and value in (0, 1) else value


def _period(text: str) -> str:
    Period.parse(text)
    return text


def _gap(text: str) -> str:
    return text if text == "0d" else _period(text)


def _bytes(text: str) -> str:
    bytes_of(text)
    return text


def _slice(value: object) -> object:
    """One slice as in YAML: a column's name, or a name with the edges of its ranges."""
    if isinstance(value, str):
        return value
    edges = next(iter(value.values())) if isinstance(value, Mapping) and len(value) == 1 else None
    if not isinstance(edges, tuple) or not _ascending(edges):
        message = (
            f"{value!r} is no slice; accepted is a column's name, alone or with ascending edges: {{age: [25, 40]}}"
        )
        raise ValueError(message)
    return value


def _ascending(edges: tuple[object, ...]) -> bool:
    numbers = [float(edge) for edge in edges if isinstance(edge, int | float) and isfinite(edge)]
    return 0 < len(numbers) == len(edges) and all(before < after for before, after in pairwise(numbers))


def bytes_of(text: str) -> int:
    """The bytes in `512MiB` or `4GiB`; raises ValueError with the accepted form."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})(MiB|GiB)", text)
    if match is None:
        message = f"{text!r} is not an amount of memory; a whole number with MiB or GiB is accepted, such as 4GiB"
        raise ValueError(message)
    return int(match[1]) * 1024 ** (2 if match[2] == "MiB" else 3)


_IMPORT_PATH = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"


def is_import_path(text: str) -> bool:
    """Whether it names something in a Python module, as `module.path:name` does."""
    return re.fullmatch(_IMPORT_PATH, text, re.ASCII) is not None


class OrImportPath:
    """Beside the names of a Literal, an import path is accepted, too: `Annotated[Literal[…], OrImportPath()]`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_wrap_validator_function(self._validated, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        return {"anyOf": [handler(schema), {"type": "string", "pattern": f"^{_IMPORT_PATH}$", "title": "import path"}]}

    def _validated(self, value: object, names: Any) -> Any:
        if not isinstance(value, str) or ":" not in value:
            return names(value)
        if not is_import_path(value):
            message = f"{value!r} is no import path; a module, a colon and a name are accepted, such as our.models:make"
            raise ValueError(message)
        return value


Flag = Annotated[bool, BeforeValidator(_flag)]
PeriodText = Annotated[str, AfterValidator(_period)]
GapText = Annotated[str, AfterValidator(_gap)]
Memory = Annotated[str, AfterValidator(_bytes)]
Text = Annotated[str, Field(min_length=1)]
SliceText = Annotated[Text | Mapping[Text, tuple[float, ...]], BeforeValidator(_slice)]
Scalar = bool | int | float | str
ObjectiveForm = Annotated[
    Objective,
    PlainValidator(Objective.parse),
    PlainSerializer(lambda chosen: chosen.form),
    WithJsonSchema(objective.SCHEMA),
    Field(json_schema_extra={"default": "f1"}),
]


class Section(BaseModel):
    """The base of all sections: frozen, strict, without unknown keys; pydantic's errors show no value."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )
