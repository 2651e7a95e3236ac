"""The local day of each row as a Spark expression; the twin of `io.clock`, which reads for scikit-learn.

Offsets come from the same tables, as a choice between the few instants at which summer time begins or ends, so the two
engines put every row into the same window.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa

from ratchet.core.counts import day_number
from ratchet.io.clock import FIRST_DAY, ISO_8601, LAST_DAY, Clock, is_text

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY_SECONDS = 86_400
# Java's `$` lets a line break follow.
_ISO = ISO_8601.removesuffix("$") + r"\z"
_NUMBER = r"^[+-]?[0-9]{1,19}(\.[0-9]*)?\z"
_ZONE = r"[T ].*(Z|[+-][0-9]{2}:?[0-9]{0,2})\z"


def local_day(column: Any, kind: pa.DataType, clock: Clock, first: date, last: date) -> Any:
    """Days since 1970-01-01 of a timestamp column; null where there is no timestamp that can be read.

    kind: the column's type in the files. first, last: the days for which offsets from UTC are needed.
    """
    from pyspark.sql import functions as f

    days = _days(column, kind, clock, _offsets(clock, first, last))
    return f.when(days.between(FIRST_DAY, LAST_DAY), days)


def _days(column: Any, kind: pa.DataType, clock: Clock, offsets: Sequence[tuple[int, int]]) -> Any:
    from pyspark.sql import functions as f

    if is_text(kind):
        return _text_days(column, clock, offsets)
    if pa.types.is_date(kind):
        return f.unix_date(column.cast("date")).cast("long")
    if not pa.types.is_timestamp(kind):
        return _epoch_days(column, kind, clock, offsets)
    if kind.unit == "ns":
        seconds = _floor(column, _PER_SECOND["ns"])
    elif kind.tz is None:
        return f.unix_date(column.cast("date")).cast("long")
    else:
        seconds = _floor(f.unix_micros(column), _PER_SECOND["us"])
    return _floor(seconds, _DAY_SECONDS) if kind.tz is None else _instant_days(seconds, offsets)


def _epoch_days(column: Any, kind: pa.DataType, clock: Clock, offsets: Sequence[tuple[int, int]]) -> Any:
    assert clock.unit is not None  # noqa: S101  # `io.data` refuses numbers without a unit
    per_second = _PER_SECOND[clock.unit]
    if pa.types.is_integer(kind):
        return _instant_days(_floor(column.cast("long"), per_second), offsets)
    return _float_days(column.cast("double"), per_second, offsets)


def _float_days(column: Any, per_second: int, offsets: Sequence[tuple[int, int]]) -> Any:
    from pyspark.sql import functions as f

    values = column / f.lit(float(per_second))
    readable = f.abs(values) < float((LAST_DAY + 2) * _DAY_SECONDS)
    return _instant_days(f.floor(f.when(readable & ~f.isnan(values), values)), offsets)


def _text_days(column: Any, clock: Clock, offsets: Sequence[tuple[int, int]]) -> Any:
    from pyspark.sql import functions as f

    if clock.unit is not None:
        number = f.when(column.rlike(_NUMBER), column).try_cast("double")
        return _float_days(number, _PER_SECOND[clock.unit], offsets)
    text = f.when(column.rlike(_ISO), column)
    days = f.unix_date(f.substring(text, 1, 10).try_cast("date")).cast("long")
    zone = f.regexp_extract(text, _ZONE, 1)
    seconds = days * _DAY_SECONDS + _time_of_day(text) - _zone_seconds(zone)
    return f.when(zone == "", days).otherwise(_instant_days(seconds, offsets))


def _time_of_day(text: Any) -> Any:
    from pyspark.sql import functions as f

    def part(position: int) -> Any:
        return f.coalesce(f.substring(text, position, 2).try_cast("long"), f.lit(0))

    # 2013-12-01T08:30:05: a zone may follow the minutes, whose sign or colon then stands where the seconds would.
    seconds = f.when(f.substring(text, 17, 1) == ":", part(18)).otherwise(0)
    return part(12) * 3600 + part(15) * 60 + seconds


def _zone_seconds(zone: Any) -> Any:
    from pyspark.sql import functions as f

    digits = f.rpad(f.regexp_replace(f.substring(zone, 2, 5), ":", ""), 4, "0")
    size = f.substring(digits, 1, 2).try_cast("long") * 3600 + f.substring(digits, 3, 2).try_cast("long") * 60
    return f.when(zone == "Z", 0).when(zone.startswith("-"), -size).otherwise(size)


def _instant_days(seconds: Any, offsets: Sequence[tuple[int, int]]) -> Any:
    from pyspark.sql import functions as f

    offset: Any = f.lit(offsets[-1][1])
    for (_, before), (until, _) in reversed(list(pairwise(offsets))):
        offset = f.when(seconds < until, before).otherwise(offset)
    return _floor(seconds + offset, _DAY_SECONDS)


def _floor(value: Any, divisor: int) -> Any:
    """Whole-number division that rounds down, also below zero; Spark's `/` goes through double, its `div` to zero."""
    from pyspark.sql import functions as f

    below = value - f.pmod(value, f.lit(divisor).cast("long"))
    return f.call_function("div", below, f.lit(divisor).cast("long"))


def _offsets(clock: Clock, first: date, last: date) -> list[tuple[int, int]]:
    """(the instant from which it holds, the offset), both in seconds."""
    begin, end = (day_number(day) * _DAY_SECONDS for day in (first, last + timedelta(days=2)))
    starts, offsets = clock.offsets(begin - 2 * _DAY_SECONDS, end)
    return [(int(start), int(offset)) for start, offset in zip(starts, offsets, strict=True)]
