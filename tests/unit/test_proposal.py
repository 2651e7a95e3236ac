"""What `ratchet init` proposes, judged by values alone: roles of columns, leaks, lengths of windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.core.proposal import leaks, roles
from ratchet.core.proposal.lengths import Lengths, lengths, unlabelled_days
from ratchet.core.proposal.roles import Column

ROWS = 400
RANDOM = np.random.default_rng(0)
POSITIVE = RANDOM.random(ROWS) < 0.3


def numbers(name, values, kind="number"):
    values = np.asarray(values, dtype=np.float64)
    missing = np.isnan(values)
    whole = bool((values[~missing] == np.floor(values[~missing])).all())
    return Column(name, kind, "double", values, missing, whole=whole)


def texts(name, values, *, formats=()):
    values = np.asarray(values, dtype=object)
    return Column(name, "text", "string", values, np.array([value is None for value in values]), formats=tuple(formats))


def suspected(column):
    return leaks.suspected(column.values, column.missing, POSITIVE)


@pytest.mark.parametrize(
    "column",
    [
        numbers("above", POSITIVE * 10 + RANDOM.random(ROWS)),
        numbers("below", POSITIVE * -10 + RANDOM.random(ROWS)),
        numbers("between", np.where(POSITIVE, 0, RANDOM.choice([-5, 5], ROWS))),
        numbers("missing in one class", np.where(POSITIVE, RANDOM.random(ROWS), np.nan)),
        texts("by category", np.where(POSITIVE, RANDOM.choice(["a", "b"], ROWS), RANDOM.choice(["c", "d"], ROWS))),
        texts("reason", np.where(POSITIVE, "price", None)),
        texts("empty where it is negative", [f"note {row}" if is_one else None for row, is_one in enumerate(POSITIVE)]),
    ],
    ids=lambda column: column.name,
)
def test_a_feature_that_alone_separates_the_classes_is_suspected(column):
    assert suspected(column) >= 0.99


@pytest.mark.parametrize(
    "column",
    [
        numbers("noise", RANDOM.random(ROWS)),
        numbers("a good feature", POSITIVE + RANDOM.normal(size=ROWS)),
        numbers("number of the row", np.arange(ROWS)),
        texts("id", [f"id {row}" for row in range(ROWS)]),
        texts("constant", ["a"] * ROWS),
        numbers("never there", np.full(ROWS, np.nan)),
        numbers("missing by chance", np.where(RANDOM.random(ROWS) < 0.5, np.nan, 1.0)),
    ],
    ids=lambda column: column.name,
)
def test_a_feature_that_does_not_is_not_suspected_and_neither_is_an_id(column):
    assert suspected(column) is None


def test_a_few_rows_of_a_class_are_too_few_to_suspect_anything():
    few = np.arange(ROWS) < 5
    assert leaks.suspected(few * 1.0, np.zeros(ROWS, dtype=np.bool_), few) is None


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2).filter(
        lambda rows: len({p for _, p in rows}) == 2
    )
)
def test_the_area_is_the_share_of_pairs_in_the_right_order(rows):
    ones, zeros = ([score for score, is_one in rows if is_one is wanted] for wanted in (True, False))
    pairs = [(one > zero) + (one == zero) / 2 for one in ones for zero in zeros]
    score, positive = map(np.array, zip(*rows, strict=True))
    assert leaks.area(score.astype(float), positive) == pytest.approx(np.mean(pairs))


def test_a_time_or_text_in_iso_8601_is_the_timestamp_before_an_epoch():
    epoch = numbers("epoch", 1_700_000_000 + np.arange(ROWS) * 60)
    text = texts("text", ["2025-01-01"] * ROWS, formats=[roles.ISO_8601])
    time = Column("time", "time", "timestamp[us]", np.ones(ROWS), np.zeros(ROWS, dtype=np.bool_))
    gaps = Column("gaps", "time", "timestamp[us]", np.ones(ROWS), np.arange(ROWS) == 3)
    assert roles.timestamps([epoch, text, time, gaps]) == ["text", "time"]
    assert roles.timestamps([numbers("age", np.arange(ROWS)), epoch]) == ["epoch"]


@pytest.mark.parametrize(("unit", "per"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_the_unit_of_an_epoch_follows_from_its_size(unit, per):
    assert roles.epoch_unit(numbers("at", (1_700_000_000 + np.arange(ROWS)) * per)) == unit
    assert roles.epoch_unit(numbers("at", 1_700_000_000 + np.arange(ROWS) + 0.5)) is None


@pytest.mark.parametrize(
    ("label", "positive"),
    [
        (numbers("late", [0, 1, 1, 1], "boolean"), 1),
        (numbers("late", [3, 7, 7, 7]), 7),
        (texts("late", ["yes", "no", "yes", "yes"]), "yes"),
        (texts("state", ["left", "here", "here", "here"]), "left"),
    ],
)
def test_the_positive_class_is_true_or_the_greater_number_or_yes_or_the_rarer_text(label, positive):
    assert roles.positive_of(label) == positive
    assert roles.labels([label, texts("three", ["a", "b", "c"])], "at") == [label.name]


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (texts("id", [f"{row}" for row in range(ROWS)]), "an id"),
        (numbers("number", np.arange(ROWS)), "an id"),
        (texts("customer", [f"{row // 3 * 2 % 301}{row % 2}" for row in range(ROWS)]), "data.entity may name it"),
        (numbers("constant", np.ones(ROWS)), "constant"),
        (numbers("nothing", np.full(ROWS, np.nan)), "no value"),
        (
            texts("birthday", ["2000-01-01"] * ROWS, formats=[roles.ISO_8601]),
            "times as text: data.features may name it, for your own estimator",
        ),
        (Column("list", "other", "list<double>", np.ones(ROWS), np.zeros(ROWS, dtype=np.bool_)), "list<double>"),
        (numbers("measure", RANDOM.random(ROWS)), None),
        (numbers("flag", np.where(np.arange(ROWS) % 2, 1, np.nan)), None),
        (texts("short", ["a", "b", "c"]), None),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_column_that_tells_nothing_is_no_feature(column, why):
    found = roles.why_no_feature(column)
    assert found is None if why is None else why in found


@given(st.integers(1, 400), st.integers(0, 60))
def test_the_windows_fit_the_days_with_as_much_to_learn_from(days, known_after):
    found = lengths(days, known_after)
    if found is None:
        assert days - known_after < 5
    elif found.days is None:
        assert days - 3 * known_after >= 120
    else:
        gaps = 3 if found.gap else 1
        assert days - gaps * known_after - 2 * found.days >= found.days >= 1


def test_a_long_table_keeps_the_defaults():
    assert lengths(365, 30) == Lengths(None)


@pytest.mark.parametrize(
    ("missing", "days"),
    [
        ([0] * 10, 0),
        ([0] * 7 + [3, 9, 10], 3),
        ([1] * 10, 0),
        ([1, 0, 2, 1, 0, 1, 1, 0, 9, 10], 2),
        ([0, 5, 0, 0, 0, 0, 0, 0, 0, 0], 0),
    ],
)
def test_the_newest_days_lack_labels_if_more_are_missing_than_before(missing, days):
    assert unlabelled_days(np.full(10, 10), np.array(missing)) == days


def test_a_day_without_rows_lacks_no_label():
    assert unlabelled_days(np.array([10, 10, 10, 0, 10]), np.array([0, 0, 0, 0, 10])) == 1
    assert unlabelled_days(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)) == 0
