"""Counts the rows of Spark's partitions in its tasks, with the functions that count the scikit-learn engine's."""

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from ratchet.engines.spark.errors import task_errors

_CELLS = 2**20


def per_partition[T](rows: Any, count: Callable[[Iterator[pa.Table]], T]) -> list[T]:
    """The results of a function for each partition, which it gets in parts of about a million cells.

    The columns of a part are to be told apart by their places: Spark takes no odd names here.
    """

    def results(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
        yield pa.table({"result": pa.array([pickle.dumps(count(parts))], pa.binary())})

    # The tasks are this program's own.
    return [pickle.loads(row["result"]) for row in mapped(rows, results, "result binary").collect()]  # noqa: S301


def mapped(rows: Any, function: Callable[[Iterator[pa.Table]], Iterator[pa.Table]], schema: str) -> Any:
    """The rows that a function makes of those of each partition, as `per_partition`; schema: in Spark's words."""

    def task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with task_errors():
            for part in function(_parts(batches)):
                yield from part.to_batches()

    return rows.toDF(*(f"c{place}" for place in range(len(rows.columns)))).mapInArrow(task, schema)


def _parts(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(each.num_rows for each in held) * batch.num_columns >= _CELLS:
            yield pa.Table.from_batches(held).combine_chunks()
            held = []
    if held:
        yield pa.Table.from_batches(held).combine_chunks()
