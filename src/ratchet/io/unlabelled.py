"""A table to score: looked at like the one that trains, but without a label, a timestamp, or an end.

`jobs.score` calls `inspect`; the engines then read every column of it, the model's inputs in the form that training
gave them, all others as they stand.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil

import pyarrow as pa
import pyarrow.parquet as pq

from ratchet.errors import ConfigurationError, DataError
from ratchet.io import columns, delimited, files, listing, parquet
from ratchet.io.clock import Clock
from ratchet.io.scores import RESULT
from ratchet.io.store import explained, open_store
from ratchet.io.table import DAY, LABEL, File, Table
from ratchet.settings import Data, Label

NUMBERS = ("double", "float", "long", "integer", "boolean")
_TEXT = "string"
_CHUNK_ROWS = 65_536


@dataclass(frozen=True)
class Inputs:
    """The columns that a model needs. kinds: MLflow's name of each one's type (`double`, `string`), by name."""

    kinds: Mapping[str, str]

    @classmethod
    def of(cls, schema: object, model: str) -> "Inputs":
        """Read a model's signature; model: what to call it. Raises ConfigurationError where it can't be used."""
        specs = getattr(schema, "inputs", ())
        kinds = {str(spec.name): getattr(spec.type, "name", "") for spec in specs if getattr(spec, "name", None)}
        if not kinds or len(kinds) != len(specs):
            message = f"{model} has no signature that names its columns, so nobody knows what it needs"
            raise ConfigurationError(message)
        for name, kind in kinds.items():
            if kind not in (*NUMBERS, _TEXT):
                message = f"{model} needs the column {name!r} as {kind or 'something'}; numbers and text can be scored"
                raise ConfigurationError(message)
        return cls(kinds)

    @property
    def numeric(self) -> tuple[str, ...]:
        return tuple(name for name, kind in self.kinds.items() if kind in NUMBERS)

    @property
    def categorical(self) -> tuple[str, ...]:
        return tuple(name for name, kind in self.kinds.items() if kind == _TEXT)


def inspect(uri: str, inputs: Inputs) -> Table:
    """Look at a table to score; its features are the model's inputs, its other columns are passed on.

    uri: as in `data.uri`. The table names a timestamp and a label that it doesn't have. Raises DataError where an input
    is missing or of an unfit type, or a column bears a name of the result; TemporaryError where the store is away.
    """
    settings = Data(
        uri=uri,
        timestamp=DAY,
        label=Label(column=LABEL, positive=True),
        numeric=inputs.numeric,
        categorical=inputs.categorical,
    )
    clock = Clock.of(settings.timezone, None)
    store = open_store(uri, "the table to score")
    form, paths = listing.files(store, None)
    found, schema = files.look(store, form, paths, settings, clock)
    if form == "csv":
        _check_alike(uri, found)
    schema = pa.schema([_passed_on(field, form, inputs) for field in schema])
    for name in dict.fromkeys(name for file in found for name, _ in file.partitions):
        if name not in schema.names:
            schema = schema.append(pa.field(name, pa.string()))
    columns.check_present(uri, inputs.kinds, schema.names, uri)
    _check_free(uri, schema.names)
    numeric, categorical = columns.features(schema, settings, uri)
    return Table(uri, form, found, schema, settings, numeric, categorical, date.min, store, clock)


def _check_alike(uri: str, found: Sequence[File]) -> None:
    """A CSV file has no types, so a column that only some files have could be anything."""
    for file in found[1:]:
        if different := set(file.columns) ^ set(found[0].columns):
            message = f"the CSV files of {uri} have different columns: {min(different)!r} is not in all of them"
            raise DataError(message)


def _passed_on(field: pa.Field, form: str, inputs: Inputs) -> pa.Field:
    """Values as they were written: of CSV, a key such as 007 is no number; of Parquet, without a dictionary of them."""
    if form == "csv":
        return field if field.name in inputs.kinds else pa.field(field.name, pa.string())
    return pa.field(field.name, columns.plain(field.type))


def _check_free(uri: str, names: Iterable[str]) -> None:
    """Spark does not tell upper from lower case, so neither may differ by it alone."""
    for name in names:
        if name.lower() in RESULT:
            message = f"the column {name!r} of {uri} bears the name of one that the result adds: rename it in the table"
            raise DataError(message)


def rows_of(table: Table) -> int | None:
    """How many rows a table has; None of CSV, which says so only when it is read."""
    return None if table.format == "csv" else sum(file.rows or 0 for file in table.files)


def chunks_of(table: Table) -> int | None:
    """How many chunks a table has; None where nobody knows its rows."""
    rows = rows_of(table)
    return None if rows is None else max(ceil(rows / _CHUNK_ROWS), 1)


def chunks(table: Table, rows: int = _CHUNK_ROWS) -> Iterator[pa.Table]:
    """All columns of all rows in order, `rows` at a time, fewer in the last chunk; one empty chunk of an empty table.

    So the memory that is needed does not grow with the table, and the chunks do not depend on how it is stored.
    """
    waiting, anything = table.schema.empty_table(), False
    read = _batches(table) if table.format == "parquet" else delimited.batches(table, None, table.schema.names)
    for batch in read:
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch], table.schema)])
        while waiting.num_rows >= rows:
            yield waiting.slice(0, rows)
            waiting, anything = waiting.slice(rows), True
    if waiting.num_rows or not anything:
        yield waiting


def _batches(table: Table) -> Iterator[pa.RecordBatch]:
    """Rows of Parquet files, one row group at a time: a dataset reads ahead, and many large groups fill the memory."""
    for file in table.files:
        with (
            explained(parquet.address(table.store, file.path)),
            table.filesystem.open_input_file(file.path) as handle,
        ):
            reader = pq.ParquetFile(handle, pre_buffer=True)
            for group in range(reader.num_row_groups):
                for batch in reader.iter_batches(_CHUNK_ROWS, row_groups=[group]):
                    yield _in_form(batch, table.schema, dict(file.partitions))


def _in_form(batch: pa.RecordBatch, schema: pa.Schema, given: Mapping[str, str | None]) -> pa.RecordBatch:
    """The columns of the table from those of a file; given: the values in its path."""
    arrays = []
    for field in schema:
        if field.name in batch.schema.names:
            arrays.append(batch.column(field.name).cast(field.type, safe=False))
        else:
            arrays.append(pa.repeat(pa.scalar(given.get(field.name), field.type), batch.num_rows))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
