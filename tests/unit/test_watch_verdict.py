"""When a champion counts as too weak."""

import json
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.core.objective import Objective
from ratchet.core.watch_verdict import WatchVerdict, floor_of, judge
from ratchet.errors import FailedError

UNTIL = date(2014, 1, 1)
FLOOR = 0.5


@dataclass(frozen=True)
class Day:
    day: date
    days: int
    rows: int
    positives: int
    f1: float
    f1_floor: float
    objective: float = nan
    objective_floor: float = nan


def days(*f1, length=7, positives=10, floor=FLOOR):
    """Days up to the end with these measures."""
    first = UNTIL - timedelta(days=len(f1))
    return [Day(first + timedelta(days=n), length, 100, positives, value, floor) for n, value in enumerate(f1)]


def judged(some, windows=5, low=2, length=7):
    return judge(some, UNTIL, windows, low, length, "now")


@pytest.mark.parametrize(
    ("f1", "expected", "low_days"),
    [
        ((0.6, 0.6, 0.6, 0.4, 0.4), "low", 2),
        ((0.4, 0.6, 0.6, 0.6, 0.4), "low", 2),
        ((0.4, 0.4, 0.4, 0.4, 0.6), "fine", 4),  # not in the latest
        ((0.6, 0.6, 0.6, 0.6, 0.4), "fine", 1),  # not often enough
        ((0.4, 0.6, 0.6, 0.6, 0.6, 0.4), "fine", 1),  # too long ago
        ((0.5, 0.5, 0.5, 0.5, 0.5), "fine", 0),  # at the floor is not below it
        ((0.4,), "fine", 1),
        ((0.4, 0.4), "low", 2),
    ],
)
def test_low_is_often_enough_among_the_newest_and_in_the_latest(f1, expected, low_days):
    verdict = judged(days(*f1))
    assert (verdict.verdict, verdict.low_days, verdict.f1) == (expected, low_days, f1[-1])
    assert verdict.newest == date(2013, 12, 31)


def test_days_without_a_full_window_or_a_positive_row_do_not_count():
    assert judged(days(0.1, 0.1, 0.1, length=6)).verdict == "unknown"
    assert judged(days(0.0, 0.0, 0.0, positives=0)).verdict == "unknown"
    assert judged([]).verdict == "unknown"
    some = [*days(0.1, 0.1), *days(0.0, positives=0)]
    assert (judged(some).verdict, judged(some).f1) == ("low", 0.1)


def test_without_a_floor_nothing_is_low():
    assert judged(days(0.1, 0.1, 0.1, floor=nan)).verdict == "unknown"


def test_each_day_is_judged_by_its_own_floor_and_the_verdict_has_the_newest():
    some = [*days(0.4, 0.4), *days(0.3, floor=0.2)]
    verdict = judged(some)
    assert (verdict.verdict, verdict.low_days, verdict.floor) == ("fine", 2, 0.2)
    assert judged([*some, *days(0.1, floor=0.2)]).verdict == "low"


@pytest.mark.parametrize(
    ("fixed", "measured", "own_f1", "expected"),
    [
        (0.3, 0.4, 0.5, 0.3),  # the setting goes first
        (None, 0.4, 0.5, 0.4),
        (None, 0.0, 0.5, 0.0),
        (None, None, 0.5, 0.45),  # a version of before there was such a floor
        (None, nan, 0.5, 0.45),
    ],
)
def test_the_floor_is_the_setting_or_what_was_measured_or_nine_tenths(fixed, measured, own_f1, expected):
    assert floor_of(fixed, measured, own_f1) == pytest.approx(expected)


def test_of_a_version_of_which_nothing_is_known_the_floor_is_unknown():
    assert isnan(floor_of(None, None, None))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(1, 12), st.data())
def test_what_is_low_stays_low_when_a_day_gets_worse(f1, windows, data):
    low = data.draw(st.integers(1, windows))
    some = days(*f1)
    before = judged(some, windows=windows, low=low).verdict
    place = data.draw(st.integers(0, len(some) - 1))
    some[place] = replace(some[place], f1=some[place].f1 / 2)
    if before == "low":
        assert judged(some, windows=windows, low=low).verdict == "low"


def test_a_verdict_is_read_again_from_its_tag():
    verdict = judged(days(0.4, 0.4))
    assert WatchVerdict.from_tag(verdict.to_tag(), "version 1") == verdict
    assert set(json.loads(verdict.to_tag())) == {"until", "rows", "f1", "floor", "low_days", "verdict", "at"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"until": "soon"}'])
def test_a_tag_that_is_none_is_refused(text):
    with pytest.raises(FailedError, match="version 1 can't be read"):
        WatchVerdict.from_tag(text, "version 1")


def test_the_sentence_says_what_was_measured():
    assert judged(days(0.4, 0.4)).sentence("version 1 of m") == (
        "version 1 of m has a rolling F1 of 0.400 on 2013-12-31, below its floor of 0.500; of the newest days 2 are low"
    )
    assert "no full window" in judged([]).sentence("version 1 of m")


def by(objective, *values, floor):
    """Days that are judged by another objective; by F1 none were low."""
    plain = days(*[0.9] * len(values))
    some = [replace(day, objective=value, objective_floor=floor) for day, value in zip(plain, values, strict=True)]
    return judge(some, UNTIL, 5, 2, 7, "now", objective)


def test_another_objective_is_judged_by_its_own_floor():
    verdict = by(Objective(beta=2), 0.4, 0.4, floor=0.5)
    assert (verdict.verdict, verdict.low_days, verdict.f1, verdict.value, verdict.floor) == ("low", 2, 0.9, 0.4, 0.5)
    assert verdict.sentence("version 1 of m") == (
        "version 1 of m has a rolling F2 of 0.400 on 2013-12-31, below its floor of 0.500; of the newest days 2 are low"
    )
    assert WatchVerdict.from_tag(verdict.to_tag(), "version 1") == verdict


def test_a_cost_is_low_above_its_limit():
    cost = Objective(cost=(1, 8))
    verdict = by(cost, -0.6, -0.6, floor=-0.5)
    assert (verdict.verdict, verdict.value) == ("low", -0.6)
    assert verdict.sentence("version 1 of m") == (
        "version 1 of m has a rolling cost of 0.600 on 2013-12-31, above its limit of 0.500;"
        " of the newest days 2 are low"
    )
    fine = by(cost, -0.6, -0.4, floor=-0.5)
    assert "not above its limit of 0.500; of the newest days 1 is low" in fine.sentence("version 1 of m")
    assert "no full window" in judge([], UNTIL, 5, 2, 7, "now", cost).sentence("version 1 of m")


def test_a_fixed_floor_holds_for_an_f_beta_and_not_for_a_cost():
    assert floor_of(0.3, 0.4, 0.5, Objective(beta=2)) == 0.3
    assert floor_of(0.3, -0.7, -0.5, Objective(cost=(1, 8))) == -0.7
    assert floor_of(None, None, -0.45, Objective(cost=(1, 8))) == pytest.approx(-0.5), "worse than its own"
