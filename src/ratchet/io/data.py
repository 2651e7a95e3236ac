"""The table of labelled events: looked at first, read later, and only what is needed of it.

Both engines look at a table with `inspect`, which reads no rows of a Parquet file but its footer. The scikit-learn
trainer then reads windows with `read`; Spark reads the same files by itself.
"""

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from ratchet.core.counts import day_of
from ratchet.core.windows import Window
from ratchet.errors import ConfigurationError, DataError
from ratchet.io.clock import Clock
from ratchet.io.store import filesystem_of, reading
from ratchet.settings import Data

_ENDINGS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".csv.gz": "csv"}
_READERS = 16


@dataclass(frozen=True)
class Block:
    """Rows that are read together: a row group of a Parquet file, or a whole CSV file.

    first, last: the local days between which its rows lie; None where nothing says so.
    """

    file: str
    rows: int
    size: int
    first: date | None
    last: date | None

    def overlaps(self, window: Window) -> bool:
        if self.first is None or self.last is None:
            return True
        return self.first < window.end and (window.start is None or self.last >= window.start)


@dataclass(frozen=True)
class Table:
    """A table that was looked at: where its files are, what columns it has, how far it reaches."""

    settings: Data
    format: str
    filesystem: fs.FileSystem
    files: tuple[str, ...]
    schema: pa.Schema
    clock: Clock
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    blocks: tuple[Block, ...]

    @property
    def uri(self) -> str:
        return self.settings.uri

    @property
    def label(self) -> str:
        return self.settings.label.column

    @property
    def features(self) -> tuple[str, ...]:
        return (*self.numeric, *self.categorical)

    @cached_property
    def last_day(self) -> date:
        """The local day of the last row. Reads the timestamps where no statistics say it."""
        known = [block.last for block in self.blocks if block.last is not None]
        if len(known) == len(self.blocks):
            return max(known)
        days = self.clock.days(self.dataset().to_table(columns=[self.clock.column])[0], self.uri)
        return day_of(int(days.max()))

    @property
    def end(self) -> date:
        """The day after the last row's: the default of `as_of`."""
        return self.last_day + timedelta(days=1)

    def dataset(self, extra: Sequence[str] = ()) -> ds.Dataset:
        """Arrow's view of the files; columns of text are read as dictionaries, which takes a fraction of the memory."""
        if self.format == "parquet":
            text = [*self.categorical, *extra]
            names = [name for name in text if pa.types.is_string(self.schema.field(name).type)]
            kind: ds.FileFormat = ds.ParquetFileFormat(dictionary_columns=names)
            schema = pa.schema([_as_dictionary(field) if field.name in names else field for field in self.schema])
        else:
            kind, schema = _csv_format(self.schema), self.schema
        return ds.dataset(list(self.files), format=kind, filesystem=self.filesystem, schema=schema)


def inspect(settings: Data) -> Table:
    """Look at a table: its files, columns and extent, not its rows.

    Raises DataError for a table that is missing, damaged or lacks a column, ConfigurationError for settings that don't
    fit it, TemporaryError where the store is away.
    """
    filesystem, path = filesystem_of(settings.uri)
    with reading(settings.uri):
        found = _files(filesystem, path, settings)
    kind = settings.format or _format_of(found, settings.uri)
    files = tuple(file.path for file in found)
    if kind == "parquet":
        with ThreadPoolExecutor(_READERS) as pool:
            footers = list(pool.map(lambda file: _footer(filesystem, file), files))
        schema = footers[0].schema.to_arrow_schema()
    else:
        schema = _csv_schema(filesystem, files, settings)
    _check_columns(schema, settings)
    numeric, categorical = _features(schema, settings)
    clock = _clock(schema, settings)
    if kind == "parquet":
        wanted = [settings.timestamp, settings.label.column, *numeric, *categorical]
        blocks = tuple(
            block for file, one in zip(files, footers, strict=True) for block in _row_groups(file, one, clock, wanted)
        )
    else:
        blocks = tuple(Block(file.path, 0, file.size, None, None) for file in found)
    return Table(settings, kind, filesystem, files, schema, clock, numeric, categorical, blocks)


def digest(table: Table, window: Window) -> str:
    """A fingerprint of what a window reads: files, sizes and rows of the blocks that it touches, columns, days."""
    root = filesystem_of(table.uri)[1]
    lines = [
        f"{block.file.removeprefix(root)} {block.rows} {block.size} {block.first} {block.last}"
        for block in table.blocks
        if block.overlaps(window)
    ]
    lines += [*table.features, table.label, str(window.start), str(window.end)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def column_kinds(table: Table) -> Mapping[str, str]:
    """`double` or `string` for each feature, by name, and `boolean` for the label."""
    kinds = dict.fromkeys(table.numeric, "double") | dict.fromkeys(table.categorical, "string")
    return kinds | {table.label: "boolean"}


def spark_address(table: Table) -> list[str]:
    """The table's files as Spark addresses them."""
    scheme = "s3a://" if table.uri.startswith("s3") else "file://"
    return [scheme + file for file in table.files]


def _files(filesystem: fs.FileSystem, path: str, settings: Data) -> list[fs.FileInfo]:
    info = filesystem.get_file_info(path)
    if info.type == fs.FileType.NotFound:
        message = f"{settings.uri} does not exist"
        raise DataError(message)
    if info.type == fs.FileType.File:
        return [info]
    inside = filesystem.get_file_info(fs.FileSelector(path, recursive=True))
    files = [one for one in inside if one.type == fs.FileType.File and _is_data(one.path, path, settings.format)]
    if not files:
        message = f"{settings.uri} holds no file that ends in {', '.join(_ENDINGS)}"
        raise DataError(message)
    return sorted(files, key=lambda one: one.path)


def _is_data(path: str, root: str, kind: str | None) -> bool:
    parts = path.removeprefix(root).strip("/").split("/")
    if any(part.startswith((".", "_")) for part in parts):
        return False
    ending = _ending(path)
    return ending is not None and kind in (None, _ENDINGS[ending])


def _ending(path: str) -> str | None:
    return next((ending for ending in _ENDINGS if path.endswith(ending)), None)


def _format_of(files: Sequence[fs.FileInfo], uri: str) -> str:
    kinds = {_ENDINGS.get(_ending(file.path) or "") for file in files}
    kind = kinds.pop()
    if kind is None or kinds:
        message = f"the format of {uri} is not clear from the names of its files; set data.format to parquet or csv"
        raise ConfigurationError(message)
    return kind


def _footer(filesystem: fs.FileSystem, file: str) -> pq.FileMetaData:
    with reading(f"the file {file}"), filesystem.open_input_file(file) as source:
        return pq.read_metadata(source)


def _row_groups(file: str, footer: pq.FileMetaData, clock: Clock, wanted: Sequence[str]) -> list[Block]:
    lacking = [name for name in wanted if name not in footer.schema.to_arrow_schema().names]
    if lacking:
        message = f"the column {lacking[0]!r} is missing in the file {file}; all files of a table have the same columns"
        raise DataError(message)
    places = {footer.schema.column(place).path: place for place in range(footer.num_columns)}
    result = []
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        size = sum(group.column(places[name]).total_uncompressed_size for name in wanted if name in places)
        first, last = _extent(group.column(places[clock.column]), clock, file)
        result.append(Block(file, group.num_rows, size, first, last))
    return result


def _extent(column: pq.ColumnChunkMetaData, clock: Clock, file: str) -> tuple[date | None, date | None]:
    statistics = column.statistics
    if clock.kind == "text" or statistics is None or not statistics.has_min_max:
        return None, None
    kind = {"date": pa.date32(), "local": pa.timestamp("us"), "instant": pa.timestamp("us", "UTC")}.get(clock.kind)
    values = pa.chunked_array([pa.array([statistics.min, statistics.max], kind)])
    days: npt.NDArray[np.int64] = clock.days(values, f"the file {file}")
    return day_of(int(days[0])), day_of(int(days[1]))


def _csv_format(schema: pa.Schema) -> ds.CsvFileFormat:
    convert = pyarrow.csv.ConvertOptions(
        column_types=schema, null_values=["", "NA", "NaN", "nan", "null", "NULL"], strings_can_be_null=True
    )
    return ds.CsvFileFormat(convert_options=convert)


def _csv_schema(filesystem: fs.FileSystem, files: Sequence[str], settings: Data) -> pa.Schema:
    """The columns of CSV files: numbers as double, all else as text, since a later block may hold what a first does not."""
    names: list[str] = []
    for file in files:
        with reading(f"the file {file}"), filesystem.open_input_stream(file, compression="detect") as source:
            first = pyarrow.csv.open_csv(source).schema
        if names and first.names != names:
            message = f"the file {file} has other columns than {files[0]}; all files of a table have the same columns"
            raise DataError(message)
        names = first.names
    with reading(f"the file {files[0]}"), filesystem.open_input_stream(files[0], compression="detect") as source:
        guessed = pyarrow.csv.open_csv(source).schema
    epoch = settings.timestamp if settings.timestamp_unit is not None else None
    return pa.schema([pa.field(field.name, _csv_type(field, settings, epoch)) for field in guessed])


def _csv_type(field: pa.Field, settings: Data, epoch: str | None) -> pa.DataType:
    if field.name == epoch:
        return pa.int64()
    if field.name in (settings.timestamp, settings.label.column, *(settings.categorical or ())):
        return pa.string()
    number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_null(field.type)
    return pa.float64() if number or field.name in (settings.numeric or ()) else pa.string()


def _check_columns(schema: pa.Schema, settings: Data) -> None:
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        message = (
            f"the column {twice[0]!r} occurs {schema.names.count(twice[0])} times in {settings.uri}; names must differ"
        )
        raise DataError(message)
    named = [settings.timestamp, settings.label.column, *(settings.numeric or ()), *(settings.categorical or ())]
    for name in [*named, *settings.exclude]:
        if name not in schema.names:
            near = difflib.get_close_matches(name, schema.names, 3, 0.5) or schema.names[:20]
            message = f"the column {name!r} is missing in {settings.uri}; it has {', '.join(near)}"
            raise DataError(message)


def _features(schema: pa.Schema, settings: Data) -> tuple[tuple[str, ...], tuple[str, ...]]:
    taken = {settings.timestamp, settings.label.column, *settings.exclude}
    taken |= {*(settings.numeric or ()), *(settings.categorical or ())}
    others = {field.name: _kind(field.type) for field in schema if field.name not in taken}
    for name, kind in others.items():
        wanted = settings.numeric is None or settings.categorical is None
        if kind is None and wanted:
            message = f"the column {name!r} in {settings.uri} holds {schema.field(name).type}; name it in data.exclude"
            raise DataError(message)
    numeric = settings.numeric
    if numeric is None:
        numeric = tuple(name for name, kind in others.items() if kind == "numeric")
    categorical = settings.categorical
    if categorical is None:
        categorical = tuple(name for name, kind in others.items() if kind == "categorical")
    wrong = [name for name in numeric if _kind(schema.field(name).type) != "numeric"]
    if wrong:
        message = f"data.numeric names {wrong[0]!r}, which holds {schema.field(wrong[0]).type} in {settings.uri}"
        raise ConfigurationError(message)
    if not numeric and not categorical:
        message = f"{settings.uri} has no feature left: data.numeric, data.categorical and data.exclude leave none"
        raise ConfigurationError(message)
    return numeric, categorical


def _kind(kind: pa.DataType) -> str | None:
    if (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    ):
        return "numeric"
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return "categorical" if pa.types.is_string(value) or pa.types.is_large_string(value) else None


def _clock(schema: pa.Schema, settings: Data) -> Clock:
    kind = schema.field(settings.timestamp).type
    return Clock.of(settings.timestamp, kind, settings.timestamp_unit, settings.timezone)


def _as_dictionary(field: pa.Field) -> pa.Field:
    return pa.field(field.name, pa.dictionary(pa.int32(), pa.string()))
