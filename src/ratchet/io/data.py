"""The table of labelled events: looked at before anything is read, then read window by window.

`jobs` calls `inspect`, the scikit-learn engine `load`; the Spark engine reads the same files by itself. Both
follow the same rules: what day a row belongs to (`io.clock`), which label is positive (`io.labels`), what is refused
(`io.checks`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pyarrow as pa

from ratchet.core.counts import day_of
from ratchet.core.windows import Window
from ratchet.errors import DataError
from ratchet.io import columns, files, labels, listing, parquet
from ratchet.io.clock import Clock
from ratchet.io.memory import check_memory, memory_needed
from ratchet.io.reach import with_reach
from ratchet.io.rows import Rows, load
from ratchet.io.store import Store, open_store
from ratchet.io.table import DAY, LABEL, File, RowGroup, Table
from ratchet.settings import Data

__all__ = [
    "DAY",
    "LABEL",
    "File",
    "RowGroup",
    "Rows",
    "Table",
    "check_memory",
    "column_kinds",
    "digest",
    "inspect",
    "load",
    "memory_needed",
]


def inspect(settings: Data) -> Table:
    """Look at a table: its files, columns, features and end; no row of Parquet is read, of CSV only the timestamps.

    Raises DataError for what can't be learnt from, ConfigurationError for settings that can't hold, TemporaryError
    where the store does not answer.
    """
    clock = Clock.of(settings.timezone, settings.timestamp_unit)
    store = open_store(settings.uri)
    form, paths = listing.files(store, settings.format)
    found, schema = files.look(store, form, paths, settings, clock)
    schema = _with_partitions(schema, found, settings)
    columns.check_present(settings.uri, _needed(settings), schema.names, settings.uri)
    columns.check_timestamp(schema, settings, settings.uri)
    labels.check_comparable(schema, settings.label)
    numeric, categorical = columns.features(schema, settings, settings.uri)
    _check_everywhere(store, found, settings, (*numeric, *categorical))
    table = Table(settings.uri, form, found, schema, settings, numeric, categorical, date.min, store, clock)
    return _with_end(table)


def _needed(settings: Data) -> list[str]:
    return [settings.timestamp, settings.label.column, *(settings.numeric or ()), *(settings.categorical or ())]


def _with_partitions(schema: pa.Schema, found: Sequence[File], settings: Data) -> pa.Schema:
    """A column in the path counts only where a setting names it."""
    named = set(_needed(settings)) - set(schema.names)
    for name in dict.fromkeys(name for file in found for name, _ in file.partitions):
        if name in named:
            schema = schema.append(pa.field(name, pa.string()))
    return schema


def _check_everywhere(store: Store, found: Sequence[File], settings: Data, features: Sequence[str]) -> None:
    """A feature may be new; timestamp and label must be in every file, and a CSV file must not lack a column at all."""
    for file in found:
        names = [*file.columns, *(name for name, _ in file.partitions)]
        wanted = [settings.timestamp, settings.label.column, *(() if file.rows is not None else features)]
        where = parquet.address(store, file.path)
        columns.check_present(where, wanted, names, where)


def _with_end(table: Table) -> Table:
    reaching = tuple(with_reach(table, file) for file in table.files)
    last = max(
        (group.last_day for file in reaching for group in file.row_groups if group.last_day is not None), default=None
    )
    if last is None:
        message = f"{table.uri} has no rows"
        raise DataError(message)
    return replace(table, files=reaching, end=day_of(last) + timedelta(days=1))


def digest(table: Table, window: Window) -> str:
    """32 hexadecimal digits that change with the window's files, what is known of their content, and the columns."""
    seal = hashlib.sha256()
    for file in table.files:
        if any(group.touches(window) for group in file.row_groups):
            seal.update(f"{table.store.relative(file.path)}\0{file.size}\0{file.fingerprint}\0".encode())
    settings = table.settings
    seal.update(repr((window.start, window.end, table.features, settings.timestamp, settings.timezone)).encode())
    seal.update(repr((settings.timestamp_unit, settings.label.column, settings.label.positive)).encode())
    return seal.hexdigest()[:32]


def column_kinds(table: Table) -> dict[str, str]:
    """What a model sees of the table: `double`, `string` or, of the label, `boolean`, by name."""
    kinds = dict.fromkeys(table.numeric, "double") | dict.fromkeys(table.categorical, "string")
    return kinds | {table.settings.label.column: "boolean"}
