"""Which values of the label column are the positive class.

Both engines use these functions for each distinct value of the column, so they can't disagree.
"""

import re

import pyarrow as pa

from ratchet.core.category_texts import FALSE_WORDS, TRUE_WORDS
from ratchet.errors import ConfigurationError
from ratchet.io.table.clock import is_text
from ratchet.io.table.columns import is_number
from ratchet.settings import Label

# Other texts that Python parses as numbers, such as 1_0 and nan, are text here.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def is_value(value: object, wanted: bool | float | str) -> bool:
    """Whether a label is a value of the settings, across types: the text `1` equals the number 1 and true."""
    if isinstance(value, str):
        return spelled_alike(value) == spelled_alike(str(wanted))
    return value == (_number(wanted) if isinstance(wanted, str) else wanted)


def spelled_alike(value: str) -> str:
    """One spelling for all texts of the same value, such as `0`, `0.00`, `False` and ` false`."""
    number = _number(value)
    return value.strip() if number is None else str(number)


def _number(text: str) -> float | None:
    """The number that a text means, 1 for true and 0 for false; None for other texts."""
    word = text.strip()
    if word in TRUE_WORDS or word in FALSE_WORDS:
        return float(word in TRUE_WORDS)
    return float(word) if _NUMBER.fullmatch(word) else None


def check_comparable(schema: pa.Schema, label: Label) -> None:
    """Raises ConfigurationError if a value of the settings can't occur in the column, or if one has two meanings."""
    if any(is_value(value, label.positive) for value in label.unknown):
        message = f"data.label.unknown has {label.positive!r}, which is data.label.positive"
        raise ConfigurationError(message)
    kind = schema.field(label.column).type
    if is_text(kind):
        return
    for key, value in (("positive is", label.positive), *(("unknown has", value) for value in label.unknown)):
        if not is_number(kind) or (isinstance(value, str) and _number(value) is None):
            message = f"data.label.{key} {value!r}, which can't occur in {label.column!r}, a column of {kind}"
            raise ConfigurationError(message)
