"""What a timestamp column means: the local day of each row, and the bounds of a window in the column's own terms.

Days begin at midnight in the table's time zone. A date is that day; a timestamp without a zone is local time; one with a
zone, and an epoch, is an instant and is brought to the table's zone first, summer time included.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ratchet.core.windows import Window
from ratchet.errors import ConfigurationError, DataError

_ZONED = re.compile(r"(?:[zZ]|[+-]\d{2}:?\d{2})$")
_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True)
class Clock:
    """A timestamp column: its name, its kind (`date`, `local`, `instant`, `epoch`, `text`), the unit of an epoch."""

    column: str
    kind: str
    unit: str | None
    timezone: str

    @classmethod
    def of(cls, column: str, kind: pa.DataType, unit: str | None, timezone: str) -> "Clock":
        """Recognise a column by its Arrow type; raises ConfigurationError where it can't hold time."""
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            if unit is None:
                message = f"the timestamp column {column!r} holds numbers; set data.timestamp_unit to s, ms, us or ns"
                raise ConfigurationError(message)
            return cls(column, "epoch", unit, timezone)
        if unit is not None:
            message = f"data.timestamp_unit is {unit}, but the column {column!r} holds {kind}; only numbers have a unit"
            raise ConfigurationError(message)
        if pa.types.is_date(kind):
            return cls(column, "date", None, timezone)
        if pa.types.is_timestamp(kind):
            return cls(column, "local" if kind.tz is None else "instant", None, timezone)
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return cls(column, "text", None, timezone)
        message = f"the timestamp column {column!r} holds {kind}; a date, a datetime, text or an epoch is accepted"
        raise ConfigurationError(message)

    def days(self, column: pa.ChunkedArray, where: str) -> npt.NDArray[np.int64]:
        """The local day of each row, in days since 1970-01-01.

        Raises DataError, with the number of rows, where some have no timestamp or none that can be understood.
        """
        missing = column.null_count
        if missing:
            message = f"the timestamp {self.column!r} is missing in {missing:,} of {len(column):,} rows of {where}"
            raise DataError(message)
        if self.kind == "date":
            return _numpy_days(pc.cast(column, pa.date32()).to_pandas())
        return _numpy_days(self._local(column, where))

    def between(self, window: Window) -> pc.Expression | None:
        """A filter for the rows of a window that the files' statistics can serve; None where text has none."""
        if self.kind == "text":
            return None
        field = pc.field(self.column)
        bounds = field < self._midnight(window.end)
        return bounds if window.start is None else bounds & (field >= self._midnight(window.start))

    def _midnight(self, day: date) -> Any:
        if self.kind == "date":
            return pa.scalar(day, pa.date32())
        if self.kind == "local":
            return pa.scalar(datetime.combine(day, time()), pa.timestamp("us"))
        moment = datetime.combine(day, time(), ZoneInfo(self.timezone))
        if self.kind == "instant":
            return pa.scalar(moment.astimezone(UTC), pa.timestamp("us", "UTC"))
        return int(moment.timestamp()) * _TICKS[self.unit or "s"]

    def _local(self, column: pa.ChunkedArray, where: str) -> pd.Series:
        if self.kind == "local":
            return column.to_pandas()
        if self.kind == "text":
            return _parsed(column.to_pandas(), self.column, self.timezone, where)
        if self.kind == "epoch":
            moments = pd.to_datetime(column.to_pandas(), unit=self.unit, utc=True)
        else:
            moments = column.to_pandas()
        return moments.dt.tz_convert(self.timezone).dt.tz_localize(None)


def _parsed(text: pd.Series, column: str, timezone: str, where: str) -> pd.Series:
    zoned = text.str.contains(_ZONED, regex=True) & text.str.contains(r"\d[T ]\d", regex=True)
    local = pd.to_datetime(text.where(~zoned), format="ISO8601", errors="coerce")
    moments = pd.to_datetime(text.where(zoned), format="ISO8601", errors="coerce", utc=True)
    result = local.fillna(moments.dt.tz_convert(timezone).dt.tz_localize(None))
    bad = result.isna()
    if bad.any():
        message = (
            f"the timestamp {column!r} can't be read in {int(bad.sum()):,} of {len(text):,} rows of {where}, the first"
            f" being {text[bad].iloc[0]!r}; ISO 8601 is accepted, such as 2013-12-01 or 2013-12-01T08:30:00+01:00"
        )
        raise DataError(message)
    return result


def _numpy_days(values: pd.Series) -> npt.NDArray[np.int64]:
    return np.asarray(values, dtype="datetime64[D]").astype(np.int64)
