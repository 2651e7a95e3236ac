"""What a request to a server says, brought into the form that training gave the model.

A category reaches the model as the text that training had, whether JSON writes it as `7`, `7.0` or `"7"`. That is
decided value by value, before a frame guesses types from all rows together, so no answer depends on its neighbours.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ratchet.core.category_texts import FALSE_WORDS, MISSING_TEXTS, TRUE_WORDS, text_of

_JSON = "application/json"


class RefusedError(Exception):
    """A request that can't be answered; the text says why."""


@dataclass(frozen=True)
class Asked:
    """A request for MLflow: its body and content type."""

    body: bytes
    kind: str


def asked_of(body: bytes, kind: str, texts: Mapping[str, bool]) -> Asked:
    """The request in which all categories are text. What is neither JSON nor CSV is left for MLflow to refuse.

    kind: the content type. texts: the model's text columns, and whether their texts are those of true and false.
    Raises RefusedError for a value that is no category, and for no rows.
    """
    medium = kind.partition(";")[0].strip().lower()
    if medium == "text/csv":
        return Asked(json.dumps({"dataframe_split": _from_csv(body, texts)}).encode(), _JSON)
    try:
        payload = json.loads(body, parse_constant=_constant, parse_float=_finite) if medium == _JSON else None
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        return Asked(body, kind)
    changed = {name: _FORMS[name](content, texts) if name in _FORMS else content for name, content in payload.items()}
    return Asked(json.dumps(changed).encode(), kind)


def _constant(word: str) -> float:
    """NaN, which is missing; of the others that Python takes for JSON, training refuses the value."""
    if word == "NaN":
        return math.nan
    message = f"{word} is no number that training knew; finite numbers and null are accepted"
    raise RefusedError(message)


def _finite(text: str) -> float:
    """A number as JSON writes it; 1e999 is as infinite as Infinity."""
    number = float(text)
    return _constant(text) if math.isinf(number) else number


def category(value: Any, name: str, *, boolean: bool) -> str | None:
    """The text of a category as training had it, None where it is missing. Raises RefusedError for anything else."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if boolean and not isinstance(value, bool) and value in (0, 1):
        value = bool(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return text_of(value, boolean=boolean)
    if value is None:
        return None
    message = (
        f"the column {name!r} has the value {json.dumps(value)[:80]}; text, a whole number or a boolean is accepted"
    )
    raise RefusedError(message)


def _split(content: Any, texts: Mapping[str, bool]) -> Any:
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        return content
    _check_rows(content["data"])
    places = {place: name for place, name in enumerate(content.get("columns") or ()) if name in texts}
    rows = [_row(row, places, texts) for row in content["data"]]
    return {**content, "data": rows}


def _row(row: Any, places: Mapping[int, str], texts: Mapping[str, bool]) -> Any:
    if not isinstance(row, list):
        return row
    changed = list(row)
    for place, name in places.items():
        if place < len(changed):
            changed[place] = category(changed[place], name, boolean=texts[name])
    return changed


def _records(content: Any, texts: Mapping[str, bool]) -> Any:
    if not isinstance(content, list):
        return content
    _check_rows(content)
    return [
        {name: category(value, name, boolean=texts[name]) if name in texts else value for name, value in record.items()}
        if isinstance(record, dict)
        else record
        for record in content
    ]


def _columns(content: Any, texts: Mapping[str, bool]) -> Any:
    """`inputs` are columns by name, each a list or one value."""
    if not isinstance(content, dict):
        return content
    return {name: _values(each, name, texts) if name in texts else each for name, each in content.items()}


def _values(content: Any, name: str, texts: Mapping[str, bool]) -> Any:
    if isinstance(content, list):
        return [category(value, name, boolean=texts[name]) for value in content]
    return category(content, name, boolean=texts[name])


_FORMS: Mapping[str, Callable[[Any, Mapping[str, bool]], Any]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _records,
    "inputs": _columns,
}


def _check_rows(rows: Sequence[Any]) -> None:
    if not rows:
        message = "the request has no rows"
        raise RefusedError(message)


def _from_csv(body: bytes, texts: Mapping[str, bool]) -> dict[str, Any]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"the request is not UTF-8: byte {error.start + 1} is 0x{body[error.start]:02x}"
        raise RefusedError(message) from error
    names, *rows = [record for record in csv.reader(io.StringIO(text, newline="")) if record] or [[]]
    _check_rows(rows)
    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            message = f"row {number} has {len(row)} values, and the header names {len(names)} columns"
            raise RefusedError(message)
    return {"columns": names, "data": [_csv_row(row, names, texts) for row in rows]}


def _csv_row(row: Sequence[str], names: Sequence[str], texts: Mapping[str, bool]) -> list[Any]:
    return [
        None
        if value in MISSING_TEXTS
        else category(value, name, boolean=texts[name])
        if name in texts
        else _number(value)
        for name, value in zip(names, row, strict=True)
    ]


def _number(value: str) -> float | str:
    """A number where it is one; what is none MLflow refuses, if the model needs it."""
    try:
        return _finite(value)
    except ValueError:
        return {**dict.fromkeys(TRUE_WORDS, 1.0), **dict.fromkeys(FALSE_WORDS, 0.0)}.get(value, value)
