"""The facts about the windows, from concurrent jobs; the first one fills the cache.

`io.table.checks` judges them, with the same messages as for the scikit-learn engine.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratchet.core.evaluation.feature_counts import MOST_VALUES, FeatureCounts, Key
from ratchet.core.gate.day_counts import hashes
from ratchet.core.windows import Window
from ratchet.engines.base import MonthSummary, WindowSummary
from ratchet.engines.spark.features import Numeric
from ratchet.engines.spark.in_tasks import mapped, per_partition
from ratchet.engines.spark.pipeline import Categories, Numbers, quoted
from ratchet.errors import DataError
from ratchet.io.table.checks import ColumnFacts, Copies, Entities, WindowFacts
from ratchet.io.table.inspection import DAY, LABEL, EventTable
from ratchet.io.table.reader import OTHER, UNREADABLE, WINDOW

COUNTED_DAY = "counted_day"
# Window, month, whether it is positive, the text of another label: the first fields of a `Group`.
type _Key = tuple[int, str, bool | None, str | None]
_KEY_PARTS = 4
_MOST_GROUPS = 20_000
_MOST_LISTED = 10
_FEWEST_ROWS = 20


@dataclass(frozen=True)
class Group:
    """Rows of one window, month and label. filled: those with a value, by feature with text.

    positive: None if the label is missing. other: the text of a label that is not the positive one.
    """

    window: int
    month: str
    positive: bool | None
    other: str | None
    rows: int
    filled: Mapping[str, int]


@dataclass(frozen=True)
class Text:
    """A text of a categorical feature: its rows in training and in the newest window, its rank among all `distinct`."""

    value: str
    rows: int
    newest: int
    rank: int
    distinct: int


@dataclass(frozen=True)
class EqualRows:
    """copies: see `io.table.checks`. distinct: the rows of each day that differ from one another."""

    copies: Copies
    distinct: Mapping[int, int]


def groups(rows: Any, table: EventTable) -> list[Group]:
    """Count the rows of `engines.spark.reading.frame`. Raises DataError for too many labels."""
    from pyspark.sql import functions as f

    filled = [f.col(quoted(name)).isNotNull().cast("int") for name in table.texts]
    found: dict[_Key, Any] = {}
    for part in per_partition(rows.select(WINDOW, DAY, LABEL, OTHER, *filled), _by_key):
        for key, counted in part.items():
            found[key] = found.get(key, 0) + counted
    if len(found) > _MOST_GROUPS:
        label = table.settings.label
        message = (
            f"the label column {label.column!r} of {table.uri} has thousands of values besides the positive one, "
            f"{label.positive!r}; one is accepted"
        )
        raise DataError(message)
    return [
        Group(*key, counted[0], dict(zip(table.texts, counted[1:], strict=True)))
        for key, counted in ((key, numbers.tolist()) for key, numbers in found.items())
    ]


def _by_key(parts: Iterator[pa.Table]) -> dict[_Key, Any]:
    """By window, month, label and other label: rows, and rows with a text of each feature."""
    found: dict[_Key, Any] = {}
    for part in parts:
        window, day, label, other, *filled = part.columns
        month = pc.utf8_slice_codeunits(day.cast(pa.int32()).cast(pa.date32()).cast(pa.string()), 0, 7).fill_null("")
        keyed = pa.table(
            [window, month, pc.equal(label, 1.0), other, *filled], [str(place) for place in range(part.num_columns)]
        )
        keys, sums = keyed.column_names[:_KEY_PARTS], keyed.column_names[_KEY_PARTS:]
        grouped = keyed.group_by(keys).aggregate([([], "count_all"), *((name, "sum") for name in sums)])
        for row in zip(*(column.to_pylist() for column in grouped.columns), strict=True):
            key: _Key = row[:_KEY_PARTS]
            found[key] = found.get(key, 0) + np.array(row[_KEY_PARTS:])
        if len(found) > _MOST_GROUPS:
            break
    return found


def facts(
    found: Sequence[Group], numeric: Mapping[str, Numeric], number: int, window: Window, table: EventTable
) -> WindowFacts:
    """The facts about the window with the index `number`. numeric: its numeric features by name."""
    inside = [group for group in found if group.window == number]
    others: dict[str, int] = {}
    for group in inside:
        if group.other is not None:
            others[group.other] = others.get(group.other, 0) + group.rows
    most = sorted(others.items(), key=lambda item: (-item[1], item[0]))[:_MOST_LISTED]
    return WindowFacts(
        window,
        sum(group.rows for group in inside),
        sum(group.rows for group in inside if group.positive),
        sum(group.rows for group in inside if group.positive is None),
        dict(most),
        sum(group.rows for group in found if group.window == UNREADABLE),
        tuple(_column(name, inside, numeric.get(name)) for name in table.features),
    )


def equal_rows(rows: Any, table: EventTable, newest: int, oldest: int) -> EqualRows:
    """Count equal rows, by a hash of 64 bits.

    newest: the place of the test window. oldest: days before it are counted together, on the day before it.
    """
    from pyspark.sql import Window as Over
    from pyspark.sql import functions as f

    readable = rows.where(f.col(WINDOW) != UNREADABLE)
    wanted = readable.select(DAY, WINDOW, LABEL, *(f.col(quoted(name)) for name in table.features))
    hashed = mapped(wanted, partial(_hashed, newest, oldest), f"row long, {COUNTED_DAY} long, in_test boolean")
    in_test = f.col("in_test")
    equal = hashed.groupBy("row", COUNTED_DAY).agg(
        f.count_if(in_test).alias("test"), f.count_if(~in_test).alias("before")
    )
    ever_before = f.sum("before").over(Over.partitionBy("row"))
    test, before = f.col("test"), f.col("before")
    by_day = equal.withColumn("ever_before", ever_before).groupBy(COUNTED_DAY)
    found = by_day.agg(
        f.count("*"),
        f.sum(test),
        f.sum(f.when(f.col("ever_before") > 0, test)),
        f.sum(before),
        f.sum(f.when(f.col("ever_before") > 1, before)),
    ).collect()
    test_rows, test_copies, before_rows, before_copies = (
        sum(row[place] or 0 for row in found) for place in range(2, 6)
    )
    copies = Copies(test_rows, test_copies, before_rows, before_copies)
    return EqualRows(copies, {row[0]: row[1] for row in found})


def _hashed(newest: int, oldest: int, parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The hash of each row's features and label, its day, and whether it is a test row."""
    for part in parts:
        day, window, *cells = part.columns
        row = hashes(pa.table(cells, [str(place) for place in range(len(cells))]).to_pandas()).view(np.int64)
        counted = np.maximum(day.to_numpy(), oldest - 1)
        yield pa.table({"row": row, COUNTED_DAY: counted, "in_test": pc.equal(window, newest)})


def entities(rows: Any, name: str, newest: int) -> Entities:
    """Test rows by the entity in a column. newest: the place of the test window."""
    from pyspark.sql import functions as f

    entity, in_test = f.col(quoted(name)), f.col(WINDOW) == newest
    grouped = rows.where((f.col(WINDOW) != UNREADABLE) & entity.isNotNull()).groupBy(entity.alias("entity"))
    counted = grouped.agg(f.count_if(in_test).alias("test"), f.count_if(~in_test).alias("before"))
    test, before = f.col("test"), f.col("before")
    found = counted.agg(f.sum(test), f.sum(f.when(before > 0, test)), f.count_if((test > 0) & (before > 0))).collect()[
        0
    ]
    return Entities(*(int(number or 0) for number in found))


def _column(name: str, inside: Sequence[Group], numeric: Numeric | None) -> ColumnFacts:
    total = sum(group.rows for group in inside)
    if numeric is None:
        missing = total - sum(group.filled[name] for group in inside)
        return ColumnFacts(name, missing, 0, None, constant=missing == total)
    missing = numeric.counts.missing
    same = numeric.low == numeric.high and not missing
    return ColumnFacts(name, missing, numeric.infinite, None, constant=missing == total or same)


def numbers(windows: Sequence[Mapping[str, Numeric]], rows: int) -> list[Numbers]:
    """The numeric features that have values in windows with this number of rows together, with their means.

    The means are rounded, since sums in varying order differ in their last digits.
    """
    result = []
    for name in windows[0]:
        missing = sum(numeric[name].counts.missing for numeric in windows)
        if missing < rows:
            mean = sum(numeric[name].total for numeric in windows) / (rows - missing)
            result.append(Numbers(name, float(f"{mean:.9g}"), gaps=missing > 0))
    return result


def texts(rows: Any, table: EventTable, most: int, training: Sequence[int], newest: int) -> dict[str, list[Text]]:
    """The texts of each categorical feature in the rows learnt from to encode or count, the most frequent first.

    most: the maximum number to encode. training, newest: the indices of windows in `rows`.
    """
    from pyspark.sql import Window as Over
    from pyspark.sql import functions as f

    if not table.categorical:
        return {}
    placed = enumerate(table.categorical)
    cells = f.array(
        *(f.struct(f.lit(place).alias("place"), f.col(quoted(name)).alias("value")) for place, name in placed)
    )
    both = rows.where(f.col(WINDOW).isin(*training, newest)).select(WINDOW, f.explode(cells).alias("cell"))
    counted = both.select(WINDOW, "cell.*").where("value IS NOT NULL").groupBy("place", "value")
    counted = counted.agg(
        f.count_if(f.col(WINDOW).isin(list(training))).alias("rows"),
        f.count_if(f.col(WINDOW) == newest).alias("newest"),
    )
    of_place = Over.partitionBy("place")
    ranked = counted.where("rows > 0").withColumn("distinct", f.count("*").over(of_place))
    ranked = ranked.withColumn("rank", f.row_number().over(of_place.orderBy(f.desc("rows"), "value")))
    coded = (f.col("rank") <= most) & (f.col("rows") >= _FEWEST_ROWS)
    found = ranked.where(coded | (f.col("rank") <= MOST_VALUES)).collect()
    result: dict[str, list[Text]] = {}
    for row in sorted(found, key=lambda row: row["rank"]):
        text = Text(row["value"], row["rows"], row["newest"], row["rank"], row["distinct"])
        result.setdefault(table.categorical[row["place"]], []).append(text)
    return result


def categories(found: Mapping[str, Sequence[Text]], table: EventTable, most: int) -> list[Categories]:
    """The values of each categorical feature that get a code: the most frequent one, and all that are not rare."""
    result = []
    for name in table.categorical:
        coded = [text for text in found.get(name, ()) if text.rank <= most and text.rows >= _FEWEST_ROWS]
        if values := tuple(text.value for text in coded or found.get(name, ())[:1]):
            result.append(Categories(name, values))
    return result


def counts_of_texts(
    found: Mapping[str, Sequence[Text]], training: WindowFacts, newest: WindowFacts, table: EventTable
) -> list[tuple[FeatureCounts, ...]]:
    """The counts of the categorical features in the training window and in the newest one."""
    result = []
    for about, rows_of in ((training, _rows_in_training), (newest, _rows_in_newest)):
        missing = {column.name: column.missing for column in about.columns}
        counted = []
        for name in table.texts:
            named: dict[Key, int] = {
                text.value: rows_of(text) for text in found.get(name, ())[:MOST_VALUES] if rows_of(text)
            }
            other = about.rows - missing[name] - sum(named.values())
            counted.append(FeatureCounts(name, "categorical", named, other, missing[name]))
        result.append(tuple(counted))
    return result


def _rows_in_training(text: Text) -> int:
    return text.rows


def _rows_in_newest(text: Text) -> int:
    return text.newest


def with_distinct(about: WindowFacts, found: Mapping[str, Sequence[Text]]) -> WindowFacts:
    """The facts, with the number of distinct values of each categorical feature."""
    distinct = {name: texts[0].distinct for name, texts in found.items()}
    columns = tuple(
        replace(column, distinct=values, constant=values == 1 and not column.missing)
        if (values := distinct.get(column.name)) is not None
        else column
        for column in about.columns
    )
    return replace(about, columns=columns)


def summary(found: Sequence[Group], number: int, about: WindowFacts) -> WindowSummary:
    """The summary of a window for the report."""
    months: dict[str, list[int]] = {}
    for group in found:
        if group.window == number:
            counts = months.setdefault(group.month, [0, 0])
            counts[0] += group.rows
            counts[1] += group.rows if group.positive else 0
    return WindowSummary(
        about.window,
        about.rows,
        about.positives,
        tuple(MonthSummary(month, *counts) for month, counts in sorted(months.items())),
        {column.name: column.missing for column in about.columns if column.missing},
    )
