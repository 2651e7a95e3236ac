"""The rules of bad data, each beside data that passes it."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ratchet.core.windows import Window
from ratchet.errors import DataError
from ratchet.io.table import inspection
from ratchet.io.table.checks import ColumnFacts, Copies, WindowFacts, check, check_copies, check_together
from tests.unit.event_tables import NOVEMBER, parquet, settings

SPEED = ColumnFacts("speed", missing=3, infinite=0, distinct=None, constant=False)
CARRIER = ColumnFacts("carrier", missing=0, infinite=0, distinct=3, constant=False)
GOOD = WindowFacts(NOVEMBER, 1_200, 300, 0, {"False": 900}, 0, (SPEED, CARRIER))


@pytest.fixture
def table(tmp_path: Path) -> inspection.EventTable:
    return inspection.inspect(settings(parquet(tmp_path / "events.parquet")))


def test_good_data_pass_without_a_word(table: inspection.EventTable) -> None:
    assert check(GOOD, table) == []
    check_together([GOOD, GOOD], table)


def test_test_rows_that_equal_earlier_ones_are_warned_of(table: inspection.EventTable) -> None:
    (warning,) = check_copies(Copies(test=1_000, test_copies=300, before=8_000, before_copies=160), table)
    assert warning.startswith("300 of 1,000 rows of the test window (30.0%) equal a row of the training or calibration")
    assert "of the rows there 2.0% equal another" in warning


@pytest.mark.parametrize(
    "copies",
    [
        pytest.param(Copies(1_000, 0, 8_000, 0), id="none"),
        pytest.param(Copies(1_000, 10, 8_000, 0), id="hardly any"),
        pytest.param(Copies(1_000, 930, 8_000, 7_300), id="few features with few values"),
        pytest.param(Copies(50, 12, 400, 60), id="too few rows to tell"),
        pytest.param(Copies(0, 0, 0, 0), id="no rows"),
    ],
)
def test_repetition_that_chance_explains_is_not_warned_of(table: inspection.EventTable, copies: Copies) -> None:
    assert check_copies(copies, table) == []


def test_an_empty_window_is_refused(table: inspection.EventTable) -> None:
    empty = WindowFacts(Window("test", date(2030, 1, 1), date(2030, 2, 1)), 0, 0, 0, {}, 0, ())
    with pytest.raises(DataError, match=r"the test window 2030-01-01 to 2030-01-31 .* is empty: 0 rows"):
        check(empty, table)


@pytest.mark.parametrize(("positives", "word"), [(0, "never"), (1_200, "always")])
def test_a_window_with_one_class_only_is_refused(table: inspection.EventTable, positives: int, word: str) -> None:
    others = {"False": 1_200} if positives == 0 else {}
    with pytest.raises(DataError, match=rf"'late' of .* is {word} True in the 1,200 rows of the training window"):
        check(replace(GOOD, positives=positives, label_others=others), table)


def test_a_training_window_without_any_value_is_refused_with_the_feature(table: inspection.EventTable) -> None:
    speed = replace(SPEED, missing=1_200, constant=True)
    assert check(replace(GOOD, columns=(speed, CARRIER)), table)
    with pytest.raises(
        DataError, match="the only feature, 'speed', is missing in all 1,200 rows of the training window"
    ):
        check(replace(GOOD, columns=(speed,)), table)
    with pytest.raises(DataError, match="all features, 'speed' first, are missing in all 1,200 rows"):
        check(replace(GOOD, columns=(speed, replace(CARRIER, missing=1_200))), table)


def test_spellings_of_one_label_are_one_value(table: inspection.EventTable) -> None:
    others = {"False": 500, "0": 300, "0.0": 100}
    assert check(replace(GOOD, label_others=others), table) == []


def test_missing_labels_are_refused(table: inspection.EventTable) -> None:
    with pytest.raises(DataError, match=r"'late' of .*events\.parquet is missing in 1 row of the training window"):
        check(replace(GOOD, label_nulls=1), table)


def test_a_third_label_is_refused(table: inspection.EventTable) -> None:
    others = {"no": 800, "maybe": 100}
    with pytest.raises(DataError, match=r"'late' .* has 2 values .*'no' \(800 rows\), 'maybe' \(100 rows\)"):
        check(replace(GOOD, label_others=others), table)


def test_a_label_that_changes_from_window_to_window_is_refused(table: inspection.EventTable) -> None:
    other = replace(GOOD, label_others={"no": 900})
    assert check(other, table) == []
    with pytest.raises(DataError, match=r"has 2 values .*'False' \(900 rows\), 'no' \(900 rows\)"):
        check_together([GOOD, other], table)


def test_a_label_with_many_values_names_the_most_frequent(table: inspection.EventTable) -> None:
    others = {str(value): value for value in range(1, 10)}
    with pytest.raises(DataError, match=r"has 9 values .*'9' \(9 rows\), '8' \(8 rows\), '7' \(7 rows\) and 6 more"):
        check(replace(GOOD, label_others=others), table)


def test_timestamps_that_cannot_be_read_are_refused(table: inspection.EventTable) -> None:
    with pytest.raises(DataError, match=r"timestamp column 'at' .* in 7 rows"):
        check(replace(GOOD, bad_timestamps=7), table)


def test_infinite_values_are_refused(table: inspection.EventTable) -> None:
    columns = (replace(SPEED, infinite=2), CARRIER)
    with pytest.raises(DataError, match=r"the column 'speed' of .* is infinite in 2 rows of the training window"):
        check(replace(GOOD, columns=columns), table)


def test_a_constant_feature_is_a_warning(table: inspection.EventTable) -> None:
    warnings = check(replace(GOOD, columns=(replace(SPEED, constant=True), CARRIER)), table)
    assert len(warnings) == 1
    assert "the column 'speed' is constant in the 1,200 rows of the training window" in warnings[0]


def test_a_category_with_as_many_values_as_rows_is_a_warning(table: inspection.EventTable) -> None:
    warnings = check(replace(GOOD, columns=(SPEED, replace(CARRIER, distinct=1_200))), table)
    assert len(warnings) == 1
    assert "the categorical column 'carrier' has as many values as there are rows" in warnings[0]


CALIBRATION = Window("calibration", date(2023, 12, 1), date(2024, 1, 1))


def test_few_positives_to_calibrate_on_are_a_warning_with_their_number_and_the_remedy(
    table: inspection.EventTable,
) -> None:
    (warning,) = check(replace(GOOD, window=CALIBRATION, positives=199), table)
    assert warning.startswith("the calibration window 2023-12-01 to 2023-12-31 of ")
    assert "has 199 positive rows ('late' is True); below 200," in warning
    assert "a longer windows.calibration" in warning
    (warning,) = check(replace(GOOD, window=CALIBRATION, positives=1), table)
    assert "has 1 positive row (" in warning


def test_200_positives_are_enough_and_the_other_windows_need_none(table: inspection.EventTable) -> None:
    assert check(replace(GOOD, window=CALIBRATION, positives=200), table) == []
    assert check(replace(GOOD, positives=20), table) == []


def test_columns_are_warned_about_in_the_training_window_only(table: inspection.EventTable) -> None:
    window = Window("test", date(2023, 12, 1), date(2023, 12, 2))
    assert check(replace(GOOD, window=window, columns=(replace(SPEED, constant=True),)), table) == []
