"""From a timestamp column to local days, the same for every way in which a timestamp is written.

A timestamp without a zone is local time; one with a zone, or an epoch, is an instant and is moved into the table's
zone. The offsets come from `zoneinfo`, not from the operating system's or the JVM's tables. `io.data` calls it for the
scikit-learn trainer; the Spark engine follows the same rules with the same pattern.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

ISO_8601 = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"([T ]([01][0-9]|2[0-3]):([0-5][0-9])(:([0-5][0-9])([.,][0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?$"
)
"""What is accepted as text: a date, or a date and a time with or without a zone."""

FIRST_DAY, LAST_DAY = -719_162, 2_932_896
"""The days 0001-01-01 and 9999-12-31; what lies outside is no timestamp but a wrong unit."""

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY_SECONDS = 86_400
_WEEK_SECONDS = 7 * _DAY_SECONDS
_NO_DAY = np.iinfo(np.int64).min

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Clock:
    """Reads one timestamp column. zone: where days begin. unit: of an epoch; None where the column is no number."""

    zone: ZoneInfo
    unit: str | None

    @classmethod
    def of(cls, timezone: str, unit: str | None) -> "Clock":
        """timezone: an IANA name, which the settings have checked."""
        return cls(ZoneInfo(timezone), unit)

    def days(self, column: pa.Array) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Local days since 1970-01-01, and where there is no timestamp that can be read; both as long as the column."""
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        days = self._days(column)
        bad = (days < FIRST_DAY) | (days > LAST_DAY)
        return days, bad | ~_true(column.is_valid()) if column.null_count else bad

    def _days(self, column: pa.Array) -> Ints:
        kind = column.type
        if is_text(kind):
            return self._text_days(column.cast(pa.string()))
        if pa.types.is_date(kind):
            return _filled(column.cast(pa.date32()).cast(pa.int32()))
        if pa.types.is_timestamp(kind):
            return self._moment_days(_filled(column.cast(pa.int64())), kind.unit, local=kind.tz is None)
        return self._epoch_days(column)

    def _moment_days(self, values: Ints, unit: str, *, local: bool) -> Ints:
        if local:
            return np.asarray(values // (_PER_SECOND[unit] * _DAY_SECONDS))
        return self._instant_days(values // _PER_SECOND[unit])

    def _epoch_days(self, column: pa.Array) -> Ints:
        assert self.unit is not None  # noqa: S101  # `io.columns` refuses numbers without a unit
        if pa.types.is_integer(column.type):
            return self._moment_days(_filled(column.cast(pa.int64(), safe=False)), self.unit, local=False)
        values = column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False) / _PER_SECOND[self.unit]
        with np.errstate(invalid="ignore"):
            readable = np.abs(values) < (LAST_DAY + 2) * _DAY_SECONDS
        seconds = np.full(len(values), _NO_DAY)
        seconds[readable] = np.floor(values[readable]).astype(np.int64)
        return self._instant_days(seconds)

    def _text_days(self, column: pa.Array) -> Ints:
        if self.unit is not None:
            number = pc.match_substring_regex(column, r"^[+-]?[0-9]{1,19}(\.[0-9]*)?$")
            return self._epoch_days(pc.if_else(number, column, None).cast(pa.float64()))
        text = pc.if_else(pc.match_substring_regex(column, ISO_8601), column, None)
        days = _mapped(pc.utf8_slice_codeunits(text, 0, 10), _date_number)
        zone = pc.extract_regex(text, r"[T ].*(?P<zone>Z|[+-][0-9]{2}:?[0-9]{0,2})$")
        zoned = _true(pc.is_valid(zone)) & (days != _NO_DAY)
        if zoned.any():
            offset = _mapped(pc.struct_field(zone, "zone"), _offset_seconds)[zoned]
            seconds = days[zoned] * _DAY_SECONDS + _time_of_day(text)[zoned] - offset
            days[zoned] = self._instant_days(seconds)
        return days

    def _instant_days(self, seconds: Ints) -> Ints:
        """Local days of instants in seconds since 1970-01-01 UTC."""
        days = seconds // _DAY_SECONDS
        inside = (days >= FIRST_DAY + 1) & (days <= LAST_DAY - 1)
        if not inside.any():
            return days
        within = seconds[inside]
        starts, offsets = self.offsets(int(within.min()), int(within.max()))
        days[inside] = (within + offsets[np.searchsorted(starts, within, side="right") - 1]) // _DAY_SECONDS
        return days

    def offsets(self, first: int, last: int) -> tuple[Ints, Ints]:
        """The instants from which an offset from UTC holds, and the offsets, both in seconds, for first to last."""
        starts, offsets = [first], [self._offset(first)]
        # No zone has changed its offset twice within a week.
        for begin in range(first, last + 1, _WEEK_SECONDS):
            end = begin + _WEEK_SECONDS
            if self._offset(end) != offsets[-1]:
                starts.append(self._change(begin, end))
                offsets.append(self._offset(end))
        return np.array(starts, dtype=np.int64), np.array(offsets, dtype=np.int64)

    def _change(self, begin: int, end: int) -> int:
        """The second in (begin, end] from which the offset is that of `end`."""
        new = self._offset(end)
        while end - begin > 1:
            middle = (begin + end) // 2
            begin, end = (begin, middle) if self._offset(middle) == new else (middle, end)
        return end

    def _offset(self, second: int) -> int:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
        offset = moment.astimezone(self.zone).utcoffset()
        return int((offset or timedelta()).total_seconds())


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _filled(column: pa.Array) -> Ints:
    return np.asarray(column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)


def _true(mask: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(mask.fill_null(False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _mapped(column: pa.Array, function: Callable[[str], int]) -> Ints:
    """Apply a function from text to a number to each distinct text; missing text becomes no day."""
    encoded = column.dictionary_encode()
    values = [_NO_DAY if text is None else function(text) for text in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    return np.asarray(np.array([*values, _NO_DAY], dtype=np.int64)[codes])


def _date_number(text: str) -> int:
    try:
        return date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return int(_NO_DAY)


def _offset_seconds(zone: str) -> int:
    if zone == "Z":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def _time_of_day(text: pa.Array) -> Ints:
    """Seconds since midnight of texts in ISO 8601 with a time; 0 where the seconds are not written."""
    # 2013-12-01T08:30:05: a zone may follow the minutes, and then no colon stands before what looks like seconds.
    seconds = pc.if_else(pc.equal(pc.utf8_slice_codeunits(text, 16, 17), ":"), text, None)
    parts = ((text, 11, 3600), (text, 14, 60), (seconds, 17, 1))
    total = np.zeros(len(text), dtype=np.int64)
    for source, first, weight in parts:
        total += weight * np.maximum(_mapped(pc.utf8_slice_codeunits(source, first, first + 2), _two_digits), 0)
    return total


def _two_digits(text: str) -> int:
    return int(text) if text.isdecimal() else 0
