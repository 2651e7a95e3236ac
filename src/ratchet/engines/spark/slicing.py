"""Sums of the test rows by slice and day: the Spark engine's part of `core.slices`.

Each row gets the numbers of its groups, one for each slice, before a model transforms it. One aggregation then counts
all slices; the driver gets a row for each group, day and kind of right or wrong.
"""

from collections.abc import Sequence
from typing import Any

from ratchet.core.evaluation.day_sums import EPSILON, DaySums, sums_by_group
from ratchet.core.slices import ALL_ROWS, MOST_VALUES, Group, Grouping, Slice
from ratchet.engines.spark import score_grid
from ratchet.engines.spark.pipeline import PREDICTION, SCORE, quoted
from ratchet.engines.spark.reading import column
from ratchet.io.table.table import DAY, LABEL

_GROUPS = "__ratchet_groups__"


def groupings(rows: Any, slices: Sequence[Slice]) -> tuple[Grouping, ...]:
    """The groups of each slice. rows: those to sum up, with the slices' columns."""
    return tuple(each.grouped(*_rows_by_value(rows, each)) for each in slices)


def _rows_by_value(rows: Any, each: Slice) -> tuple[dict[float | str, int], int]:
    """The values with the most rows, and how many values there are."""
    from pyspark.sql import functions as f

    if each.edges is not None:
        return {}, 0
    value = column(each.column)
    counted = rows.where(value.isNotNull()).groupBy(value.alias("value")).count().persist()
    most = counted.orderBy(f.desc("count"), "value").limit(MOST_VALUES).collect()
    distinct = counted.count()
    counted.unpersist()
    return {row["value"]: row["count"] for row in most}, distinct


def numbered(rows: Any, found: Sequence[Grouping], features: Sequence[str]) -> Any:
    """The rows as a model needs them, with the numbers of their groups. features: those of the model."""
    from pyspark.sql import functions as f

    groups = f.array(f.lit(ALL_ROWS[1]), *map(_number, found)).alias(_GROUPS)
    return rows.select(*map(quoted, features), LABEL, DAY, groups)


def _number(grouping: Grouping) -> Any:
    from pyspark.sql import functions as f

    value, edges = column(grouping.slice.column), grouping.slice.edges
    number = f.when(value.isNull(), grouping.missing)
    if edges is None:
        for place, known in enumerate(grouping.values):
            number = number.when(value == f.lit(known), place)
        return number.otherwise(grouping.other)
    for place, edge in enumerate(edges):
        number = number.when(value < edge, place)
    return number.otherwise(len(edges))


def sums(scored: Any, levels: int) -> dict[Group, DaySums]:
    """The sums by day of all groups that have rows. scored: rows from `numbered` that a model has transformed."""
    from pyspark.sql import functions as f

    label, score = f.col(LABEL), score_grid.rounded(f.col(SCORE), levels)
    clipped = f.least(f.greatest(score, f.lit(EPSILON)), f.lit(1 - EPSILON))
    lost = -f.log(f.when(label == 1, clipped).otherwise(1 - clipped))
    rows = scored.select(
        DAY, label.alias("label"), PREDICTION, f.pow(score - label, 2).alias("error"), lost.alias("lost"), _GROUPS
    )
    each = rows.select("*", f.posexplode(_GROUPS).alias("place", "group"))
    counted = each.groupBy("place", "group", DAY, "label", PREDICTION).agg(
        f.count("*").alias("rows"), f.sum("error").alias("error"), f.sum("lost").alias("lost")
    )
    found = counted.toPandas()
    place = found["place"] + ALL_ROWS[0]
    return sums_by_group(
        (place, found["group"]),
        found[DAY],
        found["label"],
        found[PREDICTION],
        found["rows"],
        (found["error"], found["lost"]),
    )
