"""A table of labelled events: inspected before any window is read, then read window by window.

`jobs` calls `inspect`, the scikit-learn engine `load`; Spark's tasks use `io.table.reader`, as `load` does. So both
engines see the same rows, and `io.table.checks` rejects bad data for both.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import pyarrow as pa

from ratchet.core.evaluation.counts import day_of
from ratchet.core.windows import Window
from ratchet.errors import ConfigurationError, DataError
from ratchet.io.table import columns, reader
from ratchet.io.table.clock import Clock
from ratchet.io.table.day_range import Reach, Timestamps
from ratchet.io.table.files import table_files
from ratchet.io.table.files.filesystem import Store, address, open_store
from ratchet.io.table.labels.values import check_comparable
from ratchet.io.table.memory import check_memory, memory_needed
from ratchet.io.table.rows import Rows, load
from ratchet.io.table.table import DAY, LABEL, EventTable, File, RowGroup
from ratchet.settings import Data

__all__ = [
    "DAY",
    "LABEL",
    "EventTable",
    "File",
    "RowGroup",
    "Rows",
    "check_memory",
    "column_kinds",
    "digest",
    "inspect",
    "load",
    "memory_needed",
]

_FIRST_YEAR_ENDS = date(1971, 1, 1)


def inspect(settings: Data, looked: table_files.Looked | None = None) -> EventTable:
    """Inspect a table: its files, columns, features and end; reads no rows of Parquet, and CSV once.

    looked: the result of an earlier inspection (`io.table.snapshot`) with these settings; then no file is inspected.
    Raises DataError for data unfit for training, ConfigurationError for settings that don't apply, TemporaryError if
    the store does not respond.
    """
    clock = Clock.of(settings.timezone, settings.timestamp_unit, settings.timestamp_format)
    store = open_store(settings.uri)
    looked = looked or table_files.look(store, _wanted(settings, clock), settings.format, settings.snapshot)
    schema = _schema(settings, looked)
    numeric, categorical = columns.features(schema, settings, settings.uri)
    _check_everywhere(store, looked.files, settings)
    table = EventTable(
        store=store,
        format=looked.format,
        files=looked.files,
        schema=schema,
        csv=settings.csv,
        numeric=numeric,
        categorical=categorical,
        raw=settings.features,
        booleans=frozenset(name for name in categorical if pa.types.is_boolean(schema.field(name).type)),
        remarks=looked.remarks,
        settings=settings,
        clock=clock,
        end=date.min,
        version=looked.version,
    )
    return _with_end(table)


def _schema(settings: Data, looked: table_files.Looked) -> pa.Schema:
    """The table's columns, those with a role checked."""
    # A column in the path counts only if a setting names it.
    schema = table_files.with_partitions(looked.schema, looked.files, settings.numeric or (), _needed(settings))
    columns.check_present(settings.uri, _needed(settings), schema.names, settings.uri)
    for name in (settings.timestamp, settings.label.known_at):
        if name is not None:
            columns.check_timestamp(schema, name, settings, settings.uri)
    check_comparable(schema, settings.label)
    if settings.entity is not None:
        columns.check_extra(schema, "entity", settings.entity, settings.uri)
    return schema


def _wanted(settings: Data, clock: Clock) -> table_files.Wanted:
    return table_files.Wanted(
        csv=settings.csv,
        numeric=settings.numeric or (),
        categorical=settings.categorical or (),
        texts=(settings.label.column, *settings.features),
        exclude=settings.exclude,
        needed=partial(columns.is_needed, settings=settings),
        timestamps=Timestamps(settings.timestamp, clock),
    )


def _needed(settings: Data) -> list[str]:
    optional = [name for name in (settings.label.known_at, settings.entity) if name is not None]
    return [settings.timestamp, settings.label.column, *optional, *settings.named_features]


def _check_everywhere(store: Store, found: Sequence[File], settings: Data) -> None:
    """Check that every file has timestamp and label; a feature may be missing in older files."""
    for file in found:
        names = [*file.columns, *(name for name, _ in file.partitions)]
        where = address(store, file.path)
        columns.check_present(where, [settings.timestamp, settings.label.column], names, where)


def _with_end(table: EventTable) -> EventTable:
    reaching = tuple(_with_reach(table, file) for file in table.files)
    last = max(
        (group.last_day for file in reaching for group in file.row_groups if group.last_day is not None), default=None
    )
    if last is None:
        message = f"{table.uri} has no rows"
        raise DataError(message)
    end = day_of(last) + timedelta(days=1)
    if table.clock.unit not in (None, "s") and end <= _FIRST_YEAR_ENDS:
        message = (
            f"read as an epoch in {table.clock.unit}, all timestamps of {table.uri} lie before {end}: "
            "data.timestamp_unit does not match the table"
        )
        raise ConfigurationError(message)
    return replace(table, files=reaching, end=end)


def _with_reach(table: EventTable, file: File) -> File:
    """The file with the first and last day of all its row groups. Raises DataError for unreadable timestamps."""
    if all(group.first_day is not None for group in file.row_groups if group.rows):
        return file
    reach = Reach(Timestamps(table.settings.timestamp, table.clock))
    for column in reader.timestamps(table, reader.Piece(file, tuple(range(len(file.row_groups))))):
        reach.add(column)
    reach.check(address(table.store, file.path))
    groups = tuple(
        replace(group, first_day=reach.first, last_day=reach.last, slack=reach.slack) for group in file.row_groups
    )
    return replace(file, row_groups=groups)


def digest(table: EventTable, window: Window) -> str:
    """32 hexadecimal digits that change with the window's files, their fingerprints, and the columns."""
    seal = hashlib.sha256()
    for file in table.files:
        if any(group.touches(window) for group in file.row_groups):
            seal.update(f"{table.store.relative(file.path)}\0{file.size}\0{file.fingerprint}\0".encode())
            for each in file.deletes:
                seal.update(f"{table.store.relative(each.path)}\0{each.offset}\0{each.inline}\0".encode())
    settings = table.settings
    seal.update(repr((window.start, window.end, table.features, settings.timestamp, settings.timezone)).encode())
    label, how = settings.label, settings.timestamp_format or settings.timestamp_unit
    seal.update(repr((how, label.column, label.positive, *label.unknown)).encode())
    return seal.hexdigest()[:32]


def column_kinds(table: EventTable) -> dict[str, str]:
    """The types of features and label in MLflow's terms: `double`, `string` or, for the label, `boolean`, by name."""
    kinds = dict.fromkeys(table.numeric, "double") | dict.fromkeys(table.texts, "string")
    return kinds | {table.settings.label.column: "boolean"}
