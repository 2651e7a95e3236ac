from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.core.windows import Period, windows_until
from ratchet.errors import ConfigurationError

periods = st.builds(Period, st.integers(1, 60), st.sampled_from(["d", "w", "mo"]))


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), periods, periods, st.none() | periods)
def test_windows_follow_each_other_without_a_gap_and_end_at_as_of(as_of, test, calibration, train):
    windows = windows_until(as_of, test, calibration, train)
    assert windows.as_of == windows.test.end == as_of
    assert windows.train.end == windows.calibration.start < windows.calibration.end == windows.test.start < as_of
    assert (windows.train.start is None) == (train is None)


@pytest.mark.parametrize(
    ("day", "text", "before"),
    [
        (date(2014, 1, 1), "1mo", date(2013, 12, 1)),
        (date(2013, 3, 31), "1mo", date(2013, 2, 28)),
        (date(2012, 3, 31), "1mo", date(2012, 2, 29)),
        (date(2013, 1, 15), "13mo", date(2011, 12, 15)),
        (date(2013, 3, 1), "31d", date(2013, 1, 29)),
        (date(2013, 3, 1), "4w", date(2013, 2, 1)),
    ],
)
def test_a_period_is_counted_on_the_calendar(day, text, before):
    assert Period.parse(text).before(day) == before


@pytest.mark.parametrize("text", ["", "0d", "-1d", "1", "d", "1y", "1.5d", "1 mo", "10000d", "1mo\n"])
def test_what_is_no_period_is_refused_with_what_is_accepted(text):
    with pytest.raises(ValueError, match="d, w or mo"):
        Period.parse(text)


@pytest.mark.parametrize("text", ["9999w", "9999mo", "9999d"])
def test_a_window_from_before_the_calendar_is_refused(text):
    with pytest.raises(ConfigurationError, match="before the year 1"):
        Period.parse(text).before(date(20, 1, 1))


def test_a_window_names_its_last_day():
    assert str(windows_until(date(2014, 1, 1), Period(1, "mo"), Period(1, "mo"), None).test) == (
        f"test window 2013-12-01 to {date(2014, 1, 1) - timedelta(days=1)}"
    )
