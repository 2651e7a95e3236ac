"""The rules for bad data, shared by both engines: the engines count, these rules judge.

An engine summarizes each window in a `WindowFacts`; all error messages about windows are written here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from ratchet.core.evaluation.few_positives import ENOUGH, calibration_method
from ratchet.core.windows import Window
from ratchet.errors import DataError
from ratchet.io.table.labels.values import spelled_alike
from ratchet.io.table.table import EventTable

_SHOWN = 3
# Of the test rows; fewer copies hardly move F1.
_EXCESS = 0.01
_DEVIATIONS = 3


@dataclass(frozen=True)
class ColumnFacts:
    """A feature in a window. distinct: how many different values, None if not counted. constant: it never varies."""

    name: str
    missing: int
    infinite: int
    distinct: int | None
    constant: bool


@dataclass(frozen=True)
class WindowFacts:
    """A window in numbers, all of them of rows. label_others: the rows of each label other than the positive one.

    bad_timestamps: rows that belong to no window because their timestamp is missing or can't be read.
    """

    window: Window
    rows: int
    positives: int
    label_nulls: int
    label_others: Mapping[str, int]
    bad_timestamps: int
    columns: tuple[ColumnFacts, ...]


@dataclass(frozen=True)
class Copies:
    """Rows that equal others in all features and the label.

    test: rows of the test window; test_copies: those that equal a row of the training or calibration window. before:
    rows of these two; before_copies: those that equal another of these two.
    """

    test: int
    test_copies: int
    before: int
    before_copies: int


def check(facts: WindowFacts, table: EventTable) -> list[str]:
    """Judge one window; returns warnings.

    Raises DataError for unreadable timestamps, an empty window, a missing or a third label, one class only, infinite
    values, and a training window in which no feature has any, in this order.
    """
    _check_timestamps(facts, table)
    _check_rows(facts, table)
    _check_labels([facts], table)
    _check_classes(facts, table)
    _check_infinite(facts, table)
    _check_values(facts, table)
    return _warnings(facts, table)


def check_newest(facts: WindowFacts, table: EventTable) -> None:
    """Judge days that are only scored: one class is enough, and they may have no rows. Raises DataError."""
    _check_timestamps(facts, table)
    _check_labels([facts], table)
    _check_infinite(facts, table)


def check_unlabelled(facts: WindowFacts, table: EventTable) -> list[str]:
    """Judge days whose labels don't count, because some are not known yet; returns warnings. Raises DataError.

    An infinite number there is one that a batch to score may have, too: it counts as missing.
    """
    _check_timestamps(facts, table)
    return [f"{sentence}: there it counts as missing" for sentence in _infinite(facts, table)]


def check_together(windows: Sequence[WindowFacts], table: EventTable) -> None:
    """Check over all windows that the label has only one value besides the positive one. Raises DataError."""
    _check_labels(windows, table)


@dataclass(frozen=True)
class Entities:
    """Rows of the test window by the entity that they belong to.

    rows: those with an entity. known: those whose entity occurs in the training or calibration window. entities: how
    many such entities there are.
    """

    rows: int
    known: int
    entities: int


def check_entities(found: Entities, table: EventTable) -> list[str]:
    """Tell how many test rows belong to entities that the model has learnt from: of new ones it knows less."""
    if not found.known:
        return []
    share, name = found.known / found.rows, table.settings.entity
    values = f"{found.entities:,} {'value' if found.entities == 1 else 'values'} of {name!r}"
    warning = (
        f"{found.known:,} of {_rows(found.rows)} of the test window ({share:.1%}) belong to {values} that also occur "
        f"in the training or calibration window of {table.uri}: F1 may be lower for new ones"
    )
    return [warning]


def check_copies(copies: Copies, table: EventTable) -> list[str]:
    """Warn of test rows that the model has learnt by heart: more than chance puts there.

    Few features with few values repeat by themselves, and then as often before the test window as across its border.
    """
    if not copies.test or not copies.before:
        return []
    share, chance = copies.test_copies / copies.test, copies.before_copies / copies.before
    noise = _DEVIATIONS * sqrt(chance * (1 - chance) / copies.test)
    if share - chance <= _EXCESS + noise:
        return []
    warning = (
        f"{copies.test_copies:,} of {_rows(copies.test)} of the test window ({share:.1%}) equal a row of the training "
        f"or calibration window of {table.uri} in all features and the label; of the rows there {chance:.1%} equal "
        "another: F1 is too high where rows are repeated"
    )
    return [warning]


def _check_timestamps(facts: WindowFacts, table: EventTable) -> None:
    if facts.bad_timestamps:
        how = table.clock.words(as_text=False)
        message = (
            f"the timestamp column {table.settings.timestamp!r} of {table.uri} is missing or can't be read{how} "
            f"in {_rows(facts.bad_timestamps)}"
        )
        raise DataError(message)


def _check_rows(facts: WindowFacts, table: EventTable) -> None:
    if not facts.rows:
        message = f"the {facts.window} of {table.uri} is empty: 0 rows; the data end on {table.end} (excluded)"
        raise DataError(message)


def _check_labels(windows: Sequence[WindowFacts], table: EventTable) -> None:
    label = table.settings.label
    nulls = sum(facts.label_nulls for facts in windows)
    if nulls:
        message = f"the label column {label.column!r} of {table.uri} is missing in {_rows(nulls)} of {_named(windows)}"
        raise DataError(message)
    others: dict[str, int] = {}
    spellings: dict[str, str] = {}
    for facts in windows:
        for value, count in facts.label_others.items():
            spelling = spellings.setdefault(spelled_alike(value), value)
            others[spelling] = others.get(spelling, 0) + count
    if len(others) > 1:
        shown = sorted(others.items(), key=lambda item: (-item[1], item[0]))
        listed = ", ".join(f"{value!r} ({_rows(count)})" for value, count in shown[:_SHOWN])
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        message = (
            f"the label column {label.column!r} of {table.uri} has {len(others)} values besides the positive one, "
            f"{label.positive!r}: {listed}{more}; one is accepted, and those that data.label.unknown names"
        )
        raise DataError(message)


def _check_classes(facts: WindowFacts, table: EventTable) -> None:
    if facts.positives in (0, facts.rows):
        label = table.settings.label
        which = "is never" if facts.positives == 0 else "is always"
        message = (
            f"the label column {label.column!r} of {table.uri} {which} {label.positive!r} in the {_rows(facts.rows)} "
            f"of the {facts.window}: both classes are needed"
        )
        raise DataError(message)


def _check_infinite(facts: WindowFacts, table: EventTable) -> None:
    for sentence in _infinite(facts, table):
        raise DataError(sentence)


def _infinite(facts: WindowFacts, table: EventTable) -> Iterator[str]:
    for column in facts.columns:
        if column.infinite:
            where = f"{_rows(column.infinite)} of the {facts.window}"
            yield f"the column {column.name!r} of {table.uri} is infinite in {where}"


def _check_values(facts: WindowFacts, table: EventTable) -> None:
    """At least one feature must have values; a single feature without any is left out."""
    if facts.window.name == "training" and all(column.missing == facts.rows for column in facts.columns):
        first = facts.columns[0].name
        which = f"the only feature, {first!r}, is" if len(facts.columns) == 1 else f"all features, {first!r} first, are"
        message = f"{which} missing in all {_rows(facts.rows)} of the {facts.window} of {table.uri}"
        raise DataError(message)


def _warnings(facts: WindowFacts, table: EventTable) -> list[str]:
    """Columns are looked at in the training window only: what is constant in a short one may vary in a long one."""
    if facts.window.name == "calibration" and calibration_method(facts.positives) == "sigmoid":
        return [_few_positives(facts, table)]
    if facts.window.name != "training":
        return []
    found = []
    for column in facts.columns:
        where = f"in the {_rows(facts.rows)} of the {facts.window} of {table.uri}"
        if column.constant:
            found.append(f"the column {column.name!r} is constant {where}: it can't improve the model")
        elif column.name in table.categorical and column.distinct == facts.rows:
            found.append(f"the categorical column {column.name!r} has as many values as there are rows {where}")
    return found


def _few_positives(facts: WindowFacts, table: EventTable) -> str:
    label = table.settings.label
    positive = f"{facts.positives} positive row" + ("" if facts.positives == 1 else "s")
    return (
        f"the {facts.window} of {table.uri} has {positive} ({label.column!r} is {label.positive!r}); below {ENOUGH}, "
        "calibration uses a sigmoid and the threshold maximizes expected F1: a longer windows.calibration is better"
    )


def _named(windows: Sequence[WindowFacts]) -> str:
    return f"the {windows[0].window}" if len(windows) == 1 else "the windows"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
