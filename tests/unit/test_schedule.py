"""The period of a schedule is the longest pause that it leaves, as a clock on the wall shows it."""

from datetime import timedelta

import pytest

from ratchet.core.schedule import longest_pause

PERIODS = {
    "0 4 * * 1": timedelta(days=7),
    "0 4 * * *": timedelta(days=1),
    "30 */6 * * *": timedelta(hours=6),
    "0 9,17 * * *": timedelta(hours=16),
    "0 9 * * 1-5": timedelta(days=3),
    "0 9 * * MON-FRI": timedelta(days=3),
    "0 0 1 * *": timedelta(days=31),
    "0 0 1 * ?": timedelta(days=31),
    "0 0 1 1 *": timedelta(days=365),
    "0 0 29 2 *": timedelta(days=1461),
    "* * * * *": timedelta(minutes=1),
    "@hourly": timedelta(hours=1),
    "@weekly": timedelta(days=7),
    "@every 1h30m": timedelta(minutes=90),
    " 0 4 * * * ": timedelta(days=1),
}


@pytest.mark.parametrize("schedule", PERIODS)
def test_a_schedule_has_its_period(schedule):
    assert longest_pause(schedule) == PERIODS[schedule]


@pytest.mark.parametrize(
    "schedule", ["", "None", "0 4 * *", "0 25 * * *", "0 0 31 2 *", "@sometimes", "@every", "@every 0s"]
)
def test_what_is_never_due_has_none(schedule):
    assert longest_pause(schedule) is None
