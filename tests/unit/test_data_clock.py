"""The local day of a row, however its timestamp is written."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st

from ratchet.core.evaluation.counts import day_number
from ratchet.core.windows import Window
from ratchet.errors import ConfigurationError, DataError
from ratchet.io.table import inspection
from ratchet.io.table.clock import Clock
from tests.unit.event_tables import DECEMBER, FIRST, ROWS, columns, csv, parquet, settings

NEW_YORK = "America/New_York"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# hypothesis wants limits without a zone
EARLY, LATE = datetime(1700, 1, 1), datetime(2199, 12, 31)  # noqa: DTZ001
ZONES = st.sampled_from(
    [NEW_YORK, "UTC", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia", "America/St_Johns", "Africa/Casablanca"]
)


def _days(values: pa.Array, zone: str = "UTC", unit: str | None = None) -> list[int | None]:
    days, bad = Clock.of(zone, unit).days(values)
    return [None if wrong else int(day) for day, wrong in zip(days, bad, strict=True)]


@tried(deadline=None)
@given(zone=ZONES, year=st.integers(1980, 2037), hours=st.lists(st.floats(0, 18_000), min_size=1, max_size=20))
def test_instants_fall_on_the_local_day_of_the_zone(zone: str, year: int, hours: list[float]) -> None:
    # Whole milliseconds: every unit below can tell them apart.
    moments = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(hour * 3_600_000)) for hour in hours]
    expected = [day_number(moment.astimezone(ZoneInfo(zone)).date()) for moment in moments]
    for unit in ("ms", "us", "ns"):
        assert _days(pa.array(moments, pa.timestamp(unit, "UTC")), zone) == expected
    assert _days(pa.array([moment.isoformat() for moment in moments]), zone) == expected
    seconds = [int((moment - EPOCH) // timedelta(seconds=1)) for moment in moments]
    assert _days(pa.array(seconds), zone, "s") == expected
    assert _days(pa.array([float(second) for second in seconds]), zone, "s") == expected
    assert _days(pa.array([second * 1000 for second in seconds]), zone, "ms") == expected


@tried(deadline=None)
@given(zone=ZONES, moments=st.lists(st.datetimes(EARLY, LATE), min_size=1))
def test_timestamps_without_a_zone_are_local_time(zone: str, moments: list[datetime]) -> None:
    expected = [day_number(moment.date()) for moment in moments]
    assert _days(pa.array(moments, pa.timestamp("us")), zone) == expected
    assert _days(pa.array([moment.isoformat(" ") for moment in moments]), zone) == expected
    assert _days(pa.array([moment.date() for moment in moments]), zone) == expected
    assert _days(pa.array([moment.date().isoformat() for moment in moments]), zone) == expected


def test_the_day_after_summer_time_ends_begins_at_midnight() -> None:
    ends = datetime(2013, 11, 3, tzinfo=ZoneInfo(NEW_YORK))
    moments = [ends + timedelta(hours=hours) for hours in range(24)]
    instants = pa.array([moment.astimezone(UTC) for moment in moments], pa.timestamp("us", "UTC"))
    assert set(_days(instants, NEW_YORK)) == {day_number(date(2013, 11, 3))}
    midnight = datetime(2013, 11, 4, 5, tzinfo=UTC)
    around = pa.array([midnight - timedelta(microseconds=1), midnight], pa.timestamp("us", "UTC"))
    assert _days(around, NEW_YORK) == [day_number(date(2013, 11, 3)), day_number(date(2013, 11, 4))]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2013-12-01", date(2013, 12, 1)),
        ("2013-12-01 08:30", date(2013, 12, 1)),
        ("2013-12-01T08:30:05", date(2013, 12, 1)),
        ("2013-12-01T08:30:05.123456789", date(2013, 12, 1)),
        ("2013-12-01T03:00:00Z", date(2013, 11, 30)),
        ("2013-12-01T03:00Z", date(2013, 11, 30)),
        ("2013-12-01 03:00:00 UTC", date(2013, 11, 30)),
        ("2013-12-01 03:00:00.5+00:00", date(2013, 11, 30)),
        ("2013-12-01T23:30:00-0800", date(2013, 12, 2)),
        ("2013-12-01T23:30:00-08", date(2013, 12, 2)),
    ],
)
def test_text_is_read_as_iso_8601(text: str, day: date) -> None:
    assert _days(pa.array([text]), NEW_YORK) == [day_number(day)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2013-02-30",
        "2013-13-01",
        "2013-12-01T25:00",
        "01.12.2013",
        "2013-12-01T08:30:05 ",
        "20131201",
        None,
    ],
)
def test_text_that_is_no_timestamp_has_no_day(text: str | None) -> None:
    assert _days(pa.array([text, "2013-12-01"], pa.string())) == [None, day_number(date(2013, 12, 1))]


@pytest.mark.parametrize("value", [None, 10**15, -(10**15), 2**63 - 1, -(2**63)])
def test_an_epoch_outside_of_the_calendar_has_no_day(value: int | None) -> None:
    assert _days(pa.array([value, 0], pa.int64()), "UTC", "s") == [None, 0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300, None])
def test_a_fraction_that_is_no_epoch_has_no_day(value: float | None) -> None:
    assert _days(pa.array([value, 86_400.5], pa.float64()), "UTC", "s") == [None, 1]


def test_text_with_a_unit_is_an_epoch() -> None:
    assert _days(pa.array(["86400", "1.5e3", "x", None]), "UTC", "s") == [1, None, None, None]


@pytest.mark.parametrize("zone", ["UTC", NEW_YORK, "Asia/Tokyo"])
@pytest.mark.parametrize("form", ["local", "zoned", "date", "epoch", "text", "csv"])
def test_a_table_ends_after_its_last_local_day_in_every_form(tmp_path: Path, zone: str, form: str) -> None:
    local = [FIRST + timedelta(hours=6 * row) for row in range(ROWS)]
    instants = [moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for moment in local]
    forms = {
        "local": pa.array(local, pa.timestamp("ns")),
        "zoned": pa.array(instants, pa.timestamp("us", "UTC")),
        "date": pa.array([moment.date() for moment in local]),
        "epoch": pa.array([int(moment.timestamp()) for moment in instants]),
        "text": pa.array([moment.isoformat() for moment in instants]),
        "csv": pa.array([moment.isoformat() for moment in instants]),
    }
    write = csv if form == "csv" else parquet
    unit = "s" if form == "epoch" else None
    path = write(tmp_path / f"events.{'csv' if form == 'csv' else 'parquet'}", columns(at=forms[form]))
    table = inspection.inspect(settings(path, timezone=zone, timestamp_unit=unit))
    assert table.end == date(2024, 1, 1)


def test_footers_without_statistics_are_no_obstacle(tmp_path: Path) -> None:
    path = parquet(tmp_path / "events.parquet", write_statistics=False)
    assert inspection.inspect(settings(path)).end == date(2024, 1, 1)


@pytest.mark.parametrize("form", ["parquet", "text", "csv"])
def test_timestamps_that_cannot_be_read_are_refused_with_file_and_count(tmp_path: Path, form: str) -> None:
    moments = [(FIRST + timedelta(hours=6 * row)).isoformat() for row in range(ROWS)]
    moments[5:8] = ["soon", None, "2023-11-31"]
    if form == "parquet":
        changed = pa.array([None if row in (5, 6, 7) else FIRST for row in range(ROWS)], pa.timestamp("us"))
    else:
        changed = pa.array(moments)
    write = csv if form == "csv" else parquet
    path = write(tmp_path / f"events.{'csv' if form == 'csv' else 'parquet'}", columns(at=changed))
    with pytest.raises(DataError, match=rf"the timestamp column 'at' of .*{path.name} .* in 3 rows"):
        inspection.inspect(settings(path))


def test_int96_is_an_instant(tmp_path: Path) -> None:
    local = [datetime(2023, 12, 1, tzinfo=UTC) + timedelta(hours=row) for row in range(ROWS)]
    at = pa.array(local, pa.timestamp("us", "UTC"))
    path = parquet(
        tmp_path / "events.parquet", columns(at=at), use_deprecated_int96_timestamps=True, store_schema=False
    )
    table = inspection.inspect(settings(path, timezone=NEW_YORK))
    expected = inspection.inspect(settings(parquet(tmp_path / "plain.parquet", columns(at=at)), timezone=NEW_YORK))
    assert table.end == expected.end
    found, wanted = (inspection.load(each, DECEMBER, ()).frame[inspection.DAY].tolist() for each in (table, expected))
    assert found == wanted
    assert len(found) == ROWS - 5


def test_two_changes_of_the_clock_within_a_week_are_both_seen() -> None:
    zone = ZoneInfo("America/Recife")
    at = [datetime(2000, 10, 6, tzinfo=UTC) + timedelta(minutes=30 * step) for step in range(600)]
    expected = [day_number(moment.astimezone(zone).date()) for moment in at]
    assert _days(pa.array(at, pa.timestamp("us", "UTC")), "America/Recife") == expected


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_row_group_in_which_a_day_comes_twice_is_read_whole(tmp_path: Path, form: str) -> None:
    """At 00:01 on 7 November 2010 St. John's set its clocks back to 23:01 on the day before."""
    at = [datetime(2010, 11, 7, 2, 30, 30, tzinfo=UTC) + timedelta(seconds=10 * row) for row in range(ROWS)]
    write = {"parquet": parquet, "csv": csv}[form]
    path = write(tmp_path / f"events.{form}", columns(at=pa.array(at, pa.timestamp("us", "UTC"))))
    table = inspection.inspect(settings(path, timezone="America/St_Johns"))
    days = [
        inspection.load(table, Window("test", None, end), ()).facts.rows
        for end in (date(2010, 11, 7), date(2010, 11, 8))
    ]
    assert days == [ROWS - 3, ROWS]


@pytest.mark.parametrize("moment", [datetime(9999, 12, 31), datetime(1, 1, 1)])  # noqa: DTZ001
def test_a_moment_that_stands_for_none_is_named_with_its_row(tmp_path: Path, moment: datetime) -> None:
    at = [FIRST + timedelta(hours=6 * row) for row in range(ROWS)]
    at[7] = moment
    path = parquet(tmp_path / "events.parquet", columns(at=pa.array(at, pa.timestamp("us"))))
    with pytest.raises(DataError, match=rf"in 1 row .*; row 8 has '{moment.year:04}-"):
        inspection.inspect(settings(path))


def test_an_epoch_in_too_small_a_unit_is_refused_with_the_setting(tmp_path: Path) -> None:
    path = parquet(tmp_path / "events.parquet", columns(at=pa.array([1_700_000_000 + row for row in range(ROWS)])))
    with pytest.raises(ConfigurationError, match=r"read as an epoch in ms, all .* data\.timestamp_unit"):
        inspection.inspect(settings(path, timestamp_unit="ms"))


def test_numbers_without_a_unit_are_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "events.parquet", columns(at=pa.array(np.arange(ROWS))))
    with pytest.raises(ConfigurationError, match=r"data\.timestamp_unit must be s, ms, us or ns"):
        inspection.inspect(settings(path))


def test_a_unit_of_what_is_no_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="omit the unit"):
        inspection.inspect(settings(parquet(tmp_path / "events.parquet"), timestamp_unit="s"))


def test_a_wrong_unit_is_refused_not_read_as_another_millennium(tmp_path: Path) -> None:
    at = pa.array([1_700_000_000_000_000 + row for row in range(ROWS)])
    path = parquet(tmp_path / "events.parquet", columns(at=at))
    with pytest.raises(DataError, match="an epoch in s in 244 rows"):
        inspection.inspect(settings(path, timestamp_unit="s"))


def test_a_timestamp_column_of_another_type_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "events.parquet", columns(at=pa.array([True] * ROWS)))
    with pytest.raises(DataError, match=r"the timestamp column 'at' .* has the type bool"):
        inspection.inspect(settings(path))


@pytest.mark.parametrize("text", ["2013-12-01T08:30+99:99", "2013-12-01T08:30+24:00", "2013-12-01T08:30-00:60"])
def test_an_offset_that_no_zone_has_is_no_timestamp(text: str) -> None:
    assert _days(pa.array([text])) == [None]


@pytest.mark.parametrize("text", ["2013-12-01 23:30:00 -0100", "2013-12-01 23:30:00 -01:00", "2013-12-01 23:30 -01"])
def test_a_blank_may_stand_before_an_offset(text: str) -> None:
    assert _days(pa.array([text])) == [day_number(date(2013, 12, 2))]


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (pa.array([2**64 - 1, 86_400], pa.uint64()), "s"),
        (pa.array([Decimal(10) ** 30, Decimal(86_400)], pa.decimal128(38, 0)), "s"),
        (pa.array(["9999999999999999999", "86400"]), "s"),
        (pa.array([float("inf"), 86_400.5]), "s"),
        (pa.array(["+86400", "8.64E4"]), "s"),
        (pa.array(["", " 86400 "]), "s"),
    ],
)
def test_an_epoch_is_a_number_of_any_kind_and_what_is_too_large_is_none(values: pa.Array, unit: str) -> None:
    assert _days(values, "UTC", unit) == [None, 1]


FORMATS = ["%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%d-%b-%Y %H:%M:%S.%f", "%Y%m%d%H%M%S", "%b %d, %Y %H:%M%z"]


@tried(deadline=None)
@given(form=st.sampled_from(FORMATS), zone=ZONES, moments=st.lists(st.datetimes(EARLY, LATE), min_size=1))
def test_text_in_a_format_is_read_as_python_reads_it(form: str, zone: str, moments: list[datetime]) -> None:
    texts = [moment.replace(tzinfo=UTC).strftime(form) for moment in moments]
    meant = [datetime.strptime(text, form) for text in texts]  # noqa: DTZ007
    meant = [moment.astimezone(ZoneInfo(zone)) if moment.tzinfo else moment for moment in meant]
    clock = Clock.of(zone, None, form)
    days, bad = clock.days(pa.array(texts))
    assert days[~bad].tolist() == [day_number(at.date()) for at, wrong in zip(meant, bad, strict=True) if not wrong]
    assert not bad.any() or min(at.year for at in meant) < 1700 or max(at.year for at in meant) > 2199
    seconds = [at.hour * 3600 + at.minute * 60 + at.second for at in meant]
    assert clock.times(pa.array(texts))[~bad].tolist() == [
        s for s, wrong in zip(seconds, bad, strict=True) if not wrong
    ]


@pytest.mark.parametrize(
    ("form", "text", "day"),
    [
        ("%d.%m.%Y", "1.2.2023", date(2023, 2, 1)),
        ("%m/%d/%y", "2/1/69", date(1969, 2, 1)),
        ("%m/%d/%y", "2/1/68", date(2068, 2, 1)),
        ("%d-%b-%y", "05-JAN-26", date(2026, 1, 5)),
        ("%m/%d/%Y %I %p", "1/5/2026 12 am", date(2026, 1, 5)),
        ("100%% %Y-%m-%d", "100% 2026-01-05", date(2026, 1, 5)),
    ],
)
def test_text_in_a_format_may_be_short(form: str, text: str, day: date) -> None:
    days, bad = Clock.of("UTC", None, form).days(pa.array([text]))
    assert (days.tolist(), bad.tolist()) == ([day_number(day)], [False])


@pytest.mark.parametrize("text", ["31.02.2023", "2023-02-01", "1.13.2023", "01.02.2023 ", "01.02.23", "", None])
def test_what_is_not_in_the_format_has_no_day(text: str | None) -> None:
    _, bad = Clock.of("UTC", None, "%d.%m.%Y").days(pa.array([text], pa.string()))
    assert bad.tolist() == [True]


@pytest.mark.parametrize("kind", [pa.int64(), pa.int32(), pa.float64()])
def test_numbers_may_be_dates_in_a_format_and_their_order_is_not_relied_on(tmp_path: Path, kind: pa.DataType) -> None:
    days = [FIRST.date() + timedelta(days=row // 4) for row in range(ROWS)]
    made = columns(at=pa.array([int(f"{day:%d%m%Y}") for day in days]).cast(kind))
    table = inspection.inspect(settings(parquet(tmp_path / "a.parquet", made), timestamp_format="%d%m%Y"))
    assert table.end == date(2024, 1, 1)
    assert inspection.load(table, DECEMBER, table.features).facts.rows == 124


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ("%d.%m", "must have the year once, as %Y or %y"),
        ("%d.%m.%Y %m", "must have the month once, as %m or %b"),
        ("%d.%m.%Y %H:%S", "has %S without %M"),
        ("%d.%m.%Y %I", "has %I without %p"),
        ("%d.%m.%Y %H %I %p", "has the same part of a time twice: %H and %I"),
        ("%d.%m.%Y %j", "has %j; %Y, "),
        ("%d.%m.%Y %", "has %; %Y, "),
    ],
)
def test_a_format_that_is_none_is_refused(form: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        settings("a.csv", timestamp_format=form)


def test_an_epoch_has_no_format_and_neither_has_a_datetime(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="an epoch has no format"):
        settings("a.csv", timestamp_format="%Y%m%d", timestamp_unit="s")
    made = parquet(tmp_path / "a.parquet")
    with pytest.raises(ConfigurationError, match="omit the format"):
        inspection.inspect(settings(made, timestamp_format="%Y%m%d"))


def test_text_in_another_format_names_the_setting(tmp_path: Path) -> None:
    texts = [f"{FIRST + timedelta(hours=6 * row):%d.%m.%Y}" for row in range(ROWS)]
    made = csv(tmp_path / "a.csv", columns(at=pa.array(texts)))
    with pytest.raises(DataError, match=r"row 1 has '01\.11\.2023'; other text needs data\.timestamp_format"):
        inspection.inspect(settings(made))
    assert inspection.inspect(settings(made, timestamp_format="%d.%m.%Y")).end == date(2024, 1, 1)
    with pytest.raises(DataError, match=r"can't be read in the format '%m/%d/%Y' in 244 rows"):
        inspection.inspect(settings(made, timestamp_format="%m/%d/%Y"))


def test_nanoseconds_in_text_are_not_rounded_into_the_next_day() -> None:
    assert _days(pa.array(["1701388799999999999"]), "UTC", "ns") == [day_number(date(2023, 11, 30))]
