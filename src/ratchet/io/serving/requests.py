"""Converts a request to a server into the form that the model had in training.

A category reaches the model as the text that it had in training, whether JSON writes it as `7`, `7.0` or `"7"`. Values
are converted one by one, before a data frame infers types from all rows, so no prediction depends on other rows.
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ratchet.core.category_texts import FALSE_WORDS, MISSING_TEXTS, TRUE_WORDS, text_of

_JSON = "application/json"
_PARQUET = "application/vnd.apache.parquet"
type Value = Callable[[Any, str], Any]
type CheckRows = Callable[[int], None]
"""Raises an error if a request has too many rows; called before they are converted."""


class RefusedError(Exception):
    """An invalid request; the text is the reason."""


@dataclass(frozen=True)
class Asked:
    """A request for MLflow: its body and content type."""

    body: bytes
    kind: str


def asked_of(
    body: bytes,
    kind: str,
    texts: Mapping[str, bool],
    numbers: Collection[str] | None = None,
    check_rows: CheckRows = lambda _rows: None,
) -> Asked:
    """The request with all categories as text. Other types than JSON, CSV and Parquet are left for MLflow to reject.

    kind: the content type. texts: the model's text columns, and whether they are boolean. numbers: its numeric columns;
    None: all others. Raises RefusedError for an invalid value, and for a request without rows.
    """
    medium, separator, parameters = kind.partition(";")
    medium = medium.strip().lower()
    value = partial(_value, texts=texts, numbers=numbers)
    if medium == "text/csv":
        found = _from_csv(body, value, check_rows)
        return Asked(json.dumps({"dataframe_split": found}).encode(), _JSON)
    if medium == _PARQUET:
        records = _from_parquet(body, value, check_rows)
        return Asked(json.dumps({"dataframe_records": records}, default=str).encode(), _JSON)
    payload = _parsed(body) if medium == _JSON else None
    if not isinstance(payload, dict):
        return Asked(body, kind)
    check_rows(rows_of(payload))
    changed = {name: _FORMS[name](content, value) if name in _FORMS else content for name, content in payload.items()}
    return Asked(json.dumps(changed).encode(), f"{_JSON}{separator}{parameters}")


def _parsed(body: bytes) -> Any:
    """The parsed JSON; None if it is invalid."""
    try:
        return json.loads(body, parse_constant=constant, parse_float=_finite, parse_int=_whole)
    except RecursionError as error:
        message = "the request is nested too deeply"
        raise RefusedError(message) from error
    except ValueError:
        return None


def constant(word: str) -> float:
    """NaN, which counts as missing; other constants that Python's JSON accepts are refused, as in training.

    Raises RefusedError.
    """
    if word == "NaN":
        return math.nan
    message = f"{word} is not a finite number; finite numbers and null are accepted"
    raise RefusedError(message)


def _finite(text: str) -> float:
    """A number in JSON; 1e999 is rejected like Infinity."""
    number = float(text)
    return constant(text) if math.isinf(number) else number


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        message = f"{text[:20]}… has {len(text):,} digits, too many for a number"
        raise RefusedError(message) from error


def category(value: Any, name: str, *, boolean: bool) -> str | None:
    """The text of a category as in training, None if it is missing. Raises RefusedError for any other value."""
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
    if isinstance(value, str) and (value.isascii() or _is_unicode(value)):
        return text_of(value, boolean=boolean)
    if value is None:
        return None
    message = (
        f"the column {name!r} has the value {json.dumps(value)[:80]}; text, a whole number or a boolean is accepted"
    )
    raise RefusedError(message)


def _is_unicode(text: str) -> bool:
    """Whether it can be encoded as UTF-8; JSON may contain lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _value(value: Any, name: str, *, texts: Mapping[str, bool], numbers: Collection[str] | None) -> Any:
    """A value of a column as in training. Raises RefusedError for an invalid one."""
    if name in texts:
        return category(value, name, boolean=texts[name])
    if numbers is not None and name not in numbers:
        return value
    if isinstance(value, float) and math.isinf(value):
        return constant(str(value))
    number = _number(value) if isinstance(value, str) else value
    if numbers is not None and isinstance(number, str):
        message = f"the column {name!r} has the value {json.dumps(number)[:80]}; a number is accepted"
        raise RefusedError(message)
    return number


def _split(content: Any, value: Value) -> Any:
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        return content
    _check_not_empty(content["data"])
    names = content.get("columns")
    if names is None:
        return content
    if not isinstance(names, list) or not all(isinstance(name, str | int | None) for name in names):
        message = f"the columns of dataframe_split are {json.dumps(names)[:80]}; a list of names is accepted"
        raise RefusedError(message)
    _check_distinct(names)
    return {**content, "data": [_row(row, number, names, value) for number, row in enumerate(content["data"], 1)]}


def _row(row: Any, number: int, names: Sequence[str], value: Value) -> list[Any]:
    if not isinstance(row, list):
        message = f"row {number} of dataframe_split is {json.dumps(row)[:80]}; a list of values is accepted"
        raise RefusedError(message)
    _check_length(row, number, names)
    return [value(each, name) for each, name in zip(row, names, strict=True)]


def _records(content: Any, value: Value) -> Any:
    if not isinstance(content, list):
        return content
    _check_not_empty(content)
    # A field that a record omits is missing, like null.
    names = dict.fromkeys(name for record in content if isinstance(record, dict) for name in record)
    return [
        {name: value(record.get(name), name) for name in names} if isinstance(record, dict) else record
        for record in content
    ]


def _columns(content: Any, value: Value) -> Any:
    """The content of `inputs`: columns by name, each a list or a single value; or records."""
    if not isinstance(content, dict):
        return _records(content, value)
    if all(each == [] for each in content.values()):
        _check_not_empty([])
    return {
        name: [value(each, name) for each in column] if isinstance(column, list) else value(column, name)
        for name, column in content.items()
    }


_FORMS: Mapping[str, Callable[[Any, Value], Any]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _records,
    "inputs": _columns,
}


def rows_of(payload: Mapping[str, Any]) -> int:
    """How many rows a parsed request has; 0 if only MLflow can tell."""
    return max((_rows(content) for name, content in payload.items() if name in _FORMS), default=0)


def _rows(content: Any) -> int:
    """The rows of a form's content: records, `dataframe_split`, or columns by name."""
    lists = content.values() if isinstance(content, dict) else [content]
    if isinstance(content, dict) and isinstance(content.get("data"), list):
        lists = [content["data"]]
    return max((len(each) for each in lists if isinstance(each, list)), default=0)


def _check_not_empty(rows: Sequence[Any]) -> None:
    if not rows:
        message = "the request has no rows"
        raise RefusedError(message)


def _check_distinct(names: Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        message = f"the column {twice!r} occurs {names.count(twice)} times in the request; names must be distinct"
        raise RefusedError(message)


def _check_length(row: Sequence[Any], number: int, names: Sequence[str]) -> None:
    if len(row) != len(names):
        message = f"row {number} has {len(row)} values, but the header has {len(names)} columns"
        raise RefusedError(message)


def _from_csv(body: bytes, value: Value, check_rows: CheckRows) -> dict[str, Any]:
    try:
        text = body.decode("utf-8-sig")
        names, *rows = [record for record in csv.reader(io.StringIO(text, newline="")) if record] or [[]]
    except UnicodeDecodeError as error:
        message = f"the request is not UTF-8: byte {error.start + 1} is 0x{body[error.start]:02x}"
        raise RefusedError(message) from error
    except csv.Error as error:
        message = f"the request is not valid CSV: {error}"
        raise RefusedError(message) from error
    _check_not_empty(rows)
    check_rows(len(rows))
    _check_distinct([name for name in names if name])
    for number, row in enumerate(rows, 1):
        _check_length(row, number, names)
    return {"columns": names, "data": [_csv_row(row, names, value) for row in rows]}


def _from_parquet(body: bytes, value: Value, check_rows: CheckRows) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(body))
        check_rows(file.metadata.num_rows)
        table = file.read()
    except (pa.ArrowException, OSError) as error:
        message = "the request is not valid Parquet"
        raise RefusedError(message) from error
    _check_distinct(table.column_names)
    return _records(table.to_pylist(), value)


def _csv_row(row: Sequence[str], names: Sequence[str], value: Value) -> list[Any]:
    return [
        None if each in MISSING_TEXTS or not each.strip() else value(each, name)
        for each, name in zip(row, names, strict=True)
    ]


def _number(value: str) -> float | str:
    """The number that a text means; other text is unchanged, and MLflow rejects it if the model needs a number."""
    word = value.strip()
    # Other texts that Python parses as numbers, such as 1_0, are text in training's files.
    if re.fullmatch(r"[+-]?([0-9.]+([eE][+-]?[0-9]+)?|inf(inity)?|nan)", word, re.IGNORECASE):
        try:
            return _finite(word)
        except ValueError:
            return value
    return {**dict.fromkeys(TRUE_WORDS, 1.0), **dict.fromkeys(FALSE_WORDS, 0.0)}.get(word, value)
