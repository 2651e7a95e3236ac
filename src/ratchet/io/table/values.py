"""Converts values of a table to a model's inputs (numbers, text) and labels, for training and scoring in both engines.

Numbers are float64 and texts UTF-8; missing values, including NaN, are null.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ratchet.core.category_texts import FALSE_WORDS, TRUE_WORDS, text_of
from ratchet.io.table.clock import is_text
from ratchet.io.table.columns import is_number
from ratchet.io.table.labels.values import is_value


def number(column: pa.Array, decimal: str = ".") -> pa.Array:
    """The column as float64; text is parsed, ignoring surrounding blanks. Raises ArrowInvalid with an invalid value.

    decimal: the decimal separator of numbers in text.
    """
    values = _decoded(column)
    if pa.types.is_decimal(values.type):
        values = values.cast(pa.string())  # via text: Arrow's direct cast differs in the last bit
    if not is_text(values.type):
        return _present(values.cast(pa.float64(), safe=False))
    if decimal != ".":
        # A point is invalid in such a number and must not become its decimal separator.
        values = pc.replace_substring(pc.replace_substring(values, ".", "_"), decimal, ".")
    try:
        return _present(values.cast(pa.float64()))
    except pa.ArrowInvalid:
        bare = pc.utf8_trim_whitespace(values.cast(pa.string()))
        bare = pc.replace_substring_regex(bare, r"^\+", "")
        bare = pc.if_else(pc.is_in(bare, pa.array(TRUE_WORDS)), "1", bare)
        bare = pc.if_else(pc.is_in(bare, pa.array(FALSE_WORDS)), "0", bare)
        bare = pc.if_else(pc.equal(bare, ""), pa.scalar(None, pa.string()), bare)
        return _present(bare.cast(pa.float64()))


def first_odd(column: pa.Array, decimal: str = ".") -> str | None:
    """The first text in a column that `number` can't parse; None if there is none."""
    for each in _decoded(column).cast(pa.string()).dictionary_encode().dictionary:  # in the order of their first rows
        try:
            number(pa.array([each]), decimal)
        except pa.ArrowInvalid:
            return str(each)
    return None


def text(column: pa.Array, *, boolean: bool = False) -> pa.Array:
    """Text in a dictionary, normalized by `text_of`, null where missing.

    Dates and times are in ISO 8601, times with microseconds: `2026-01-05 12:30:00.000000`, with a `Z` if the column has
    a zone.
    """
    values = _decoded(column)
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us", values.type.tz and "UTC"), safe=False)
    elif pa.types.is_date(values.type):
        values = values.cast(pa.date32())
    encoded = values.cast(pa.string()).dictionary_encode()
    stored = encoded.dictionary.to_pylist()
    known = [text_of(each, boolean=boolean) for each in stored]
    return encoded if known == stored else pa.array(known, pa.string()).take(encoded.indices).dictionary_encode()


def as_stored(column: pa.Array, kind: pa.DataType, decimal: str) -> pa.Array:
    """A column that is only passed on, cast to its type in the whole table.

    Raises ArrowInvalid if a value does not fit.
    """
    stored = _decoded(column)
    if stored.null_count == len(stored):
        return pa.nulls(len(stored), kind)
    if is_text(stored.type) and is_number(kind):
        return number(stored, decimal).cast(kind)
    # Integers of more than 53 bits are rounded to floats; all other values must fit.
    return stored.cast(kind, safe=not pa.types.is_floating(kind))


def label(
    column: pa.Array, positive: bool | float | str, unknown: Sequence[bool | float | str] = ()
) -> tuple[pa.Array, pa.Array]:
    """Whether each row is positive, null where missing; and the text of the other labels, null where positive.

    unknown: the values that stand for a missing one.
    """
    encoded = _decoded(column).dictionary_encode()
    values = [
        None if _is_missing(value) or any(is_value(value, each) for each in unknown) else value
        for value in encoded.dictionary.to_pylist()
    ]
    hits = [None if value is None else is_value(value, positive) for value in values]
    others = [None if value is None or hit else str(value) for value, hit in zip(values, hits, strict=True)]
    return pa.array(hits, pa.bool_()).take(encoded.indices), pa.array(others, pa.string()).take(encoded.indices)


def _is_missing(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or value != value  # noqa: PLR0124  # only NaN differs from itself


def _decoded(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _present(numbers: pa.Array) -> pa.Array:
    """Null for NaN."""
    nan = pc.is_nan(numbers)
    return pc.if_else(nan, pa.scalar(None, pa.float64()), numbers) if pc.any(nan).as_py() else numbers
