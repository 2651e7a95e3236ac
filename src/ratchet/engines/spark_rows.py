"""Reads a table's windows into one Spark frame; whether they will do, `spark_facts` finds out.

The twin of `io.rows`: same columns, same days, same labels.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from typing import Any

import pyarrow as pa

from ratchet.core.counts import day_number, day_of
from ratchet.core.windows import Window
from ratchet.engines.spark_clock import local_day
from ratchet.engines.spark_pipeline import quoted
from ratchet.io.clock import is_text
from ratchet.io.columns import plain
from ratchet.io.data import DAY, File, Table
from ratchet.io.delimited import MISSING_TEXTS
from ratchet.io.reach import batches

WINDOW = "__window__"
VALUE = "__value__"
UNREADABLE = -1
OUTSIDE = -2
_EARLIEST = date(1970, 1, 1)
_TYPES: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_int8, "byte"),
    (lambda kind: pa.types.is_int16(kind) or pa.types.is_uint8(kind), "short"),
    (lambda kind: pa.types.is_int32(kind) or pa.types.is_uint16(kind), "int"),
    (lambda kind: pa.types.is_int64(kind) or pa.types.is_uint32(kind), "long"),
    (pa.types.is_uint64, "decimal(20,0)"),
    (pa.types.is_float32, "float"),
    (pa.types.is_float64, "double"),
    (pa.types.is_date, "date"),
    (lambda kind: pa.types.is_timestamp(kind) and kind.unit == "ns", "long"),
    (lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None, "timestamp"),
    (pa.types.is_timestamp, "timestamp_ntz"),
    (is_text, "string"),
)


def frame(spark: Any, table: Table, windows: Sequence[Window], extra: Sequence[str] = ()) -> Any:
    """The rows of some windows: features, `extra`, VALUE (the label as it stands), DAY, and WINDOW.

    Numbers are double, all else is text, both null where missing. WINDOW is the place among `windows`, UNREADABLE
    for rows whose timestamp can't be read, OUTSIDE for rows of no window, which the caller leaves out.
    """
    from pyspark.sql import functions as f

    files = [file for file in table.files if any(_touches(file, window) for window in windows)] or [table.files[0]]
    first, last = _span(files, windows)
    names = (*table.features, *extra)
    parts = [_part(spark, part, names, first, last) for part in _alike(table, files, names)]
    rows = _balanced(spark, reduce(lambda some, more: some.unionByName(more), parts), files)
    place = f.when(f.col(DAY).isNull(), UNREADABLE)
    for number, window in enumerate(windows):
        place = place.when(_inside(f.col(DAY), window), number)
    # A filter on it here would make Spark work out each row's day anew for every comparison.
    return rows.withColumn(WINDOW, place.otherwise(OUTSIDE).cast("byte"))


def scan(table: Table, names: Sequence[str]) -> None:
    """Read columns the way the scikit-learn trainer does, for its sentence about what is wrong with them."""
    for _ in batches(table, None, list(names)):
        pass


def _alike(table: Table, files: Sequence[File], names: Sequence[str]) -> list[Table]:
    """The table in parts, in each of which every column has one type; Spark, unlike Arrow, reads no others."""
    wanted = (*names, table.settings.timestamp, table.settings.label.column)
    parts: dict[tuple[tuple[str, pa.DataType], ...], list[File]] = {}
    for file in files:
        own = dict(zip(file.columns, file.types, strict=False))
        kinds = tuple((name, plain(own[name])) for name in wanted if name in own)
        parts.setdefault(kinds, []).append(file)
    return [
        replace(
            table,
            files=tuple(some),
            schema=pa.schema([field.with_type(dict(kinds).get(field.name, field.type)) for field in table.schema]),
        )
        for kinds, some in parts.items()
    ]


def _part(spark: Any, table: Table, names: Sequence[str], first: date, last: date) -> Any:
    settings = table.settings
    rows = _source(spark, table)
    kind = plain(table.schema.field(settings.timestamp).type)
    if pa.types.is_timestamp(kind) and kind.unit != "ns":
        rows = rows.where(_near(column(settings.timestamp), kind, first, last))
    stored = pa.string() if table.format == "csv" else kind
    day = local_day(_present(table, settings.timestamp), stored, table.clock, first, last)
    columns = [_feature(table, name).alias(name) for name in names]
    return rows.select(*columns, _value(table, settings.label.column).alias(VALUE), day.alias(DAY))


def _source(spark: Any, table: Table) -> Any:
    reader = spark.read.schema(_schema(table))
    addresses = [address(table, file) for file in table.files]
    if any(name in table.schema.names for file in table.files for name, _ in file.partitions):
        reader = reader.option("basePath", _scheme(table) + table.store.root)
    if table.format == "parquet":
        return reader.parquet(*addresses)
    return reader.csv(addresses, header=True, mode="FAILFAST", escape='"', encoding="UTF-8")


def address(table: Table, file: File) -> str:
    """How Spark addresses a file of the table; as it stands, since Spark decodes nothing."""
    return _scheme(table) + file.path


def _scheme(table: Table) -> str:
    return "s3a://" if table.store.remote else "file://"


def _schema(table: Table) -> str:
    """The files' columns with the types they are stored in, as Spark writes a schema; of CSV all as text."""
    kinds = [(field.name, "string" if table.format == "csv" else _stored(plain(field.type))) for field in table.schema]
    return ", ".join(f"{quoted(name)} {kind}" for name, kind in kinds if kind is not None)


def _stored(kind: pa.DataType) -> str | None:
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    return next((name for fits, name in _TYPES if fits(kind)), None)


def _balanced(spark: Any, rows: Any, files: Sequence[File]) -> Any:
    """Spread over the cores what lies in too few pieces for them: Spark reads a row group on one core."""
    cores = spark.sparkContext.defaultParallelism
    pieces = sum(1 if file.path.endswith(".gz") else max(len(file.row_groups), 1) for file in files)
    return rows.repartition(cores) if pieces < cores else rows


def _touches(file: File, window: Window) -> bool:
    return not file.row_groups or any(group.touches(window) for group in file.row_groups)


def _span(files: Iterable[File], windows: Sequence[Window]) -> tuple[date, date]:
    """The first and last day that can matter."""
    starts = [window.start for window in windows]
    known = [group.first_day for file in files for group in file.row_groups]
    if None not in starts:
        first = min(start for start in starts if start is not None)
    elif known and None not in known:
        first = day_of(min(day for day in known if day is not None))
    else:
        first = _EARLIEST
    last = max(window.end for window in windows)
    return min(first, last), last


def _near(at: Any, kind: pa.DataType, first: date, last: date) -> Any:
    """A coarse filter that the files' statistics can serve; the days decide in the end. Keeps rows without a time."""
    from pyspark.sql import functions as f

    zone = UTC if kind.tz is not None else None
    slack = timedelta(days=2)
    low, high = (datetime.combine(day, time(), zone) for day in (first - slack, last + slack))
    return at.isNull() | ((at >= f.lit(low)) & (at < f.lit(high)))


def _inside(day: Any, window: Window) -> Any:
    before = day < day_number(window.end)
    return before if window.start is None else before & (day >= day_number(window.start))


def column(name: str) -> Any:
    """A column of a frame by its name, whatever is in that."""
    from pyspark.sql import functions as f

    return f.col(quoted(name))


def _present(table: Table, name: str) -> Any:
    """A column; of CSV, where missing is written in many ways, null where it is."""
    from pyspark.sql import functions as f

    value = column(name)
    return value if table.format == "parquet" else f.when(~value.isin(*MISSING_TEXTS), value)


def _value(table: Table, name: str) -> Any:
    from pyspark.sql import functions as f

    value = _present(table, name)
    kind = plain(table.schema.field(name).type)
    if table.format == "parquet" and pa.types.is_floating(kind):
        return f.when(~f.isnan(value), value)
    return value


def _feature(table: Table, name: str) -> Any:
    from pyspark.sql import functions as f

    value = _present(table, name)
    kind = plain(table.schema.field(name).type)
    if not as_number(table, name):
        return value.cast("string")
    if table.format == "csv" and pa.types.is_boolean(kind):
        value = value.cast("boolean")
    number = value.cast("double")
    return f.when(~f.isnan(number), number)


def as_number(table: Table, name: str) -> bool:
    """Whether a column is read as numbers; one that only an existing version needs is where its type is no text."""
    if name in table.features:
        return name in table.numeric
    return not is_text(plain(table.schema.field(name).type))
