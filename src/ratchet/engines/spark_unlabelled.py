"""Reads a table to score into a Spark frame: every column as it stands, with the types that the files have.

The twin of `io.unlabelled.chunks`. `spark_rows` reads windows of labelled events instead, and of them few columns.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import reduce
from typing import Any

import pyarrow as pa

from ratchet.engines.spark_pipeline import quoted
from ratchet.io.columns import plain
from ratchet.io.delimited import MISSING_TEXTS
from ratchet.io.store import Store
from ratchet.io.table import File, Table


def frame(spark: Any, table: Table) -> Any:
    """All columns of a table in its order; missing where a file lacks one.

    A timestamp in nanoseconds, which Spark has not, becomes one in microseconds, and a number of CSV a double.
    """
    # Names in paths are text, as the other reader has them, also where they look like a date.
    spark.conf.set("spark.sql.sources.partitionColumnTypeInference.enabled", "false")
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    parts = [_part(spark, part) for part in _alike(table)]
    return reduce(lambda some, more: some.unionByName(more), parts)


def feature(table: Table, name: str) -> Any:
    """A column of `frame` in the form in which training had it: a double or text, null where it is missing."""
    from pyspark.sql import functions as f

    column = f.col(quoted(name))
    if name not in table.numeric:
        return column.cast("string")
    number = column.cast("double")
    return f.when(~f.isnan(number), number)


def scheme(store: Store) -> str:
    """What stands before a path of the store where Spark is to read it."""
    return "s3a://" if store.remote else "file://"


def _alike(table: Table) -> Iterator[Table]:
    """The table in parts, in each of which all files have the same columns of the same types."""
    parts: dict[object, list[File]] = {}
    for file in table.files:
        parts.setdefault((file.columns, file.types), []).append(file)
    for some in parts.values():
        yield replace(table, files=tuple(some))


def _part(spark: Any, table: Table) -> Any:
    from pyspark.sql import functions as f

    rows = _source(spark, table)
    file = table.files[0]
    own = dict(zip(file.columns, file.types or [None] * len(file.columns), strict=True))
    own |= {name: pa.string() for name, _ in file.partitions}
    columns = []
    for field in table.schema:
        column = _as_stored(field, own[field.name], table.format) if field.name in own else f.lit(None)
        columns.append(column.alias(field.name))
    return rows.select(*columns)


def _source(spark: Any, table: Table) -> Any:
    reader = spark.read
    addresses = [scheme(table.store) + file.path for file in table.files]
    if any(file.partitions for file in table.files):
        reader = reader.option("basePath", scheme(table.store) + table.store.root)
    if table.format == "parquet":
        return reader.parquet(*addresses)
    names = (*table.files[0].columns, *_in_paths(table.files))
    reader = reader.schema(", ".join(f"{quoted(name)} string" for name in names))
    return reader.csv(addresses, header=True, mode="FAILFAST", escape='"', encoding="UTF-8")


def _in_paths(files: Iterable[File]) -> list[str]:
    return list(dict.fromkeys(name for file in files for name, _ in file.partitions))


def _as_stored(field: pa.Field, kind: pa.DataType | None, form: str) -> Any:
    from pyspark.sql import functions as f

    column = f.col(quoted(field.name))
    if form == "csv":
        text = f.when(~column.isin(*MISSING_TEXTS), column)
        if pa.types.is_boolean(field.type):
            return text.cast("boolean")
        return text.cast("double") if pa.types.is_floating(field.type) else text
    stored = plain(kind)
    if pa.types.is_timestamp(stored) and stored.unit == "ns":
        micros = f.call_function("div", column - f.pmod(column, f.lit(1000).cast("long")), f.lit(1000).cast("long"))
        moment = f.timestamp_micros(micros)
        return moment if stored.tz is not None else moment.cast("timestamp_ntz")
    return column
