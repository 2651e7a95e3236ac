"""A window's rows in memory: which they are, what form they have, and what is counted of them."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ratchet.core.evaluation.counts import day_number
from ratchet.core.windows import Window
from ratchet.errors import DataError, TemporaryError
from ratchet.io.table import inspection
from ratchet.io.table.checks import ColumnFacts
from tests.unit.event_tables import DECEMBER, FIRST, NOVEMBER, ROWS, columns, csv, parquet, settings


def _facts(rows: inspection.Rows, name: str) -> ColumnFacts:
    return next(column for column in rows.facts.columns if column.name == name)


@pytest.mark.parametrize("write", [parquet, csv])
def test_windows_share_the_rows_and_lose_none(tmp_path: Path, write) -> None:
    table = inspection.inspect(settings(write(tmp_path / f"events.{write.__name__}")))
    november, december = (inspection.load(table, window, table.features) for window in (NOVEMBER, DECEMBER))
    assert (november.facts.rows, december.facts.rows) == (120, 124)
    assert november.frame[inspection.DAY].max() == day_number(date(2023, 11, 30))
    assert december.frame[inspection.DAY].min() == day_number(date(2023, 12, 1))


@pytest.mark.parametrize("write", [parquet, csv])
def test_both_formats_give_the_same_frame(tmp_path: Path, write) -> None:
    reference = inspection.inspect(settings(parquet(tmp_path / "reference.parquet")))
    table = inspection.inspect(settings(write(tmp_path / f"events.{write.__name__}")))
    expected = inspection.load(reference, NOVEMBER, reference.features)
    found = inspection.load(table, NOVEMBER, table.features)
    pd.testing.assert_frame_equal(found.frame, expected.frame)
    assert found.facts == replace(expected.facts, label_others=found.facts.label_others)


def test_numbers_are_float64_categories_text_the_label_bool_the_day_int64(tmp_path: Path) -> None:
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet")))
    frame = inspection.load(table, NOVEMBER, table.features).frame
    assert list(frame.columns) == ["speed", "stops", "carrier", inspection.LABEL, inspection.DAY]
    kinds = [str(kind) for kind in frame.dtypes]
    assert kinds == ["float64", "float64", "category", "bool", "int64"]
    assert list(frame["carrier"].cat.categories) == ["AA", "BB", "CC"]
    assert frame[inspection.LABEL].tolist() == [row % 4 == 0 for row in range(120)]


def test_missing_values_stay_missing_and_are_counted(tmp_path: Path) -> None:
    made = columns(
        speed=pa.array([None, float("nan"), 3.0, 4.0] * (ROWS // 4)),
        stops=pa.array([None, 1] * (ROWS // 2), pa.int16()),
        carrier=pa.array([None, "AA"] * (ROWS // 2)),
    )
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", made)))
    rows = inspection.load(table, NOVEMBER, table.features)
    assert rows.frame.isna().sum().tolist() == [60, 60, 60, 0, 0]
    assert [column.missing for column in rows.facts.columns] == [60, 60, 60]
    assert rows.frame["carrier"].iloc[1] == "AA"


def test_dictionary_decimal_and_boolean_columns_are_features(tmp_path: Path) -> None:
    made = columns(
        carrier=pa.array(["AA", "BB"] * (ROWS // 2)).dictionary_encode(),
        speed=pa.array([1, 2] * (ROWS // 2)).cast(pa.decimal128(21, 2)),
        stops=pa.array([True, None] * (ROWS // 2)),
    )
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", made)))
    frame = inspection.load(table, NOVEMBER, table.features).frame
    assert frame["speed"].tolist()[:2] == [1.0, 2.0]
    assert frame["stops"].iloc[0] == 1.0
    assert np.isnan(frame["stops"].iloc[1])
    assert frame["carrier"].tolist()[:2] == ["AA", "BB"]


def test_whole_numbers_and_booleans_can_be_categories(tmp_path: Path) -> None:
    made = columns(speed=pa.array([True, False] * (ROWS // 2)))
    table = inspection.inspect(
        settings(parquet(tmp_path / "events.parquet", made), numeric=(), categorical=("stops", "speed"))
    )
    frame = inspection.load(table, NOVEMBER, table.features).frame
    assert list(frame["stops"].cat.categories) == ["0", "1", "2"]
    assert list(frame["speed"].cat.categories) == ["false", "true"]


def test_columns_that_only_an_older_version_needs_come_in_the_form_of_their_type(tmp_path: Path) -> None:
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet"), numeric=("speed",), categorical=()))
    rows = inspection.load(table, NOVEMBER, ["speed", "stops", "carrier"])
    assert [str(rows.frame[name].dtype) for name in ("stops", "carrier")] == ["float64", "category"]
    assert [column.name for column in rows.facts.columns] == ["speed"]


@pytest.mark.parametrize(
    ("moments", "text"),
    [
        (pa.array([FIRST.date()] * ROWS), "2023-11-01"),
        (pa.array([FIRST.date()] * ROWS, pa.date64()), "2023-11-01"),
        (pa.array([FIRST] * ROWS, pa.timestamp("s")), "2023-11-01 00:00:00.000000"),
        (pa.array([FIRST] * ROWS, pa.timestamp("ns")), "2023-11-01 00:00:00.000000"),
        (pa.array([FIRST] * ROWS, pa.timestamp("ms", "America/New_York")), "2023-11-01 00:00:00.000000Z"),
        (pa.array([" 1/11/2023 "] * ROWS), " 1/11/2023 "),
    ],
)
def test_dates_and_times_are_features_in_one_form_of_text(tmp_path: Path, moments: pa.Array, text: str) -> None:
    parquet(tmp_path / "1.parquet", columns(moment=pa.nulls(ROWS, moments.type)))
    parquet(tmp_path / "2.parquet", columns(moment=moments))
    table = inspection.inspect(settings(tmp_path, features=("moment",)))
    rows = inspection.load(table, NOVEMBER, table.features)
    found = rows.frame["moment"]
    assert list(found.cat.categories) == [text]
    assert found.isna().mean() == 0.5
    (about,) = (column for column in rows.facts.columns if column.name == "moment")
    assert (about.distinct, about.constant) == (None, False)


def test_a_date_in_one_file_and_a_time_in_another_have_one_form(tmp_path: Path) -> None:
    parquet(tmp_path / "1.parquet", columns(moment=pa.array([FIRST.date()] * ROWS)))
    parquet(tmp_path / "2.parquet", columns(moment=pa.array([FIRST] * ROWS, pa.timestamp("us"))))
    table = inspection.inspect(settings(tmp_path, features=("moment",)))
    found = inspection.load(table, NOVEMBER, table.features).frame["moment"]
    assert list(found.cat.categories) == ["2023-11-01 00:00:00.000000"]


def test_a_date_that_only_an_older_version_needs_is_text(tmp_path: Path) -> None:
    made = columns(born=pa.array([FIRST.date()] * ROWS))
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", made), exclude=("born",)))
    assert inspection.load(table, NOVEMBER, ["born"]).frame["born"].iloc[0] == "2023-11-01"


def test_the_order_of_rows_and_categories_does_not_depend_on_the_reader(tmp_path: Path) -> None:
    made = pa.table(columns())
    for number in range(4):
        parquet(tmp_path / f"{number}.parquet", made.slice(number * 61, 61), row_group_size=17)
    split = inspection.inspect(settings(tmp_path))
    whole = inspection.inspect(settings(parquet(tmp_path / "whole" / "events.parquet", made)))
    split = replace(split, files=split.files[:4])
    for window in (NOVEMBER, DECEMBER):
        one, other = (inspection.load(table, window, table.features).frame for table in (split, whole))
        pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (pa.array([True, False] * (ROWS // 2)), True),
        (pa.array([True, False] * (ROWS // 2)), 1),
        (pa.array([True, False] * (ROWS // 2)), "true"),
        (pa.array([False, True] * (ROWS // 2)), "false"),
        (pa.array([1, 0] * (ROWS // 2)), "true"),
        (pa.array([2.5, 1.0] * (ROWS // 2)), "2.5"),
        (pa.array([1, 0] * (ROWS // 2)), True),
        (pa.array([1, 0] * (ROWS // 2)), "1"),
        (pa.array([1.0, 0.0] * (ROWS // 2)), 1),
        (pa.array(["True", "False"] * (ROWS // 2)), True),
        (pa.array(["1", "0"] * (ROWS // 2)), 1),
        (pa.array(["yes", "no"] * (ROWS // 2)), "yes"),
        (pa.array(["yes", "no"] * (ROWS // 2)).dictionary_encode(), "yes"),
        (pa.array([False, True] * (ROWS // 2)), False),
    ],
)
def test_the_positive_value_is_found_across_types(
    tmp_path: Path, values: pa.Array, positive: bool | float | str
) -> None:
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", columns(late=values)), positive=positive))
    rows = inspection.load(table, NOVEMBER, table.features)
    assert rows.frame[inspection.LABEL].tolist() == [True, False] * 60
    assert len(rows.facts.label_others) == 1
    assert rows.facts.positives == 60


def test_nulls_and_third_values_of_the_label_are_counted(tmp_path: Path) -> None:
    made = columns(late=pa.array(["yes", "no", "maybe", None] * (ROWS // 4)))
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", made), positive="yes"))
    facts = inspection.load(table, NOVEMBER, table.features).facts
    assert facts.label_nulls == 30
    assert facts.label_others == {"no": 30, "maybe": 30}


def test_nan_is_no_label(tmp_path: Path) -> None:
    made = columns(late=pa.array([1.0, 0.0, float("nan"), 0.0] * (ROWS // 4)))
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", made), positive=1))
    facts = inspection.load(table, NOVEMBER, table.features).facts
    assert (facts.label_nulls, facts.label_others) == (30, {"0.0": 60})


def test_infinite_constant_and_distinct_values_are_counted(tmp_path: Path) -> None:
    made = columns(
        speed=pa.array([float("inf"), float("-inf"), 1.0, 2.0] * (ROWS // 4)),
        stops=pa.array([3] * ROWS),
        carrier=pa.array([f"id{row}" for row in range(ROWS)]),
    )
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", made)))
    rows = inspection.load(table, NOVEMBER, table.features)
    assert _facts(rows, "speed").infinite == 60
    assert _facts(rows, "stops").constant
    assert not _facts(rows, "speed").constant
    assert _facts(rows, "carrier").distinct == 120


def test_a_value_that_is_there_or_missing_is_not_constant(tmp_path: Path) -> None:
    made = columns(
        speed=pa.array([None, 1.0] * (ROWS // 2)),
        stops=pa.nulls(ROWS, pa.int16()),
        carrier=pa.array([None, "AA"] * (ROWS // 2)),
    )
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", made)))
    rows = inspection.load(table, NOVEMBER, table.features)
    assert [column.constant for column in rows.facts.columns] == [False, True, False]


def test_a_window_without_rows_is_an_empty_frame(tmp_path: Path) -> None:
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet")))
    rows = inspection.load(table, Window("test", date(2030, 1, 1), date(2030, 2, 1)), table.features)
    assert rows.facts.rows == 0
    assert [str(kind) for kind in rows.frame.dtypes] == ["float64", "float64", "category", "bool", "int64"]


def test_however_arrow_stores_a_column_its_values_are_the_same(tmp_path: Path) -> None:
    made = columns(
        carrier=pa.array(["AA", "BB"] * (ROWS // 2)).cast(pa.string_view()),
        speed=pa.array(np.array([0.5, 2.0] * (ROWS // 2), dtype=np.float16)),
        stops=pa.array([1, 2] * (ROWS // 2)).cast(pa.decimal128(21, 2)),
    )
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", made)))
    frame = inspection.load(table, NOVEMBER, table.features).frame
    assert frame[["speed", "stops"]].to_numpy()[:2].tolist() == [[0.5, 1.0], [2.0, 2.0]]
    assert frame["carrier"].tolist()[:2] == ["AA", "BB"]


def test_numbers_in_separate_streams_of_bytes_are_read(tmp_path: Path) -> None:
    options = {"use_dictionary": False, "column_encoding": {"speed": "BYTE_STREAM_SPLIT"}}
    path = parquet(tmp_path / "t.parquet", columns(carrier=None), **options)
    table = inspection.inspect(settings(path))
    assert inspection.load(table, NOVEMBER, ["speed"]).frame["speed"].tolist()[:8] == [0, 1, 2, 3, 4, 5, 6, 0]


def test_a_decimal_is_the_number_that_its_digits_say(tmp_path: Path) -> None:
    made = columns(speed=pa.array([Decimal("10.29")] * ROWS, pa.decimal128(9, 2)))
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", made)))
    assert set(inspection.load(table, NOVEMBER, ["speed"]).frame["speed"]) == {10.29}


def test_a_blank_text_is_missing(tmp_path: Path) -> None:
    made = columns(carrier=pa.array(["AA", "", "  ", None] * (ROWS // 4)))
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", made)))
    assert inspection.load(table, NOVEMBER, ["carrier"]).frame["carrier"].tolist()[:4] == ["AA", np.nan, np.nan, np.nan]


def test_a_column_that_is_null_in_one_file_or_in_all_is_missing_there(tmp_path: Path) -> None:
    parquet(tmp_path / "1.parquet", columns(carrier=pa.nulls(ROWS), speed=pa.nulls(ROWS)))
    parquet(tmp_path / "2.parquet", columns(speed=pa.nulls(ROWS)))
    table = inspection.inspect(settings(tmp_path))
    assert (table.numeric, table.categorical) == (("speed", "stops"), ("carrier",))
    assert inspection.load(table, NOVEMBER, table.features).frame.isna().mean().tolist()[:3] == [1.0, 0.0, 0.5]


def test_a_number_in_a_path_can_be_a_numeric_feature_and_files_beside_it_lack_it(tmp_path: Path) -> None:
    parquet(tmp_path / "hour=7" / "1.parquet")
    parquet(tmp_path / "2.parquet")
    table = inspection.inspect(settings(tmp_path, numeric=("speed", "hour"), categorical=()))
    hours = inspection.load(table, NOVEMBER, ["hour"]).frame["hour"]
    assert sorted(hours.fillna(0).unique()) == [0.0, 7.0]
    parquet(tmp_path / "hour=noon" / "3.parquet")
    table = inspection.inspect(settings(tmp_path, numeric=("speed", "hour"), categorical=()))
    with pytest.raises(DataError, match=r"3\.parquet can't be read in the column 'hour': .*'noon'"):
        inspection.load(table, NOVEMBER, ["hour"])


def test_a_file_that_was_replaced_after_it_was_looked_at_is_worth_another_try(tmp_path: Path) -> None:
    path = parquet(tmp_path / "events.parquet")
    table = inspection.inspect(settings(path))
    parquet(path, columns(stops=pa.array([9] * ROWS, pa.int16())))
    with pytest.raises(TemporaryError, match=r"events\.parquet has changed since the table was inspected"):
        inspection.load(table, NOVEMBER, table.features)
