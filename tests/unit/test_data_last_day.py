"""A last day that ends early is left to the next cycle; one that is merely quiet is not."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.io.table import inspection
from ratchet.io.table.clock import Clock
from ratchet.io.table.last_day import Ends, partial, without_partial_day
from tests.unit.event_tables import columns, csv, parquet, settings

NEW_YORK = "America/New_York"
# The clocks of New York are set back on the 3rd.
FIRST = datetime(2013, 10, 28, tzinfo=ZoneInfo(NEW_YORK))
DAYS = 16


def _moments(last_hour):
    """A row every half an hour of sixteen local days, of which the last ends at `last_hour`."""
    local = [FIRST.replace(tzinfo=None) + timedelta(minutes=30 * step) for step in range(48 * DAYS)]
    end = FIRST.replace(tzinfo=None) + timedelta(days=DAYS - 1, hours=last_hour)
    return [moment for moment in local if moment < end]


def _table(folder, column, write=parquet, **changed):
    rows = len(column)
    made = {
        "at": column,
        "late": pa.array([row % 4 == 0 for row in range(rows)]),
        "speed": pa.array([float(row) for row in range(rows)]),
    }
    path = write(folder / f"events.{'csv' if write is csv else 'parquet'}", made)
    return inspection.inspect(settings(path, timezone=NEW_YORK, numeric=("speed",), categorical=(), **changed))


def _instants(moments):
    return [moment.replace(tzinfo=ZoneInfo(NEW_YORK)).astimezone(UTC) for moment in moments]


FORMS = {
    "local": lambda moments: (pa.array(moments, pa.timestamp("us")), {}),
    "instants": lambda moments: (pa.array(_instants(moments), pa.timestamp("ms", "UTC")), {}),
    "text": lambda moments: (pa.array([moment.isoformat() for moment in moments]), {}),
    "text with a zone": lambda moments: (pa.array([moment.isoformat() for moment in _instants(moments)]), {}),
    "epoch": lambda moments: (
        pa.array([int(moment.timestamp()) for moment in _instants(moments)]),
        {"timestamp_unit": "s"},
    ),
}


@pytest.mark.parametrize("write", [parquet, csv])
@pytest.mark.parametrize("form", FORMS)
def test_a_day_that_ends_at_noon_is_left_to_the_next_cycle(tmp_path, form, write):
    column, changed = FORMS[form](_moments(12))
    table = without_partial_day(_table(tmp_path, column, write, **changed))
    assert table.end == date(2013, 11, 12)
    (remark,) = table.remarks
    assert remark == (
        "the last day, 2013-11-12, ends at 11:30 with 24 rows, and the 14 days before it end at 23:30 or later with "
        "48 rows or more: it is left to the next cycle"
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_whole_day_stays(tmp_path, form):
    column, changed = FORMS[form](_moments(24))
    table = _table(tmp_path, column, **changed)
    assert without_partial_day(table) is table


def test_days_without_a_time_are_whole(tmp_path):
    days = [moment.date() for moment in _moments(12)]
    table = _table(tmp_path, pa.array(days))
    assert without_partial_day(table) is table
    table = _table(tmp_path, pa.array([day.isoformat() for day in days]))
    assert without_partial_day(table) is table


def test_a_small_table_with_whole_days_stays(tmp_path):
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", columns())))
    assert without_partial_day(table) is table


def ends(last, rows):
    return Ends(np.arange(len(last)), np.array(rows), np.array(last) * 3_600)


def test_too_few_days_before_it_say_nothing():
    assert partial(ends([23] * 6 + [10], [50] * 6 + [20])) is None
    assert partial(ends([23] * 7 + [10], [50] * 7 + [20])) is not None


def test_an_early_end_with_as_many_rows_as_another_day_is_none():
    assert partial(ends([23] * 14 + [10], [50] * 13 + [20, 20])) is None


def test_an_end_that_is_no_earlier_than_such_ends_differ_is_none():
    irregular = [23, 15] * 7
    assert partial(ends([*irregular, 8], [50] * 14 + [20])) is None
    assert partial(ends([*irregular, 6], [50] * 14 + [20])) is not None


@given(st.lists(st.tuples(st.integers(0, 23), st.integers(1, 99)), min_size=1, max_size=15))
def test_a_day_that_ends_no_earlier_than_one_before_it_is_never_partial(days):
    last, rows = zip(*days, strict=True)
    found = partial(ends(list(last), list(rows)))
    if found is not None:
        assert last[-1] < min(last[:-1])
        assert rows[-1] < min(rows[:-1])


def test_the_time_of_what_cant_be_read_is_midnight():
    clock = Clock.of("UTC", None)
    assert clock.times(pa.array(["2013-12-01T08:30:05", "x", None, "2013-12-01"])).tolist() == [30_605, 0, 0, 0]
    assert clock.times(pa.array([None], pa.timestamp("s", "UTC"))).tolist() == [0]
