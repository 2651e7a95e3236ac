"""Finds out what the columns of a table can be, and proposes settings for it.

What can't be found out is asked for: where several columns fit, an option names one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from pydantic import ValidationError

from ratchet.core.evaluation.counts import day_number, day_of
from ratchet.core.proposal import leaks, roles
from ratchet.core.proposal.lengths import Lengths, lengths, unlabelled_days
from ratchet.core.proposal.roles import Column
from ratchet.core.time_formats import TimeFormat
from ratchet.core.windows import Window
from ratchet.errors import ConfigurationError, DataError
from ratchet.io.table import columns, inspection, reader
from ratchet.io.table.labels.values import is_value
from ratchet.io.table.sample import Sample, sample
from ratchet.io.table.table import EventTable
from ratchet.settings import Data, Label

type Ask = Callable[[str, Sequence[str]], str | None]
"""Asks the user for one of some columns, by the name of its role; returns None if it can't."""

_SHOWN = 10
_NEEDED = {
    "timestamp": "it has a date, a datetime, an epoch or a time as text in every row",
    "label": "it has exactly two values",
}


@dataclass(frozen=True)
class Given:
    """What options say; None is to be found out."""

    uri: str
    timestamp: str | None = None
    timestamp_format: str | None = None
    label: str | None = None
    positive: str | None = None
    unknown: Sequence[str] = ()
    timezone: str = "UTC"


@dataclass(frozen=True)
class Leak:
    """A column that alone separates the classes. area: under the ROC curve."""

    name: str
    area: float


@dataclass(frozen=True)
class Proposal:
    """Settings for a table. no_features: other columns, with the reason. dropped: rows without a label are left out.

    first, end: of the days with rows. known_after: days until a label is final, 0 if all are there.
    """

    data: Data
    rows: int
    remarks: Sequence[str]
    first: date
    end: date
    no_features: Sequence[tuple[str, str]]
    leaks: Sequence[Leak]
    known_after: int
    dropped: bool
    windows: Lengths


def propose(given: Given, ask: Ask) -> Proposal:
    """Look at a table. Raises ConfigurationError for what an option must say, DataError for an unfit table."""
    found = sample(given.uri, _checked(given.timestamp_format))
    names = [column.name for column in found.columns]
    for name in (given.timestamp, given.label):
        if name is not None:
            columns.check_present(given.uri, [name], names, given.uri)
    by_name = {column.name: column for column in found.columns}
    timestamp = by_name[given.timestamp or _one(given, "timestamp", roles.timestamps(found.columns), ask)]
    label = by_name[given.label or _one(given, "label", roles.labels(found.columns, timestamp.name), ask)]
    label, unknown = _without(label, given)
    positive = _positive(label, given)
    others = [column for column in found.columns if column.name not in (timestamp.name, label.name)]
    suspects = _suspects(others, label, positive)
    reasons = [(column.name, why) for column in others if (why := roles.why_no_feature(column)) is not None]
    left_out = {*dict(reasons), *(leak.name for leak in suspects)}
    outcome = Label(column=label.name, positive=positive, unknown=unknown)
    data = _data(given, found, timestamp, outcome, [each for each in others if each.name not in left_out])
    return _measured(found, data, reasons, suspects)


def _one(given: Given, role: str, candidates: Sequence[str], ask: Ask) -> str:
    """The only candidate, or the one that the user chooses. Raises ConfigurationError if there are others."""
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        message = f"no column of {given.uri} can be the {role}: {_NEEDED[role]}"
        raise DataError(message)
    if (chosen := ask(role, candidates)) is not None:
        return chosen
    more = f" and {len(candidates) - _SHOWN} more" if len(candidates) > _SHOWN else ""
    listed = ", ".join(candidates[:_SHOWN]) + more
    message = f"{len(candidates)} columns of {given.uri} can be the {role}: {listed}; --{role} names one"
    raise ConfigurationError(message)


def _checked(time_format: str | None) -> str | None:
    try:
        return None if time_format is None else TimeFormat.parse(time_format).text
    except ValueError as error:
        message = f"--timestamp-format {error}"
        raise ConfigurationError(message) from error


def _format(timestamp: Column, given: Given) -> str | None:
    """None for ISO 8601, and for what is no text. Raises ConfigurationError if several formats fit."""
    if given.timestamp_format is not None:
        return given.timestamp_format
    if len(timestamp.formats) > 1:
        message = (
            f"the times in {timestamp.name!r} of {given.uri} fit {' and '.join(timestamp.formats)}; "
            "--timestamp-format names one"
        )
        raise ConfigurationError(message)
    return next((form for form in timestamp.formats if form != roles.ISO_8601), None)


def _without(label: Column, given: Given) -> tuple[Column, tuple[Any, ...]]:
    """The label column with the unknown values missing, and these. Raises ConfigurationError if one does not occur."""
    found = []
    for value in given.unknown:
        fits = [each for each in label.distinct if is_value(value, _plain(each, label))]
        if not fits:
            message = f"--unknown {value!r} does not occur in {label.name!r} of {given.uri}"
            raise ConfigurationError(message)
        found += fits
    missing = label.missing | np.isin(label.values, np.array(found, dtype=label.values.dtype))
    return replace(label, missing=missing), tuple(_plain(each, label) for each in found)


def _positive(label: Column, given: Given) -> Any:
    values = [_plain(value, label) for value in label.distinct]
    if len(values) != 2:  # noqa: PLR2004
        listed = ", ".join(repr(value) for value in values[:_SHOWN])
        message = (
            f"the label column {label.name!r} of {given.uri} has {len(values):,} values ({listed}"
            f"{', …' if len(values) > _SHOWN else ''}); two are accepted, and those that --unknown names"
        )
        raise DataError(message)
    if given.positive is None:
        return _plain(roles.positive_of(label), label)
    fits = [value for value in values if is_value(given.positive, value)]
    if not fits:
        listed = " and ".join(repr(value) for value in values)
        message = f"--positive {given.positive!r} does not occur in {label.name!r}, which has {listed}"
        raise ConfigurationError(message)
    return fits[0]


def _plain(value: Any, label: Column) -> bool | int | float | str:
    """A value as YAML has it."""
    if label.kind == "boolean":
        return bool(value)
    if label.kind == "number":
        return int(value) if float(value).is_integer() else float(value)
    return str(value)


def _suspects(others: Sequence[Column], label: Column, positive: Any) -> list[Leak]:
    known = ~label.missing
    is_one = np.array([value == positive for value in label.values[known]], dtype=np.bool_)
    found = []
    for column in others:
        area = leaks.suspected(column.values[known], column.missing[known], is_one)
        if area is not None:
            found.append(Leak(column.name, area))
    return found


def _data(given: Given, found: Sample, timestamp: Column, label: Label, features: Sequence[Column]) -> Data:
    form = _format(timestamp, given)
    try:
        return Data(
            uri=given.uri,
            csv=found.csv,
            timestamp=timestamp.name,
            timestamp_format=form,
            timestamp_unit=None if form is not None else roles.epoch_unit(timestamp),
            timezone=given.timezone,
            label=label,
            numeric=tuple(column.name for column in features if column.kind != "text"),
            categorical=tuple(column.name for column in features if column.kind == "text"),
        )
    except ValidationError as error:
        first = error.errors()[0]
        message = f"{'.'.join(map(str, first['loc']))}: {first.get('ctx', {}).get('error', first['msg'])}"
        raise ConfigurationError(message) from error


def _measured(found: Sample, data: Data, reasons: Sequence[tuple[str, str]], suspects: Sequence[Leak]) -> Proposal:
    """Read timestamps and labels of all rows: the days, and which of them lack labels."""
    table = inspection.inspect(data)
    first, rows, missing = _days(table)
    known_after = unlabelled_days(rows, missing)
    sizes = lengths(len(rows), known_after)
    if sizes is None:
        message = (
            f"{data.uri} has {len(rows)} days, the last {known_after} without all labels: too few to learn from earlier"
            " and test on later ones"
        )
        raise DataError(message)
    dropped = bool(missing[: len(missing) - known_after].any())
    label = data.label
    if known_after:
        label = label.model_copy(update={"known_after": f"{known_after}d"})
    if dropped:
        label = label.model_copy(update={"missing": "drop"})
    data = data.model_copy(update={"label": label})
    return Proposal(
        data, found.rows, found.remarks, day_of(first), table.end, reasons, suspects, known_after, dropped, sizes
    )


def _days(table: EventTable) -> tuple[int, Any, Any]:
    """The first day, and by day to the last: rows, and rows without a label."""
    last = day_number(table.end)
    first = min(group.first_day for file in table.files for group in file.row_groups if group.first_day is not None)
    first = min(first, last - 1)
    rows, missing = np.zeros((2, last - first), dtype=np.int64)
    whole = [Window("whole", None, table.end)]
    for batch in reader.label_batches(table, reader.pieces(table, whole), whole):
        inside = (batch.window >= 0) & (batch.day >= first)
        np.add.at(rows, batch.day[inside] - first, 1)
        np.add.at(missing, batch.day[inside & batch.missing] - first, 1)
    return first, rows, missing
