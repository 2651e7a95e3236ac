"""A table to score: inspected like a table of events, but it needs neither label nor timestamp.

`jobs.score` calls `inspect`; the engines then read all of its columns: the model's inputs in the form that training
gave them, the others unchanged.
"""

from collections.abc import Iterable, Iterator
from math import ceil

import pyarrow as pa

from ratchet.core.model_inputs import ModelInputs
from ratchet.errors import DataError
from ratchet.io.table import columns, reader, values
from ratchet.io.table.files import table_files
from ratchet.io.table.files.filesystem import address, open_store, words_of
from ratchet.io.table.score_target import RESULT
from ratchet.io.table.table import File, ScoringTable
from ratchet.settings import Csv

_CHUNK_ROWS = 65_536


def inspect(uri: str, inputs: ModelInputs, dialect: Csv | None = None) -> ScoringTable:
    """Inspect a table to score; its features are the model's inputs, its other columns are passed on.

    uri, dialect: as in `data.uri`, `data.csv`. Raises DataError if an input is missing or of an unfit type, or if a
    column has the name of a result column; TemporaryError if the store does not respond.
    """
    csv = dialect or Csv()
    numeric, categorical, raw = inputs.numeric, inputs.categorical, tuple(sorted(inputs.raw))
    store = open_store(uri, "the table to score")
    wanted = table_files.Wanted(csv, numeric, categorical, raw, (), lambda _: True, timestamps=None)
    looked = table_files.look(store, wanted)
    schema = pa.schema([_passed_on(field, looked.format, inputs) for field in looked.schema])
    schema = table_files.with_partitions(schema, looked.files, inputs.numeric)
    columns.check_present(uri, inputs.kinds, schema.names, uri)
    _check_free(uri, schema.names)
    columns.check_features(schema, numeric, categorical, raw, uri)
    return ScoringTable(
        store=store,
        format=looked.format,
        files=looked.files,
        schema=schema,
        csv=csv,
        numeric=numeric,
        categorical=categorical,
        raw=raw,
        booleans=inputs.booleans,
        remarks=(*looked.remarks, *_ambiguous(looked, inputs.texts, uri)),
    )


def _ambiguous(looked: table_files.Looked, texts: Iterable[str], uri: str) -> Iterator[str]:
    """Warnings about texts that count as missing in CSV but may have been values in training's Parquet files."""
    for name in texts:
        if words := looked.words.get(name):
            listed, rows = ", ".join(sorted(words)), sum(words.values())
            yield f"{listed} in {rows:,} rows of the column {name!r} of {uri} count as missing, as always in CSV"


def _passed_on(field: pa.Field, form: str, inputs: ModelInputs) -> pa.Field:
    """A field whose values are passed on unchanged: a key such as 007 in CSV stays text."""
    return pa.field(field.name, pa.string()) if form == "csv" and field.name not in inputs.numeric else field


def _check_free(uri: str, names: Iterable[str]) -> None:
    """Raise DataError for a name of a result column, case-insensitively, since Spark ignores case."""
    for name in names:
        if name.lower() in RESULT:
            message = f"the column {name!r} of {uri} has the name of a result column: rename it in the table"
            raise DataError(message)


def chunks_of(table: ScoringTable) -> int:
    """The number of chunks of a table."""
    return max(ceil(table.rows / _CHUNK_ROWS), 1)


def chunks(table: ScoringTable, rows: int = _CHUNK_ROWS) -> Iterator[pa.Table]:
    """All columns of all rows in order, in chunks of `rows` rows; an empty table has one empty chunk.

    So the memory does not grow with the table, and the chunks do not depend on its storage.
    """
    waiting, anything = table.schema.empty_table(), False
    for piece in reader.pieces(table, None):
        for batch in reader.stored(table, piece, table.schema.names):
            more = pa.Table.from_arrays(passed_on(table, piece.file, batch), schema=table.schema)
            waiting = pa.concat_tables([waiting, more])
            while waiting.num_rows >= rows:
                yield waiting.slice(0, rows)
                waiting, anything = waiting.slice(rows), True
    if waiting.num_rows or not anything:
        yield waiting


def passed_on(table: ScoringTable, file: File, batch: pa.RecordBatch) -> list[pa.Array]:
    """The columns of a batch from `io.table.reader.stored`, cast to their types in the whole table.

    Raises DataError for a value that does not fit.
    """
    pairs = zip(batch.columns, table.schema, strict=True)
    return [_passed(table, file, column, field) for column, field in pairs]


def _passed(table: ScoringTable, file: File, column: pa.Array, field: pa.Field) -> pa.Array:
    try:
        return values.as_stored(column, field.type, reader.decimal(table))
    except pa.ArrowException as error:
        where = f"the file {address(table.store, file.path)} can't be read in the column {field.name!r}"
        odd = values.first_odd(column, reader.decimal(table)) if columns.is_number(field.type) else None
        why = f"{words_of(error)}; the column has the type {field.type} in {table.uri}"
        message = f"{where}: {why if odd is None else f'{odd!r} is no number'}"
        raise DataError(message) from error
