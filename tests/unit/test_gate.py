"""The gate: half a year of a table with a week, a season and gaps passes; each fault in its newest days is found."""

import re
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from ratchet.core.evaluation import buckets
from ratchet.core.evaluation.feature_counts import FeatureCounts
from ratchet.core.gate.day_counts import DayCounts, level, oldest_day, typical
from ratchet.core.gate.own_bounds import OwnBounds, judge_own
from ratchet.core.gate.rules import judge
from ratchet.core.gate.since import judge_since
from ratchet.core.gate.weeks import Weeks
from ratchet.core.windows import Period, windows_until
from ratchet.engines.sklearn.day_counts import by_day
from ratchet.engines.sklearn.features import counted, hashes
from ratchet.io.table import inspection
from ratchet.settings import Data, Label

FIRST, DAYS = pd.Timestamp("2023-01-01"), 210
MONTH = Period(1, "mo")
END = FIRST + timedelta(days=DAYS)


def events():
    """Forty rows on a working day, 25 on others; temperature and positives follow the season."""
    random = np.random.default_rng(0)
    days = pd.date_range(FIRST, periods=DAYS)
    at = days.repeat(np.where(days.dayofweek < 5, 40, 25))
    turn, rows = np.sin(2 * np.pi * at.dayofyear / 365), len(at)
    return pd.DataFrame(
        {
            "at": at + random.integers(86_400, size=rows).astype("timedelta64[s]"),
            "left": random.random(rows) < 0.3 + 0.1 * turn,
            "distance": random.lognormal(6, 0.7, rows),
            "temperature": 55 + 25 * turn + random.normal(0, 8, rows),
            "gust": np.where(random.random(rows) < 0.75, np.nan, random.normal(20, 5, rows)),
            "carrier": random.choice(["AA", "BB", "CC", "DD"], rows, p=[0.5, 0.3, 0.18, 0.02]),
        }
    )


@pytest.fixture(scope="module")
def ordinary():
    return events()


def weeks_of(frame, folder, end=END, **changed):
    frame.to_parquet(folder / "events.parquet", index=False)
    data = Data(uri=str(folder), timestamp="at", label=Label(column="left", positive=True), **changed)
    table = inspection.inspect(data)
    windows = windows_until(end.date(), MONTH, MONTH, None)
    frames = [inspection.load(table, window, table.features).frame for window in windows]
    known, oldest = counted(frames[0], table), oldest_day(windows)
    hashed = hashes(frames, table.features)
    counts = [by_day(part, own, table, known, oldest) for part, own in zip(frames, hashed, strict=True)]
    return Weeks(DayCounts.together(counts), windows)


def found(frame, folder, **changed):
    return judge(weeks_of(frame, folder, **changed))


def newest(frame, days):
    return frame["at"] >= END - timedelta(days=days)


def with_values(frame, days, name, change):
    rows = newest(frame, days)
    return frame.assign(**{name: frame[name].mask(rows, change(frame[name]))})


def test_an_ordinary_table_passes_whatever_day_it_ends_on(ordinary, tmp_path):
    for days in range(0, 91, 13):
        end = END - timedelta(days=days)
        assert found(ordinary[ordinary["at"] < end], tmp_path, end=end) == []


FAULTS = {
    "half of the rows gone": (lambda f: f[~newest(f, 7) | (f.index % 2 == 0)], "rows", None, True),
    "more rows": (lambda f: pd.concat([f, f[newest(f, 7)].assign(distance=400.5)]), "rows", None, False),
    "a day gone": (lambda f: f[~newest(f, 3) | newest(f, 2)], "days", None, True),
    "a file loaded twice": (lambda f: pd.concat([f, f[newest(f, 2)]]), "duplicates", None, True),
    "a file of training loaded twice": (lambda f: pd.concat([f, f[:400]]), "duplicates", None, True),
    "all null": (lambda f: with_values(f, 2, "distance", lambda _: np.nan), "missing", "distance", True),
    "all null on one day": (lambda f: with_values(f, 1, "carrier", lambda _: None), "missing", "carrier", False),
    "mostly null, then all": (lambda f: with_values(f, 10, "gust", lambda _: np.nan), "missing", "gust", True),
    "gaps filled": (lambda f: with_values(f, 7, "gust", lambda c: c.fillna(20)), "missing", "gust", False),
    "feet": (lambda f: with_values(f, 7, "distance", lambda c: c * 3.28), "range", "distance", True),
    "metres": (lambda f: with_values(f, 7, "distance", lambda c: c / 3.28), "range", "distance", True),
    "°C": (lambda f: with_values(f, 7, "temperature", lambda c: (c - 32) / 1.8), "range", "temperature", True),
    "renamed": (lambda f: with_values(f, 7, "carrier", lambda c: c.replace("CC", "C")), "unseen", "carrier", True),
    "renamed on one day": (
        lambda f: with_values(f, 1, "carrier", lambda c: c.replace("AA", "A")), "unseen", "carrier", False
    ),
    "labels flipped": (lambda f: with_values(f, 7, "left", lambda c: ~c), "positives", None, True),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_nothing_else(ordinary, tmp_path, fault):
    inject, check, feature, severe = FAULTS[fault]
    told = found(inject(ordinary), tmp_path)
    assert {(one.check, one.feature, one.severe) for one in told} >= {(check, feature, severe)}
    others = {one.check for one in told} - {check}
    # What is there twice is more rows, too.
    assert not others or (check, others) == ("duplicates", {"rows"})


def test_a_single_value_far_outside_is_told(ordinary, tmp_path):
    frame = ordinary.copy()
    frame.loc[frame.index[-1], "temperature"] = -999.0
    (one,) = found(frame, tmp_path)
    assert (one.check, one.feature, one.severe, one.now) == ("range", "temperature", False, "-999")


def test_the_sentence_has_feature_window_was_is_bound_and_the_setting_that_overrules_it(ordinary, tmp_path):
    frame = with_values(ordinary, 7, "distance", lambda column: column * 3.28)
    (one,) = found(frame, tmp_path)
    assert one.sentence("s3://b/t").startswith("the typical value (geometric mean) in 'distance' of s3://b/t is 1,")
    assert "from 2023-07-23 to 2023-07-29 (test window), and was 411.4" in one.sentence("s3://b/t")
    assert re.search(r" in the weeks before; at most [0-9,]+ is accepted$", one.sentence("s3://b/t"))
    assert one.overruled_by == (
        "`data.bounds.distance.check: warn` overrules it, for all features `data.checks.range: warn`"
    )


def test_what_was_so_before_is_no_finding(ordinary, tmp_path):
    """A season that training has seen, a feature that is null throughout, days without rows each week."""
    frame = ordinary.assign(gust=np.nan)
    frame = frame[frame["at"].dt.dayofweek != 6]
    assert found(frame, tmp_path) == []


def test_few_rows_and_a_short_history_raise_no_alarm(ordinary, tmp_path):
    assert found(ordinary[::20], tmp_path) == []
    assert found(ordinary[ordinary["at"] >= END - timedelta(days=75)], tmp_path) == []


def test_rows_that_wait_for_their_label_are_no_finding_where_that_is_said(ordinary, tmp_path):
    weeks = weeks_of(ordinary[~newest(ordinary, 7) | (ordinary.index % 3 == 0)], tmp_path)
    assert [one.check for one in judge(weeks)] == ["rows"]
    assert judge(weeks, thinned=True) == []


def test_own_bounds_hold_whatever_was_before(ordinary, tmp_path):
    weeks = weeks_of(ordinary, tmp_path)
    assert judge_own(weeks, {"gust": OwnBounds(-100, 100, missing=0.9), "carrier": OwnBounds(unseen=0)}) == []
    bounds = {"gust": OwnBounds(min=5, max=35, missing=0.1), "carrier": OwnBounds(missing=0)}
    told = judge_own(weeks, bounds)
    assert [(one.check, one.accepted) for one in told] == [
        ("range", "at least 5"),
        ("range", "at most 35"),
        ("missing", "at most 10.0 %"),
    ]
    assert all(one.severe and one.own for one in told)
    assert told[0].overruled_by == "`data.bounds.gust.check: warn` or another bound overrules it"


def test_only_a_year_before_the_calibration_window_is_counted_by_day(tmp_path):
    frame = pd.concat([events(), events().assign(at=lambda f: f["at"] - timedelta(days=3 * 365))])
    weeks = weeks_of(frame, tmp_path)
    oldest = oldest_day(windows_until(END.date(), MONTH, MONTH, None))
    assert weeks.counts.day[0] == oldest - 1 < weeks.counts.day[1]
    assert weeks.counts.rows.sum() == len(frame)
    assert judge(weeks) == []


def counts_of(miles, carriers, missing=0):
    numbers, gaps = buckets.count(np.array(miles, dtype=np.float64))
    return [
        FeatureCounts.of_numbers("miles", numbers, gaps),
        FeatureCounts.of_texts("carrier", carriers, missing, known=("AA", "BB", "C")),
    ]


def test_what_has_crept_in_since_the_champion_was_trained_is_found():
    test = windows_until(END.date(), MONTH, MONTH, None).test
    then = counts_of(range(100, 500), {"AA": 300, "BB": 100})
    assert judge_since(then, then, test) == []
    found = judge_since(then, counts_of(np.arange(100, 500) * 3.28, {"AA": 200, "C": 100}, missing=150), test)
    assert [(one.check, one.feature, one.severe) for one in found] == [
        ("range", "miles", False),
        ("missing", "carrier", True),
        ("unseen", "carrier", True),
    ]
    assert found[1].sentence("t") == (
        "the share of missing values in 'carrier' of t is 33.3 % from 2023-06-30 to 2023-07-29 (test window), and was"
        " 0.0 % when the champion was trained; at most 25.0 % is accepted"
    )
    assert judge_since(counts_of([1] * 10, {"AA": 10}), then, test) == []


def test_a_level_is_turned_back():
    for value in (-40.0, -0.5, 0.0, 3.0, 1e9):
        assert typical(float(level(np.array([value]))[0])) == pytest.approx(value)
    assert oldest_day(windows_until(date(2024, 1, 1), MONTH, MONTH, None)) < 19_700
