"""Converts a timestamp column to local days, the same for all formats of timestamps.

A timestamp without a zone is local time; one with a zone, or an epoch, is an instant and is converted to the table's
zone. The offsets come from `zoneinfo`, not from the operating system's tables. `io.table.reader` calls it for both
engines, `io.table.day_range` for the end of a table.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratchet.core.time_formats import MONTHS, TimeFormat

ISO_8601 = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"([T ]([01][0-9]|2[0-3]):([0-5][0-9])(:([0-5][0-9])([.,][0-9]{1,9})?)?"
    r"(Z| UTC| ?[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?)?$"
)
"""The accepted text: a date, or a date and a time with or without a zone."""

# With an exponent, because Java, and so Spark, writes numbers of more than seven digits that way.
_EPOCH_TEXT = r"^\s*-?([0-9]{1,19}(\.[0-9]*)?|[0-9]\.[0-9]+E[0-9]{1,2})\s*$"

FIRST_YEAR, LAST_YEAR = 1700, 2199
"""A timestamp outside these years stands for a missing value, or the unit of the epoch is wrong."""

_EPOCH = date(1970, 1, 1).toordinal()
_FIRST_DAY, _LAST_DAY = date(FIRST_YEAR, 1, 1).toordinal() - _EPOCH, date(LAST_YEAR, 12, 31).toordinal() - _EPOCH
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY_SECONDS = 86_400
_NO_DAY = np.iinfo(np.int64).min

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Clock:
    """Reads one timestamp column.

    zone: where days begin. unit: of an epoch; None if the column is not an epoch. form: of text and of numbers such as
    20131231; None for ISO 8601.
    """

    zone: ZoneInfo
    unit: str | None
    form: TimeFormat | None = None

    @classmethod
    def of(cls, timezone: str, unit: str | None, form: str | None = None) -> "Clock":
        """timezone: an IANA name, form: strftime's directives; both validated by the settings."""
        return cls(ZoneInfo(timezone), unit, None if form is None else TimeFormat.parse(form))

    def days(self, column: pa.Array) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Local days since 1970-01-01, and a mask of missing and unreadable timestamps; as long as the column."""
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        days = self._days(self._as_text(column))
        bad = (days < _FIRST_DAY) | (days > _LAST_DAY)
        return days, bad | ~_true(column.is_valid()) if column.null_count else bad

    def times(self, column: pa.Array) -> Ints:
        """Seconds since local midnight, as long as the column; 0 where a value is only a date, or can't be read."""
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        column = self._as_text(column)
        kind = column.type
        if pa.types.is_date(kind):
            return np.zeros(len(column), dtype=np.int64)
        if is_text(kind) and self.unit is None:
            text, _, zoned, instants = self._parsed(column.cast(pa.string()))
            seconds = _time_of_day(text)
            seconds[zoned] = self._local(instants)
        elif pa.types.is_timestamp(kind):
            seconds = _filled(column.cast(pa.int64())) // _PER_SECOND[kind.unit]
            seconds = seconds if kind.tz is None else self._local(seconds)
        else:
            seconds = self._local(self._seconds(pc.utf8_trim_whitespace(column) if is_text(kind) else column))
        return np.where(_true(column.is_valid()), seconds % _DAY_SECONDS, 0)

    def words(self, as_text: bool) -> str:
        """How times are read, for the end of a sentence; as_text: whether the column has text."""
        if self.unit is not None:
            return f" as an epoch in {self.unit}"
        if self.form is not None:
            return f" in the format {self.form.text!r}"
        return " as text in ISO 8601" if as_text else ""

    def repeats_a_day(self, first: int, last: int) -> bool:
        """Whether the clock is set back over midnight between two local days, so that a day occurs twice."""
        years = np.arange(_year_of(first - 1), _year_of(last + 1) + 1)
        starts, offsets = self._offsets(years)
        before, after = (starts[1:] - 1 + offsets[:-1]) // _DAY_SECONDS, (starts[1:] + offsets[1:]) // _DAY_SECONDS
        return bool(((before > after) & (before >= first) & (after <= last)).any())

    def _as_text(self, column: pa.Array) -> pa.Array:
        """A column of numbers such as 20131231 as text, if the clock has a format."""
        if self.form is None or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            return column
        return column.cast(pa.int64(), safe=False).cast(pa.string())

    def _parsed(self, column: pa.Array) -> tuple[pa.Array, Ints, npt.NDArray[np.bool_], Ints]:
        """As the function, of texts in the clock's format."""
        text = column if self.form is None else _in_iso_8601(column, self.form)
        return _parsed(text)

    def _days(self, column: pa.Array) -> Ints:
        kind = column.type
        if is_text(kind):
            return self._text_days(column.cast(pa.string()))
        if pa.types.is_date(kind):
            return _filled(column.cast(pa.date32()).cast(pa.int32()))
        if pa.types.is_timestamp(kind):
            seconds = _filled(column.cast(pa.int64())) // _PER_SECOND[kind.unit]
            return seconds // _DAY_SECONDS if kind.tz is None else self._instant_days(seconds)
        return self._epoch_days(column)

    def _epoch_days(self, column: pa.Array) -> Ints:
        assert self.unit is not None  # noqa: S101  # `io.table.inspection` rejects numbers without a unit
        try:
            whole = _filled(column) // _PER_SECOND[self.unit]
        except pa.ArrowInvalid:  # a fraction, or more than 64 bits
            return self._instant_days(self._seconds(column))
        days = self._instant_days(whole)
        days[~_true(column.is_valid())] = _NO_DAY
        return days

    def _seconds(self, column: pa.Array) -> Ints:
        """Seconds, rounded down, of numbers in the clock's unit."""
        assert self.unit is not None  # noqa: S101
        values = (
            column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False)
            / _PER_SECOND[self.unit]
        )
        with np.errstate(invalid="ignore"):
            readable = np.abs(values) < (_LAST_DAY + 2) * _DAY_SECONDS
        seconds = np.full(len(values), _NO_DAY)
        seconds[readable] = np.floor(values[readable]).astype(np.int64)
        return seconds

    def _text_days(self, column: pa.Array) -> Ints:
        if self.unit is not None:
            number = pc.if_else(pc.match_substring_regex(column, _EPOCH_TEXT), column, None)
            return self._epoch_days(pc.utf8_trim_whitespace(number))
        _, days, zoned, instants = self._parsed(column)
        days[zoned] = self._instant_days(instants)
        return days

    def _instant_days(self, seconds: Ints) -> Ints:
        return self._local(seconds) // _DAY_SECONDS

    def _local(self, seconds: Ints) -> Ints:
        """Local seconds of instants in seconds since 1970-01-01 UTC; outside the accepted years, those of UTC."""
        days = seconds // _DAY_SECONDS
        inside = (days >= _FIRST_DAY - 1) & (days <= _LAST_DAY + 1)
        if not inside.any():
            return seconds
        within = seconds[inside]
        years = np.unique(days[inside].astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64)) + 1970
        starts, offsets = self._offsets(years)
        local = seconds.copy()
        local[inside] = within + offsets[np.searchsorted(starts, within, side="right") - 1]
        return local

    def _offsets(self, years: Ints) -> tuple[Ints, Ints]:
        """The instants at which an offset from UTC begins, and the offsets, both in seconds, in some years of UTC."""
        found = [change for year in years.tolist() for change in _changes(self.zone, year)]
        starts, offsets = zip(*found, strict=True)
        return np.array(starts, dtype=np.int64), np.array(offsets, dtype=np.int64)


@functools.cache
def _changes(zone: ZoneInfo, year: int) -> tuple[tuple[int, int], ...]:
    """The start of a year with its offset from UTC, then each instant with a new offset, in seconds.

    No zone in the time zone database changes its offset twice in one day, but some do within a week.
    """
    begin, end = (int(datetime(each, 1, 1, tzinfo=UTC).timestamp()) for each in (year, year + 1))
    found = [(begin, _offset(zone, begin))]
    for day in range(begin, end, _DAY_SECONDS):
        if (new := _offset(zone, day + _DAY_SECONDS)) != found[-1][1]:
            found.append((_change(zone, day, day + _DAY_SECONDS), new))
    return tuple(found)


def _change(zone: ZoneInfo, begin: int, end: int) -> int:
    """The second in (begin, end] at which the offset of `end` begins."""
    new = _offset(zone, end)
    while end - begin > 1:
        middle = (begin + end) // 2
        begin, end = (begin, middle) if _offset(zone, middle) == new else (middle, end)
    return end


def _offset(zone: ZoneInfo, second: int) -> int:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    offset = moment.astimezone(zone).utcoffset()
    return int((offset or timedelta()).total_seconds())


def _year_of(day: int) -> int:
    return date.fromordinal(day + _EPOCH).year


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _parsed(column: pa.Array) -> tuple[pa.Array, Ints, npt.NDArray[np.bool_], Ints]:
    """Texts in ISO 8601 (others missing), their days as written, where a zone is written, and the instants of those."""
    text = pc.if_else(pc.match_substring_regex(column, ISO_8601), column, None)
    days = _mapped(pc.utf8_slice_codeunits(text, 0, 10), _date_number)
    zone = pc.extract_regex(text, r"[T ].*(?P<zone>Z|UTC|[+-][0-9]{2}:?[0-9]{0,2})$")
    zoned = _true(pc.is_valid(zone)) & (days != _NO_DAY)
    if not zoned.any():
        return text, days, zoned, np.zeros(0, dtype=np.int64)
    offset = _mapped(pc.struct_field(zone, "zone"), _offset_seconds)[zoned]
    return text, days, zoned, days[zoned] * _DAY_SECONDS + _time_of_day(text)[zoned] - offset


def _in_iso_8601(column: pa.Array, form: TimeFormat) -> pa.Array:
    """Texts of a format in ISO 8601; missing where a text does not have it."""
    fields = pc.extract_regex(column, form.pattern)

    def field(name: str) -> pa.Array:
        return pc.utf8_lpad(pc.struct_field(fields, name), 2, "0")

    def joined(separator: str, *parts: pa.Array | str) -> pa.Array:
        return pc.binary_join_element_wise(*parts, separator)

    day = joined("-", _year(field, form), _month(field, form), field("day"))
    if not form.fields & {"hour", "hour_of_half"}:
        return day
    hour = field("hour") if "hour" in form.fields else _hour(field)
    moment = joined(":", hour, *(field(name) if name in form.fields else "00" for name in ("minute", "second")))
    if "fraction" in form.fields:
        moment = joined(".", moment, pc.struct_field(fields, "fraction"))
    if "zone" in form.fields:
        moment = joined("", moment, pc.struct_field(fields, "zone"))
    return joined(" ", day, moment)


def _year(field: Callable[[str], pa.Array], form: TimeFormat) -> pa.Array:
    """Of two digits, 69 to 99 are 1969 to 1999, as POSIX has it."""
    if "year" in form.fields:
        return field("year")
    short = field("short_year")
    return pc.binary_join_element_wise(pc.if_else(pc.greater_equal(short, "69"), "19", "20"), short, "")


def _month(field: Callable[[str], pa.Array], form: TimeFormat) -> pa.Array:
    if "month" in form.fields:
        return field("month")
    number = pc.add(pc.index_in(pc.utf8_lower(field("month_name")), pa.array(MONTHS)), 1)
    return pc.utf8_lpad(number.cast(pa.string()), 2, "0")


def _hour(field: Callable[[str], pa.Array]) -> pa.Array:
    """0 to 23, of an hour with am or pm: 12 am is 0, 12 pm is 12."""
    halves = [f"{number or 12:02}{half}" for half in ("am", "pm") for number in range(12)]
    named = pc.binary_join_element_wise(field("hour_of_half"), pc.utf8_lower(field("half")), "")
    return pc.utf8_lpad(pc.index_in(named, pa.array(halves)).cast(pa.string()), 2, "0")


def _filled(column: pa.Array) -> Ints:
    return np.asarray(column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)


def _true(mask: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(mask.fill_null(False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _mapped(column: pa.Array, function: Callable[[str], int]) -> Ints:
    """Apply a function from text to a number to each distinct text; missing text becomes `_NO_DAY`."""
    encoded = column.dictionary_encode()
    values = [_NO_DAY if text is None else function(text) for text in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    return np.asarray(np.array([*values, _NO_DAY], dtype=np.int64)[codes])


def _date_number(text: str) -> int:
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH
    except ValueError:
        return int(_NO_DAY)


def _offset_seconds(zone: str) -> int:
    if zone in ("Z", "UTC"):
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def _time_of_day(text: pa.Array) -> Ints:
    """Seconds since midnight of texts in ISO 8601 with a time; without seconds they are 0."""
    # 2013-12-01T08:30:05: only after a colon are the digits seconds; otherwise they are part of a zone.
    seconds = pc.if_else(pc.equal(pc.utf8_slice_codeunits(text, 16, 17), ":"), text, None)
    parts = ((text, 11, 3600), (text, 14, 60), (seconds, 17, 1))
    total = np.zeros(len(text), dtype=np.int64)
    for source, first, weight in parts:
        total += weight * np.maximum(_mapped(pc.utf8_slice_codeunits(source, first, first + 2), _two_digits), 0)
    return total


def _two_digits(text: str) -> int:
    return int(text) if text.isdecimal() else 0
