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


def is_positive(value: object, positive: bool | float | str) -> bool:
    """Whether a label is the positive one, across types: the text `1` equals the number 1 and true."""
    if isinstance(value, str):
        return spelled_alike(value) == spelled_alike(str(positive))
    return value == (_number(positive) if isinstance(positive, str) else positive)


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
    """Raises ConfigurationError if the positive value can't occur in a column of this type."""
    kind = schema.field(label.column).type
    if is_text(kind):
        return
    fits = is_number(kind) and (not isinstance(label.positive, str) or _number(label.positive) is not None)
    if not fits:
        message = (
            f"data.label.positive is {label.positive!r}, which can't occur in {label.column!r}, a column of {kind}"
        )
        raise ConfigurationError(message)
