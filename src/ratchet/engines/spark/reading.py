"""Reads a table into a Spark frame: Spark's tasks share the pieces and read them with `io.table.reader`.

So both engines learn from and score the same rows; Spark's own readers are not used.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ratchet.core.windows import Window
from ratchet.engines.spark.errors import task_errors
from ratchet.engines.spark.pipeline import quoted
from ratchet.io.table import reader, scoring_table
from ratchet.io.table.reader import OTHER, WINDOW, Piece
from ratchet.io.table.table import DAY, LABEL, EventTable, ScoringTable

_PIECE_BYTES = 32 * 1024**2


def frame(spark: Any, table: EventTable, windows: Sequence[Window], extra: Sequence[str] = ()) -> Any:
    """The rows of some windows: features, `extra`, LABEL (1.0 for positive), OTHER, DAY, and WINDOW.

    Numbers are double, all else is text, both null if missing. WINDOW is the index in `windows`, `UNREADABLE` for rows
    with an unreadable timestamp; OTHER is the text of a label that is not the positive one.
    """
    names = list(dict.fromkeys((*table.features, *extra)))
    form = _plain(reader.schema(table, names))

    def read(pieces: Sequence[Piece]) -> Iterator[pa.RecordBatch]:
        for batch in reader.batches(table, pieces, windows, names):
            yield pa.RecordBatch.from_arrays(
                [column.cast(kind) for column, kind in zip(batch.columns, form.types, strict=True)], schema=form
            )

    shares = _shares(spark, reader.pieces(table, windows))
    rows = _made(spark, shares, read, form)
    cores = spark.sparkContext.defaultParallelism
    return rows.repartition(cores) if len(shares) < cores else rows


def unlabelled_frame(spark: Any, table: ScoringTable, infinite: Mapping[str, Any]) -> tuple[Any, list[str], list[str]]:
    """All columns of a table to score, and the model's inputs; the names of both in the frame, in the table's order.

    A column is passed on with its own type if Spark has it, otherwise with Spark's nearest. infinite: an accumulator
    for each numeric feature, of the rows in which it is infinite.
    """
    given = [f"given{place}" for place in range(len(table.schema))]
    inputs = [f"input{place}" for place in range(len(table.features))]
    form = pa.schema(
        [(name, _nearest(field.type)) for name, field in zip(given, table.schema, strict=True)]
        + [
            (name, pa.float64() if reader.as_number(table, feature) else pa.string())
            for name, feature in zip(inputs, table.features, strict=True)
        ]
    )

    def read(pieces: Sequence[Piece]) -> Iterator[pa.RecordBatch]:
        for piece in pieces:
            for batch in reader.stored(table, piece, table.schema.names):
                columns = scoring_table.passed_on(table, piece.file, batch)
                features = [reader.value(table, piece.file, name, batch.column(name)) for name in table.features]
                columns += features
                for name, column in zip(table.features, features, strict=True):
                    if name in infinite:
                        infinite[name].add(pc.is_inf(column).true_count)
                arrays = [column.cast(kind, safe=False) for column, kind in zip(columns, form.types, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=form)

    return _made(spark, _shares(spark, reader.pieces(table, None)), read, form), given, inputs


def _made(
    spark: Any,
    shares: Sequence[Sequence[Piece]],
    read: Callable[[Sequence[Piece]], Iterator[pa.RecordBatch]],
    form: pa.Schema,
) -> Any:
    """The batches of `read` for all shares, in order; a task for each share holds one batch at a time."""
    from pyspark.sql.pandas.types import from_arrow_schema

    def task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                with task_errors():
                    yield from read(shares[number])

    return spark.range(0, len(shares), 1, len(shares)).mapInArrow(
        task, from_arrow_schema(form, prefer_timestamp_ntz=True)
    )


def _shares(spark: Any, pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Consecutive pieces, with about the same number of bytes for each task; at least one task per core if possible."""
    small = [part for piece in pieces for part in piece.split(_PIECE_BYTES)]
    total = sum(piece.size for piece in small)
    tasks = max(min(len(small), max(spark.sparkContext.defaultParallelism, total // _PIECE_BYTES)), 1)
    shares: list[list[Piece]] = [[] for _ in range(tasks)]
    before = 0
    for piece in small:
        shares[min(before * tasks // max(total, 1), tasks - 1)].append(piece)
        before += piece.size
    return shares


def column(name: str) -> Any:
    """A column of a frame by its name, which may contain any characters."""
    from pyspark.sql import functions as f

    return f.col(quoted(name))


def _plain(form: pa.Schema) -> pa.Schema:
    """The schema with text without dictionaries, and the label as Spark's estimators need it."""
    kinds = {LABEL: pa.float64(), OTHER: pa.string(), DAY: pa.int64(), WINDOW: pa.int8()}
    return pa.schema(
        [
            (field.name, kinds.get(field.name) or (pa.string() if pa.types.is_dictionary(field.type) else field.type))
            for field in form
        ]
    )


def _nearest(kind: pa.DataType) -> pa.DataType:
    types = pa.types
    if types.is_unsigned_integer(kind):
        return {8: pa.int16(), 16: pa.int32(), 32: pa.int64()}.get(kind.bit_width, pa.decimal128(20, 0))
    if types.is_timestamp(kind):
        return pa.timestamp("us", None if kind.tz is None else "UTC")
    if types.is_float16(kind):
        return pa.float32()
    if types.is_date(kind):
        return pa.date32()
    if types.is_decimal(kind):
        return pa.decimal128(min(kind.precision, 38), kind.scale)
    return pa.binary() if types.is_large_binary(kind) else kind
