"""What data must be like to be learnt from: the rules, and the sentence that each breach gets.

Both engines reduce what they read to the same facts, so they refuse the same data in the same words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ratchet.core.windows import Window
from ratchet.errors import DataError
from ratchet.io.data import Table


@dataclass(frozen=True)
class ColumnFacts:
    """Facts of a feature in a window. infinite: only numbers can be. distinct: None where it was not counted."""

    name: str
    missing: int
    infinite: int
    distinct: int | None
    constant: bool


@dataclass(frozen=True)
class WindowFacts:
    """Facts of a window's rows. label_others: how many rows have each value that is not the positive one."""

    window: Window
    rows: int
    positives: int
    label_nulls: int
    label_others: Mapping[str, int]
    columns: Sequence[ColumnFacts]


def check(windows: Sequence[WindowFacts], table: Table) -> list[str]:
    """Check all windows of a run; returns warnings.

    Raises DataError for an empty window, a missing or third label, one class only, and infinite values.
    """
    for facts in windows:
        _check_rows(facts, table)
    _check_labels(windows, table)
    for facts in windows:
        _check_infinite(facts, table)
    return list(_warnings(windows[0], table))


def _check_rows(facts: WindowFacts, table: Table) -> None:
    if facts.rows == 0:
        message = (
            f"the {facts.window} has no rows in {table.uri}, whose data end on {table.last_day}; set as_of or windows"
        )
        raise DataError(message)
    if facts.label_nulls:
        message = (
            f"the label {table.label!r} is missing in {facts.label_nulls:,} of {facts.rows:,} rows of the"
            f" {facts.window} in {table.uri}; every row needs a label"
        )
        raise DataError(message)


def _check_labels(windows: Sequence[WindowFacts], table: Table) -> None:
    positive = table.settings.label.positive
    others: dict[str, int] = {}
    for facts in windows:
        for value, rows in facts.label_others.items():
            others[value] = others.get(value, 0) + rows
    if len(others) > 1:
        seen = ", ".join(
            f"{value} ({rows:,} rows)" for value, rows in sorted(others.items(), key=lambda item: -item[1])[:5]
        )
        message = (
            f"the label {table.label!r} in {table.uri} has besides {positive!r} the values {seen}; one is accepted"
        )
        raise DataError(message)
    for facts in windows:
        if facts.positives in (0, facts.rows):
            only = "negative" if facts.positives == 0 else "positive"
            hint = f"; data.label.positive is {positive!r}" if facts.positives == 0 else ""
            message = (
                f"all {facts.rows:,} rows of the {facts.window} in {table.uri} are {only} by the label"
                f" {table.label!r}; both classes must occur{hint}"
            )
            raise DataError(message)


def _check_infinite(facts: WindowFacts, table: Table) -> None:
    for column in facts.columns:
        if column.infinite:
            message = (
                f"the column {column.name!r} is infinite in {column.infinite:,} of {facts.rows:,} rows of the"
                f" {facts.window} in {table.uri}; numbers must be finite or missing"
            )
            raise DataError(message)


def _warnings(train: WindowFacts, table: Table) -> Sequence[str]:
    found = []
    for column in train.columns:
        if column.constant:
            found.append(f"the column {column.name!r} has one value in the {train.window}: it teaches nothing")
        elif column.name in table.categorical and column.distinct is not None and column.distinct == train.rows:
            found.append(
                f"the categorical column {column.name!r} has as many values as rows ({train.rows:,}):"
                " it is an id, not a feature; name it in data.exclude"
            )
    return found
