"""Which values of the label column are the positive class.

Both engines ask value by value, over the few distinct values of the column, so that they can't disagree.
"""

import pyarrow as pa

from ratchet.errors import ConfigurationError
from ratchet.io.table.clock import is_text
from ratchet.io.table.columns import is_number
from ratchet.settings import Label

_TRUE = frozenset({"true", "True", "TRUE", "1", "1.0"})
_FALSE = frozenset({"false", "False", "FALSE", "0", "0.0"})


def is_positive(value: object, positive: bool | float | str) -> bool:
    """Whether a value of the label column is the positive one, across types: text `1` is the number 1 and true."""
    if isinstance(value, str):
        return value in _texts(positive)
    return value == (_number(positive) if isinstance(positive, str) else positive)


def spelled_alike(value: str) -> str:
    """One spelling for all texts that mean the same value: `0`, `0.0`, `False` and `false` are one."""
    number = _number(value)
    return value if number is None else str(number)


def _texts(positive: bool | float | str) -> frozenset[str]:
    words = {str(positive)}
    if not isinstance(positive, str):
        whole = positive == int(positive)
        words |= {str(int(positive)), f"{int(positive)}.0"} if whole else set()
    alike = next((each for each in (_TRUE, _FALSE) if words & each), frozenset[str]())
    return frozenset(words | alike)


def _number(text: str) -> float | None:
    """What a text means beside numbers and booleans: 1 for true, 0 for false."""
    if text in _TRUE or text in _FALSE:
        return float(text in _TRUE)
    try:
        return float(text)
    except ValueError:
        return None


def check_comparable(schema: pa.Schema, label: Label) -> None:
    """Raises ConfigurationError where the positive value can't occur in a column of this type."""
    kind = schema.field(label.column).type
    if is_text(kind):
        return
    fits = is_number(kind) and (not isinstance(label.positive, str) or _number(label.positive) is not None)
    if not fits:
        message = (
            f"data.label.positive is {label.positive!r}, which can't occur in {label.column!r}, a column of {kind}"
        )
        raise ConfigurationError(message)
