"""The roles of columns: timestamp, label, numeric and categorical features.

`io.table.inspection.inspect` resolves them from the columns of the files and the settings.
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ratchet.errors import ConfigurationError, DataError
from ratchet.io.table.clock import is_text
from ratchet.settings import Data

_NEAR = 3
OURS = "__ratchet_"
"""Prefix of the columns that Ratchet adds to a table: its label, the days, the windows."""


def plain(kind: pa.DataType) -> pa.DataType:
    """The type of the values, regardless of their storage: in a dictionary, with long offsets, as views."""
    if pa.types.is_dictionary(kind):
        return plain(kind.value_type)
    return pa.string() if is_text(kind) else kind


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type holds numbers or booleans."""
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind))


def is_moment(kind: pa.DataType) -> bool:
    """Whether a column of this type holds dates, or times of a day."""
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _is_category(kind: pa.DataType) -> bool:
    """Whether both engines convert the values to the same text, unlike fractions."""
    whole = pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
    return is_text(kind) or bool(whole or pa.types.is_boolean(kind))


def common(kinds: Sequence[pa.DataType], *, text: bool) -> pa.DataType | None:
    """The common type of some types, None if there is none; columns of nulls alone become numbers, or text."""
    some = [kind for kind in kinds if not pa.types.is_null(kind)]
    if not some:
        return pa.string() if text else pa.float64()
    if len(some) > 1 and all(pa.types.is_timestamp(kind) and kind.tz for kind in some):
        some = [pa.timestamp(kind.unit, "UTC") for kind in some]  # the same instant in every zone
    if any(map(pa.types.is_timestamp, some)):
        some = [pa.timestamp("us") if pa.types.is_date(kind) else kind for kind in some]
    try:
        return pa.unify_schemas([pa.schema([("", kind)]) for kind in some], promote_options="permissive").types[0]
    except pa.ArrowException:
        return None


def check_present(uri: str, wanted: Iterable[str], names: Sequence[str], where: str) -> None:
    """Raises DataError for the first wanted column that is not among `names`; where: the file or folder."""
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=_NEAR, cutoff=0.5)
            shown = ", ".join(map(_shown, near or names[:10]))
            hint = f"similar names: {shown}" if near else f"its columns: {shown or 'none'}"
            place = uri if where == uri else f"{where} of {uri}"
            message = f"the column {name!r} is not in {place}; {hint}"
            raise DataError(message)


def _shown(name: str) -> str:
    """The name, quoted if it has surrounding blanks or invisible characters."""
    return name if name.isprintable() and name == name.strip() else repr(name)


def check_distinct(names: Sequence[str], where: str) -> None:
    """Raises DataError if two columns of a file have the same name."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"the column {twice[0]!r} occurs {names.count(twice[0])} times in {where}; names must be distinct"
        raise DataError(message)


def check_timestamp(schema: pa.Schema, name: str, settings: Data, uri: str) -> None:
    """Raises DataError or ConfigurationError if a column with times has an unfit type."""
    kind = schema.field(name).type
    number = is_number(kind) and not pa.types.is_boolean(kind)
    moment = is_moment(kind)
    if not (number or moment or is_text(kind)):
        message = (
            f"the timestamp column {name!r} of {uri} has the type {kind}; "
            "a date, a datetime, text or a number is accepted"
        )
        raise DataError(message)
    given = {"unit": settings.timestamp_unit, "format": settings.timestamp_format}
    named = next((part for part, value in given.items() if value is not None), None)
    if number and named is None:
        message = (
            f"the timestamp column {name!r} holds numbers: data.timestamp_unit must be s, ms, us or ns, or"
            " data.timestamp_format the format of numbers such as 20131231"
        )
        raise ConfigurationError(message)
    if name == settings.timestamp and moment and named is not None:
        message = (
            f"data.timestamp_{named} is {given[named]!r}, but the timestamp column {settings.timestamp!r} "
            f"has the type {kind}: omit the {named}"
        )
        raise ConfigurationError(message)


def features(schema: pa.Schema, settings: Data, uri: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the numeric and the categorical features; raises DataError for a column of an unfit type."""
    numeric = settings.numeric
    categorical = settings.categorical
    others = _others(schema, settings)
    if numeric is None:
        numeric = tuple(name for name in others if is_number(schema.field(name).type))
    if categorical is None:
        categorical = tuple(name for name in others if is_text(schema.field(name).type))
    if settings.numeric is None and settings.categorical is None:
        _check_all_others(schema, others, {*numeric, *categorical}, uri)
    check_features(schema, numeric, categorical, settings.features, uri)
    if not (numeric or categorical or settings.features):
        message = f"{uri} has no feature: no column besides the timestamp and the label is selected"
        raise DataError(message)
    return numeric, categorical


def check_extra(schema: pa.Schema, role: str, name: str, uri: str) -> None:
    """Raises DataError for a column, besides the features, that is not in the table or of an unfit type.

    role: such as `slice`.
    """
    check_present(uri, [name], schema.names, uri)
    kind = schema.field(name).type
    if not (is_number(kind) or is_text(kind)):
        message = f"the {role} {name!r} of {uri} has the type {kind}; text, numbers or booleans are accepted"
        raise DataError(message)


def text_in_ranges(column: str, uri: str) -> ConfigurationError:
    """The error for ranges of a column with text."""
    message = f"evaluation.slices gives ranges for {column!r}, which holds text in {uri}; omit the ranges"
    return ConfigurationError(message)


def check_features(
    schema: pa.Schema, numeric: Sequence[str], categorical: Sequence[str], raw: Sequence[str], uri: str
) -> None:
    """Raises DataError for a feature whose name is reserved or whose type is unfit."""
    _check_free((*numeric, *categorical, *raw), uri)
    _check_kinds(schema, numeric, uri, _NUMERIC)
    _check_kinds(schema, categorical, uri, _CATEGORICAL)
    _check_kinds(schema, raw, uri, _RAW)


def _check_free(names: Iterable[str], uri: str) -> None:
    for name in names:
        if name.lower().startswith(OURS):
            message = f"the column {name!r} of {uri} has a name that is reserved for Ratchet: rename it or exclude it"
            raise DataError(message)


def is_needed(name: str, settings: Data) -> bool:
    """Whether a column of this name has a role, or may get one."""
    own = (settings.timestamp, settings.label.column, settings.label.known_at, settings.entity)
    if name in (*own, *settings.named_features):
        return True
    return name not in settings.exclude and (settings.numeric is None or settings.categorical is None)


def _others(schema: pa.Schema, settings: Data) -> list[str]:
    taken = {settings.timestamp, settings.label.column, settings.label.known_at, settings.entity, *settings.exclude}
    taken.update(settings.named_features)
    return [name for name in schema.names if name not in taken]


def _check_all_others(schema: pa.Schema, others: Sequence[str], chosen: set[str], uri: str) -> None:
    for name in others:
        if name not in chosen:
            kind = schema.field(name).type
            other = ", or to data.features for an estimator of your own" if is_moment(kind) else ""
            message = (
                f"the column {name!r} of {uri} has the type {kind}, which is neither a number nor text: "
                f"add it to data.exclude{other}"
            )
            raise DataError(message)


@dataclass(frozen=True)
class _Role:
    """A role of features: its name in messages, the accepted types, and their names."""

    name: str
    fits: Callable[[pa.DataType], bool]
    accepted: str


_NUMERIC = _Role("numeric feature", is_number, "numbers or booleans")
_CATEGORICAL = _Role("categorical feature", _is_category, "text, whole numbers or booleans")
_RAW = _Role("feature", lambda kind: is_text(kind) or is_moment(kind), "in data.features, text, dates or times")


def _check_kinds(schema: pa.Schema, names: Sequence[str], uri: str, role: _Role) -> None:
    for name in names:
        kind = schema.field(name).type
        if not role.fits(kind):
            message = f"the {role.name} {name!r} of {uri} has the type {kind}; {role.accepted} are accepted"
            raise DataError(message)
