from datetime import date, timedelta
from math import isnan

import pytest
from hypothesis import given
from sklearn.metrics import f1_score, roc_auc_score

from ratchet.core.evaluation.counts import Counts, day_number, day_of
from ratchet.core.evaluation.rolling import rolling
from ratchet.core.windows import Window
from tests.unit.strategies import counted, rows

WINDOW = Window("test", day_of(16_000), day_of(16_013))


@given(rows())
def test_each_day_is_measured_on_its_trailing_week_alone(drawn):
    days, _, labels = drawn
    counts, scores = counted(drawn)
    measured = rolling(counts, 0.5, WINDOW, days=7)
    assert [day.day for day in measured] == [day_of(number) for number in range(16_000, 16_013)]
    for day in measured:
        number = day_number(day.day)
        here = (days > number - 7) & (days <= number)
        assert day.rows == here.sum()
        assert day.positives == labels[here].sum()
        if day.rows:
            assert day.f1 == pytest.approx(f1_score(labels[here], scores[here] >= 0.5, zero_division=0.0))
        if 0 < day.positives < day.rows:
            assert day.roc_auc == pytest.approx(roc_auc_score(labels[here], scores[here]))
        else:
            assert isnan(day.roc_auc)


def test_the_first_days_say_that_they_cover_less_than_a_week():
    counts = Counts.from_rows([16_000, 16_012], [0.2, 0.8], [False, True], 64)
    assert [day.days for day in rolling(counts, 0.5, WINDOW, days=7)] == [1, 2, 3, 4, 5, 6, *[7] * 7]


def test_a_week_without_rows_has_no_measures():
    counts = Counts.from_rows([16_000, 16_012], [0.2, 0.8], [False, True], 64)
    empty = rolling(counts, 0.5, WINDOW, days=3)[6]
    assert (empty.day, empty.rows) == (date(2013, 10, 22) + timedelta(days=6), 0)
    assert isnan(empty.f1)
