"""When labels become known: the end of what is known, the rows that count, what is refused."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from ratchet.core.windows import Period, Window, windows_until
from ratchet.errors import ConfigurationError, DataError
from ratchet.io.table import inspection
from ratchet.io.table.labels.known import check_as_of, counted, hint, known_until
from ratchet.settings import Label
from tests.unit.event_tables import FIRST, ROWS, columns, csv, parquet, settings

WEEK = Period.parse("7d")
END = date(2024, 1, 1)
LATE = 4 * 14  # the rows of the newest two weeks


def table(tmp_path, made=None, form="parquet", **label):
    write = parquet if form == "parquet" else csv
    described = settings(write(tmp_path / f"events.{form}", made or columns()))
    return inspection.inspect(described.model_copy(update={"label": Label(column="late", positive=True, **label)}))


def windows(as_of, gap=None):
    return windows_until(as_of, WEEK, WEEK, None, gap and Period.parse(gap))


def rows(found, window):
    return inspection.load(found, window, found.features).facts


def known(*offsets):
    """A column with the times at which labels became known: so many days after the event, None if that is not told."""
    at = [FIRST + timedelta(hours=6 * row) for row in range(ROWS)]
    return pa.array(
        [None if days is None else when + timedelta(days=days) for when, days in zip(at, offsets, strict=True)],
        pa.timestamp("us"),
    )


def unlabelled(newest):
    return columns(late=pa.array([None if row >= ROWS - newest else row % 4 == 0 for row in range(ROWS)]))


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_cycle_ends_where_labels_are_final(tmp_path, form):
    found = table(tmp_path, unlabelled(LATE), form, known_after="14d")
    assert (found.end, known_until(found)) == (END, date(2023, 12, 18))
    part = windows(known_until(found), "14d")
    assert rows(found, part.test).label_nulls == 0
    assert counted(found, part).not_yet == LATE


def test_between_two_windows_lies_the_time_in_which_labels_become_known():
    part = windows(date(2023, 12, 18), "14d")
    assert (part.test.start, part.calibration.end, part.calibration.start, part.train.end) == (
        date(2023, 12, 11),
        date(2023, 11, 27),
        date(2023, 11, 20),
        date(2023, 11, 6),
    )
    assert (part.whole.start, part.whole.end) == (None, date(2023, 12, 18))
    assert windows(date(2023, 12, 18)).calibration.end == date(2023, 12, 11)


def test_a_row_counts_only_if_its_label_was_known_when_a_model_was_made_from_its_window(tmp_path):
    # Each third label took 20 days, the others one.
    made = columns(known=known(*(20 if row % 3 == 0 else 1 for row in range(ROWS))))
    found = table(tmp_path, made, known_at="known", known_after="20d")
    part = windows(known_until(found), "2d")
    at = [FIRST + timedelta(hours=6 * row) for row in range(ROWS)]
    expected = [
        when.date() < part.train.end
        and (when + timedelta(days=20 if row % 3 == 0 else 1)).date() < part.calibration.start
        for row, when in enumerate(at)
    ]
    assert rows(found, part.train).rows == sum(expected)
    assert rows(found, part.test).rows == 28
    late = sum(when.date() < part.train.end for when in at) - sum(expected)
    late += 28 - rows(found, part.calibration).rows
    assert counted(found, part).late == late


def test_where_no_time_is_told_a_label_is_known_when_it_is_final(tmp_path):
    made = columns(known=known(*(None if row % 4 else 1 for row in range(ROWS))))
    found = table(tmp_path, made, known_at="known", known_after="10d")
    part = windows(known_until(found), "10d")
    assert counted(found, part).late == 0
    assert rows(found, part.train).rows == 4 * (part.train.end - FIRST.date()).days


def test_without_a_time_for_all_the_end_is_before_the_last_days_that_lack_one(tmp_path):
    made = columns(known=known(*(None if row >= ROWS - 10 or row == 8 else 1 for row in range(ROWS))))
    found = table(tmp_path, made, known_at="known")
    assert known_until(found) == date(2023, 12, 29)  # of ten rows, six hours apart, the first is of the 29th
    part = windows(known_until(found), "2d")
    assert rows(found, part.train).rows == 4 * (part.train.end - FIRST.date()).days - 1
    assert counted(found, part).late == 1


@pytest.mark.parametrize(("missing", "positives"), [("drop", 7), ("negative", 7)])
def test_a_row_without_a_label_is_left_out_or_negative(tmp_path, missing, positives):
    made = columns(late=pa.array([None if row % 4 == 1 else row % 4 == 0 for row in range(ROWS)]))
    found = table(tmp_path, made, missing=missing)
    facts = rows(found, windows(END).test)
    assert (facts.label_nulls, facts.positives) == (0, positives)
    assert facts.rows == (21 if missing == "drop" else 28)
    assert counted(found, windows(END)).missing == ROWS // 4


@pytest.mark.parametrize(("pending", "kind"), [("pending", pa.string()), (-1, pa.int64()), ("-1", pa.int64())])
@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_label_that_is_not_known_may_have_a_value(tmp_path, form, pending, kind):
    values = [int(pending) if kind == pa.int64() else pending, 1, 0, 0]
    late = pa.array([values[row % 4] if kind == pa.int64() else str(values[row % 4]) for row in range(ROWS)], kind)
    described = settings((parquet if form == "parquet" else csv)(tmp_path / f"events.{form}", columns(late=late)))
    label = Label(column="late", positive=1, unknown=(pending,), missing="drop")
    found = inspection.inspect(described.model_copy(update={"label": label}))
    facts = rows(found, windows(END).test)
    assert (facts.rows, facts.positives, facts.label_others, facts.label_nulls) == (21, 7, {"0": 14}, 0)
    assert counted(found, windows(END)).missing == ROWS // 4


def test_a_value_is_not_both_positive_and_unknown_and_fits_the_column(tmp_path):
    with pytest.raises(ConfigurationError, match=r"data\.label\.unknown has True, which is data\.label\.positive"):
        table(tmp_path, unknown=("true",))
    with pytest.raises(ConfigurationError, match=r"data\.label\.unknown has 'pending', which can't occur in 'late'"):
        table(tmp_path, unknown=("pending",))


def test_days_that_are_only_scored_have_all_their_rows(tmp_path):
    found = table(tmp_path, unlabelled(8), missing="drop")
    assert rows(found, Window("unlabelled", date(2023, 12, 30), END, all_rows=True)).rows == 8
    assert rows(found, Window("newest", date(2023, 12, 30), END)).rows == 0


def test_nothing_is_counted_where_no_setting_leaves_rows_out(tmp_path):
    assert counted(table(tmp_path), windows(END)) is None
    assert known_until(table(tmp_path)) == END


def test_a_test_window_with_labels_that_are_not_final_is_refused(tmp_path):
    found = table(tmp_path, known_after="14d")
    check_as_of(date(2023, 12, 18), found)
    with pytest.raises(
        ConfigurationError, match=r"--as-of 2023-12-19 is too late: .* known for the days before 2023-12-18"
    ):
        check_as_of(date(2023, 12, 19), found)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({5: -1}, "is before the event in 1 row, the first of 2023-11-02"),
        ({5: 400_000, 6: 400_000}, "can't be read in 2 rows"),
        ({7: (datetime.now(UTC).date() - FIRST.date()).days + 5}, "lies in the future in 1 row"),
    ],
)
def test_a_time_that_can_not_be_is_refused(tmp_path, changed, sentence):
    found = table(tmp_path, columns(known=known(*(changed.get(row, 1) for row in range(ROWS)))), known_at="known")
    with pytest.raises(DataError, match=f"the column 'known' of .*, which says when a label became known, {sentence}"):
        counted(found, windows(END))


def test_a_table_whose_labels_end_before_its_rows_is_told_of_the_setting(tmp_path):
    found = table(tmp_path, unlabelled(LATE))
    told = hint(found, windows(END))
    assert told.startswith(
        "all days from 2023-12-18 on lack some: if labels arrive late, set data.label.known_after to 14d"
    )
    assert hint(table(tmp_path), windows(END)) == ""
    scattered = columns(late=pa.array([None if row == 200 else row % 4 == 0 for row in range(ROWS)]))
    assert hint(table(tmp_path, scattered), windows(END)) == ""


def test_the_column_with_the_time_is_no_feature_and_must_exist(tmp_path):
    made = columns(known=pa.array(np.arange(ROWS)))
    with pytest.raises(ConfigurationError, match=r"'known' holds numbers: data\.timestamp_unit"):
        table(tmp_path, made, known_at="known")
    with pytest.raises(DataError, match=r"the column 'knwon' is not in .*; similar names: known"):
        table(tmp_path, made, known_at="knwon")
    assert "known" not in table(tmp_path, columns(known=known(*[1] * ROWS)), known_at="known").features
