"""The columns of a request that is as it should be, converted a whole column at a time, for a plan of the model.

Anything unusual is left to `io.serving.requests`, which converts value by value and says what is wrong.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from ratchet.io.serving.requests import CheckRows, RefusedError, category, constant, rows_of

# The largest whole number that a float surely holds; MLflow refuses larger ones.
_EXACT = 2.0**53
_SCALARS = {str, int, float, bool, type(None)}


def plain_columns(
    body: bytes, kind: str, texts: Mapping[str, bool], numbers: Sequence[str], check_rows: CheckRows
) -> dict[str, Sequence[Any]] | None:
    """The model's columns: lists of text or None, and arrays of finite numbers with NaN for missing ones.

    kind: the content type. texts: the model's text columns, and whether they are boolean. numbers: its numeric columns.
    None for any other form than JSON with `dataframe_split` or `dataframe_records` alone, and for rows that may be
    refused.
    """
    medium, _, parameters = kind.partition(";")
    if medium.strip().lower() != "application/json" or parameters.strip().lower() not in ("", "charset=utf-8"):
        return None
    try:
        payload = json.loads(body, parse_constant=constant)
        ((form, content),) = payload.items()
        check_rows(rows_of(payload))
        columns = _FORMS[form](content)
        return None if columns is None else _converted(columns, texts, numbers)
    except (RefusedError, RecursionError, ValueError, LookupError, TypeError, AttributeError, OverflowError):
        return None  # it has another form


def _converted(
    columns: Mapping[str, Sequence[Any]], texts: Mapping[str, bool], numbers: Sequence[str]
) -> dict[str, Sequence[Any]] | None:
    found: dict[str, Any] = {name: _text(columns[name], name, boolean=boolean) for name, boolean in texts.items()}
    values = _numbers([columns[name] for name in numbers])
    if values is None:
        return None
    found |= zip(numbers, values, strict=True)
    others = (column for name, column in columns.items() if name not in found)
    return found if all(map(_is_finite, others)) else None


def _text(column: Sequence[Any], name: str, *, boolean: bool) -> list[str | None]:
    """Raises RefusedError, and TypeError for what is no scalar."""
    if {*map(type, column)} <= {str, type(None)}:
        known = {value: category(value, name, boolean=boolean) for value in {*column}}
        return [known[value] for value in column]
    return [category(value, name, boolean=boolean) for value in column]


def _numbers(columns: Sequence[Sequence[Any]]) -> Any:
    """An array with a row for each column, None if any value is no number that a float holds."""
    kinds = {*map(type, chain.from_iterable(columns))}
    if not kinds <= {int, float, type(None)}:
        return None
    values = np.array(columns, dtype=np.float64)
    largest = np.fmax.reduce(np.abs(values), axis=None, initial=0.0)
    return values if largest < (_EXACT if int in kinds else math.inf) else None


def _is_finite(column: Sequence[Any]) -> bool:
    """Whether a column that the model does not need holds scalars, and no number that JSON can't."""
    return {*map(type, column)} <= _SCALARS and not any(type(each) is float and math.isinf(each) for each in column)


def _of_split(content: Any) -> dict[str, Sequence[Any]] | None:
    names, rows = content["columns"], content["data"]
    if content.keys() != {"columns", "data"} or {*map(type, rows)} != {list} or len({*names}) != len(names):
        return None
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _of_records(content: Any) -> dict[str, Sequence[Any]] | None:
    names = content[0].keys()
    if {*map(type, content)} != {dict} or any(record.keys() != names for record in content):
        return None
    return {name: [record[name] for record in content] for name in names}


_FORMS: Mapping[str, Callable[[Any], dict[str, Sequence[Any]] | None]] = {
    "dataframe_split": _of_split,
    "dataframe_records": _of_records,
}
