import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.core.evaluation.counts import Confusion, Counts, day_number, day_of
from ratchet.errors import FailedError
from tests.unit.strategies import LEVELS, counted, rows


@given(rows())
def test_every_row_is_counted_once(drawn):
    days, _, labels = drawn
    counts, rounded = counted(drawn)
    assert counts.total == len(days)
    assert counts.positives == labels.sum()
    for day, score, label, number in zip(counts.day, counts.score, counts.label, counts.rows, strict=True):
        assert number == ((days == day) & (rounded == score) & (labels == label)).sum()


@given(rows())
def test_the_table_is_sorted_and_names_each_triple_once(drawn):
    counts, _ = counted(drawn)
    triples = list(zip(counts.day, counts.score, counts.label, strict=True))
    assert triples == sorted(set(triples))


@given(rows(), st.integers(0, LEVELS))
def test_rounding_changes_no_label_at_a_threshold_on_the_grid(drawn, level):
    days, scores, labels = drawn
    threshold = level / LEVELS
    exact = Confusion.from_rows(days, labels, scores >= threshold, np.ones(len(days), dtype=np.int64))
    from_counts = counted(drawn)[0].confusion(threshold)
    for field in ("day", "true_positive", "false_positive", "false_negative", "true_negative"):
        assert (getattr(exact, field) == getattr(from_counts, field)).all()


@given(rows())
def test_counting_counted_rows_again_changes_nothing(drawn):
    counts, _ = counted(drawn)
    again = Counts.from_table(counts.day[::-1], counts.score[::-1], counts.label[::-1], counts.rows[::-1], LEVELS)
    for field in ("day", "score", "label", "rows"):
        assert (getattr(again, field) == getattr(counts, field)).all()


@given(rows(), st.integers(16_000, 16_012), st.integers(16_000, 16_012))
def test_between_takes_both_days_and_those_between_them(drawn, first, last):
    days, _, _ = drawn
    assert counted(drawn)[0].between(first, last).total == ((days >= first) & (days <= last)).sum()


def test_a_score_of_one_is_counted_by_itself():
    counts = Counts.from_rows([1, 1], [1.0, 1.0 - 1e-9], [True, True], 64)
    assert counts.score.tolist() == [1 - 2.0**-29, 1.0]


@given(rows())
def test_a_table_on_the_grid_without_narrow_cells_is_read_as_it_was_written(drawn):
    days, scores, labels = drawn
    old = np.floor(scores * LEVELS) / LEVELS
    counts = Counts.from_csv(Counts.from_rows(days, old, labels, LEVELS).to_csv(), LEVELS)
    assert set(counts.score) == set(old)


def test_no_rows_make_an_empty_table():
    assert Counts.from_rows([], [], [], 64).total == 0


def test_a_confusion_on_other_days_counts_nothing_there():
    confusion = Confusion.from_rows([5, 5], [True, False], [True, True], [2, 3]).reindexed(np.array([4, 5, 6]))
    assert confusion.true_positive.tolist() == [0, 2, 0]
    assert confusion.false_positive.tolist() == [0, 3, 0]
    assert confusion.rows == 5


@given(st.dates())
def test_a_day_has_one_number(day):
    assert day_of(day_number(day)) == day


@given(rows())
def test_a_table_is_read_again_as_it_was_written(drawn):
    counts, _ = counted(drawn)
    again = Counts.from_csv(counts.to_csv(), LEVELS)
    for name in ("day", "score", "label", "rows"):
        assert np.array_equal(getattr(again, name), getattr(counts, name)), name


@given(rows(), st.integers(16_000, 16_012))
def test_parts_put_together_are_the_whole(drawn, day):
    counts, _ = counted(drawn)
    parts = [counts.between(15_000, day - 1), counts.between(day, 17_000)]
    whole = Counts.together(parts, LEVELS)
    assert whole.to_csv() == counts.to_csv()


@pytest.mark.parametrize("text", ["day,score\n1,2\n", "day,score,label,rows\n2013-12-01,0.5,1\n"])
def test_what_is_no_table_of_counts_is_refused(text):
    with pytest.raises(FailedError, match="can't be read"):
        Counts.from_csv(text, LEVELS)
