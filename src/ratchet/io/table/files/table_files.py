"""The combined facts about the files of a table: their columns with one type each, and their contents.

`io.table.inspection` uses it for labelled events, `io.table.scoring_table` for rows to score.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from ratchet.errors import ConfigurationError, DataError
from ratchet.io.table import columns
from ratchet.io.table.day_range import Timestamps
from ratchet.io.table.files import csv_files, delta, iceberg, listing, parquet_files
from ratchet.io.table.files.filesystem import Store
from ratchet.io.table.files.transaction_log import Log, Logged, Naming
from ratchet.io.table.table import File
from ratchet.settings import Csv


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a table's files.

    numeric, categorical: the named features. texts: other columns that are always read as text. exclude: names of
    columns that are left out. needed: whether a column must have one type in all files. timestamps: None: the days of
    the rows are not needed.
    """

    csv: Csv
    numeric: Collection[str]
    categorical: Collection[str]
    texts: Collection[str]
    exclude: Collection[str]
    needed: Callable[[str], bool]
    timestamps: Timestamps | None


@dataclass(frozen=True)
class Looked:
    """Files and their common schema, without the columns in paths. remarks: warnings for users."""

    format: str
    files: tuple[File, ...]
    schema: pa.Schema
    remarks: tuple[str, ...] = ()
    words: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """For CSV, by column: texts that count as missing, such as NA, and their number of rows."""
    version: str | None = None
    """Of a Delta or an Iceberg table, in words."""


def look(store: Store, wanted: Wanted, form: str | None = None, snapshot: int | None = None) -> Looked:
    """Find the files of a table and inspect them. form, snapshot: as `format` and `snapshot` in the section `data`.

    Raises DataError for a file that can't be read, or for a column whose types in the files have no common type;
    ConfigurationError for a snapshot that does not exist; TemporaryError if the store does not respond.
    """
    for kind in (delta, iceberg):
        if kind.is_one(store):
            looked = _logged(store, kind.snapshot(store, snapshot), wanted)
            return replace(looked, remarks=(*looked.remarks, *_excluded_in_vain(store, looked, wanted)))
    if snapshot is not None:
        message = f"data.snapshot is {snapshot}, and {store.uri} is neither a Delta nor an Iceberg table"
        raise ConfigurationError(message)
    form, paths, left_out = listing.files(store, form)
    if form == "parquet":
        looked = _parquet(store, [Logged(path, size) for path, size in paths], wanted)
    else:
        looked = _csv(store, paths, wanted)
    return replace(looked, remarks=(*left_out, *looked.remarks, *_excluded_in_vain(store, looked, wanted)))


def _excluded_in_vain(store: Store, looked: Looked, wanted: Wanted) -> Iterator[str]:
    """Warnings about excluded names that do not exist: a misspelt name would leave a leak among the features."""
    known = {*looked.schema.names}
    for file in looked.files:
        known.update(file.columns, (name for name, _ in file.partitions))
    for name in wanted.exclude:
        if name not in known:
            yield f"data.exclude names {name!r}, which is not in {store.uri}"


def _logged(store: Store, log: Log, wanted: Wanted) -> Looked:
    """The files of a snapshot; the values of its partitions are ordinary columns."""
    if not log.files:
        message = f"{log.version} {store.uri} has no rows"
        raise DataError(message)
    listed = {each.path: each for each in sorted(log.files, key=lambda each: each.path)}
    looked = _parquet(store, list(listed.values()), wanted, log.naming)
    files = tuple(
        replace(
            file,
            partitions=tuple(
                (name, value) for name, value in listed[file.path].partitions.items() if name not in file.columns
            ),
        )
        for file in looked.files
    )
    fields = list(looked.schema)
    several = {name for file in looked.files for name in file.columns}  # left out, because they have several types
    fields += [pa.field(name, kind) for name, kind in log.columns.items() if name not in several]
    return replace(looked, files=files, schema=pa.schema(fields), version=log.version)


def with_partitions(
    schema: pa.Schema, found: Sequence[File], numeric: Sequence[str], named: Collection[str] | None = None
) -> pa.Schema:
    """The schema plus the columns in the files' paths that it lacks: numbers if `numeric` names them, else text.

    named: those that count; None: all.
    """
    for name in dict.fromkeys(name for file in found for name, _ in file.partitions):
        if name not in schema.names and (named is None or name in named):
            schema = schema.append(pa.field(name, pa.float64() if name in numeric else pa.string()))
    return schema


def _parquet(store: Store, listed: Sequence[Logged], wanted: Wanted, naming: Naming | None = None) -> Looked:
    looked = parquet_files.look(store, listed, wanted.timestamps, naming)
    files = tuple(file if naming else _located(store, file) for file, _ in looked)
    kinds: dict[str, dict[pa.DataType, None]] = {}
    for own in dict.fromkeys(own for _, own in looked):
        for each in own:
            kinds.setdefault(each.name, {})[each.type] = None
    fields, remarks = [], list(_unnamed(files, store.uri))
    for name, found in kinds.items():
        if (kind := columns.common(list(found), text=name in wanted.categorical)) is not None:
            fields.append(pa.field(name, kind))
            continue
        types = ", ".join(map(str, found))
        if wanted.needed(name):
            message = f"the files of {store.uri} disagree on the type of a column: {name!r} is {types}"
            raise DataError(message)
        remarks.append(f"the column {name!r} of {store.uri} has several types ({types}) and is left out")
    return Looked("parquet", files, pa.schema(fields), tuple(remarks))


def _unnamed(files: Sequence[File], uri: str) -> Iterator[str]:
    unnamed = {name for file in files for name in file.unnamed}
    if "" in unnamed:
        yield f"a column of {uri} without a name is left out"
    if made_up := ", ".join(sorted(unnamed - {""})):
        yield f"{made_up} of {uri} is pandas' index without a name and is left out"


def _csv(store: Store, paths: Sequence[tuple[str, int]], wanted: Wanted) -> Looked:
    looked = csv_files.look(store, paths, wanted.csv, wanted.timestamps)
    files = tuple(_located(store, file) for file in looked.files)
    schema = pa.schema([(name, _csv_type(name, column, wanted)) for name, column in looked.columns.items()])
    remarks = [
        f"the column {name!r} of {store.uri} is text because of {text!r} in row {row:,} of {store.relative(path)}"
        for name, column in looked.columns.items()
        if column.odd is not None and pa.types.is_string(schema.field(name).type)
        for path, row, text in [column.odd]
        if name not in (*wanted.texts, *wanted.exclude, *wanted.categorical)
        if wanted.timestamps is None or name != wanted.timestamps.column
    ]
    if looked.unnamed:
        which = "a column" if looked.unnamed == 1 else f"{looked.unnamed} columns"
        remarks.append(f"{which} of {store.uri} without a name left out")
    words = {name: column.words for name, column in looked.columns.items() if column.words}
    return Looked("csv", files, schema, tuple(remarks), words)


def _csv_type(name: str, column: csv_files.Column, wanted: Wanted) -> pa.DataType:
    """The wanted type, otherwise the type that fits the values."""
    kind = column.kind
    if wanted.timestamps is not None and name == wanted.timestamps.column:
        return kind if column.values and pa.types.is_floating(kind) else pa.string()
    if name in wanted.texts:
        return pa.string()
    if name in wanted.numeric:
        return pa.float64()
    if name in wanted.categorical:
        return kind if pa.types.is_boolean(kind) else pa.string()
    return kind


def _located(store: Store, file: File) -> File:
    return replace(file, partitions=listing.partitions(store, file.path, file.columns))
