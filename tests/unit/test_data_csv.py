"""CSV: what a header, a type and a missing value are, and which files are refused."""

import bz2
import gzip
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from ratchet.errors import DataError, TemporaryError
from ratchet.io.table import checks, inspection
from tests.unit.event_tables import DECEMBER, NOVEMBER, csv, settings

HEADER = "at,late,speed,carrier\n"
ROWS_TEXT = "2023-11-01,true,1,AA\n2023-11-02,false,2,BB\n"


def _write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    plain = csv(tmp_path / "plain" / "events.csv")
    path = _write(tmp_path / "events.csv.gz", gzip.compress(plain.read_bytes()))
    table = inspection.inspect(settings(path))
    assert (table.format, table.end) == ("csv", date(2024, 1, 1))
    assert inspection.load(table, DECEMBER, table.features).facts.rows == 124


def test_columns_may_stand_in_another_order_in_another_file(tmp_path: Path) -> None:
    _write(tmp_path / "1.csv", HEADER + ROWS_TEXT)
    _write(tmp_path / "2.csv", "carrier,speed,late,at\nCC,3,true,2023-11-03\n")
    table = inspection.inspect(settings(tmp_path))
    frame = inspection.load(table, NOVEMBER, table.features).frame
    assert frame["carrier"].tolist() == ["AA", "BB", "CC"]
    assert frame["speed"].tolist() == [1.0, 2.0, 3.0]


def test_whole_numbers_that_become_fractions_later_are_numbers(tmp_path: Path) -> None:
    rows = "".join(f"2023-11-01,{row % 2 == 0},{row},AA\n" for row in range(400_000))
    path = _write(tmp_path / "events.csv", HEADER + rows + "2023-11-02,True,0.25,AA\n")
    table = inspection.inspect(settings(path))
    assert inspection.load(table, NOVEMBER, table.features).frame["speed"].iloc[-1] == 0.25


def test_missing_values_are_empty_or_one_of_the_usual_words(tmp_path: Path) -> None:
    words = ["", '""', "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]
    rows = "".join(f"2023-11-0{1 + row % 9},{row % 2 == 0},{word},{word}\n" for row, word in enumerate(words))
    table = inspection.inspect(settings(_write(tmp_path / "events.csv", HEADER + rows + ROWS_TEXT)))
    frame = inspection.load(table, NOVEMBER, table.features).frame
    assert frame[["speed", "carrier"]].isna().sum().tolist() == [9, 9]


def test_missing_words_are_missing_however_many_values_are_empty_beside_them(tmp_path: Path) -> None:
    values = ["", "", "", "n/a", "1.5", "NULL", "2.5"]
    rows = "".join(f"2023-11-0{1 + row},{row % 2 == 0},{value}\n" for row, value in enumerate(values))
    (tmp_path / "a.csv").write_text(f"at,late,speed\n{rows}")
    table = inspection.inspect(settings(tmp_path / "a.csv"))
    assert (table.numeric, table.categorical, table.remarks) == (("speed",), (), ())
    assert inspection.load(table, NOVEMBER, table.features).facts.columns[0].missing == 5


def test_a_number_named_as_a_category_keeps_its_text(tmp_path: Path) -> None:
    path = _write(tmp_path / "events.csv", "at,late,zip\n2023-11-01,1,01234\n2023-11-02,0,1.50\n")
    table = inspection.inspect(settings(path, numeric=(), categorical=("zip",)))
    assert inspection.load(table, NOVEMBER, table.features).frame["zip"].tolist() == ["01234", "1.50"]


def test_a_column_of_true_and_false_is_a_number(tmp_path: Path) -> None:
    path = _write(tmp_path / "events.csv", "at,late,heavy\n2023-11-01,1,true\n2023-11-02,0,False\n")
    table = inspection.inspect(settings(path))
    assert inspection.load(table, NOVEMBER, table.features).frame["heavy"].tolist() == [1.0, 0.0]


def test_quotes_and_a_byte_order_mark_are_no_part_of_a_name(tmp_path: Path) -> None:
    text = b'\xef\xbb\xbf"at","late","speed, net"\r\n2023-11-01,true,1\r\n2023-11-02,false,2\r\n'
    table = inspection.inspect(settings(_write(tmp_path / "events.csv", text)))
    assert table.numeric == ("speed, net",)
    assert inspection.load(table, NOVEMBER, table.features).frame["speed, net"].tolist() == [1.0, 2.0]


def test_partitions_of_csv_files_are_columns_where_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "site=north").mkdir()
    _write(tmp_path / "site=north" / "1.csv", HEADER + ROWS_TEXT)
    table = inspection.inspect(settings(tmp_path, categorical=("site",)))
    assert inspection.load(table, NOVEMBER, ["site"]).frame["site"].tolist() == ["north", "north"]


def test_an_epoch_is_read(tmp_path: Path) -> None:
    path = _write(tmp_path / "events.csv", "at,late,speed\n1698796800,1,1\n1698883200.5,0,2\n")
    assert inspection.inspect(settings(path, timestamp_unit="s")).end == date(2023, 11, 3)
    with pytest.raises(DataError, match=r"row 1 has '1698796800'; an epoch needs data\.timestamp_unit"):
        inspection.inspect(settings(path))


@pytest.mark.parametrize("place", ["header", "category", "later"])
def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path, place: str) -> None:
    texts = {
        "header": HEADER.replace("carrier", "carri\u00e9r") + ROWS_TEXT,
        "category": HEADER + ROWS_TEXT + "2023-11-03,true,3,\u00c4\n",
        "later": HEADER + ROWS_TEXT * 300_000 + "2023-11-03,true,3,\u00c4\n",
    }
    path = _write(tmp_path / "events.csv", texts[place].encode("latin-1"))
    with pytest.raises(DataError, match=r"events\.csv is not UTF-8"):
        _read_all(path)


def _read_all(path: Path) -> None:
    table = inspection.inspect(settings(path, categorical=("carrier",)))
    inspection.load(table, NOVEMBER, table.features)


def test_duplicate_columns_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "events.csv", "at,late,speed,speed\n2023-11-01,true,1,2\n")
    with pytest.raises(DataError, match=r"the column 'speed' occurs 2 times in .*events\.csv"):
        inspection.inspect(settings(path))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"events\.csv has no header"):
        inspection.inspect(settings(_write(tmp_path / "events.csv", "")))


@pytest.mark.parametrize(("name", "pack"), [("0.csv", bytes), ("0.csv.gz", gzip.compress)])
def test_an_empty_file_beside_others_has_no_rows(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    _write(tmp_path / name, pack(b""))
    _write(tmp_path / "1.csv", HEADER + ROWS_TEXT)
    table = inspection.inspect(settings(tmp_path))
    assert [Path(file.path).name for file in table.files] == ["1.csv"]
    assert inspection.load(table, NOVEMBER, table.features).facts.rows == 2


def test_files_that_are_all_empty_are_refused(tmp_path: Path) -> None:
    for name in ("1.csv", "2.csv"):
        _write(tmp_path / name, "")
    with pytest.raises(DataError, match=r"1\.csv has no header"):
        inspection.inspect(settings(tmp_path))


def test_a_file_that_is_emptied_after_the_inspection_has_changed(tmp_path: Path) -> None:
    table = inspection.inspect(settings(_write(tmp_path / "events.csv", HEADER + ROWS_TEXT)))
    _write(tmp_path / "events.csv", "")
    with pytest.raises(TemporaryError, match=r"events\.csv"):
        inspection.load(table, NOVEMBER, table.features)


def test_a_header_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no rows"):
        inspection.inspect(
            settings(_write(tmp_path / "events.csv", HEADER), numeric=("speed",), categorical=("carrier",))
        )


def test_a_feature_that_a_file_lacks_is_missing_there(tmp_path: Path) -> None:
    _write(tmp_path / "1.csv", HEADER + ROWS_TEXT)
    _write(tmp_path / "2.csv", "at,late,carrier\n2023-11-03,true,AA\n")
    table = inspection.inspect(settings(tmp_path))
    assert inspection.load(table, NOVEMBER, table.features).frame["speed"].isna().tolist() == [False, False, True]


def test_a_file_that_lacks_the_label_is_refused_by_its_name(tmp_path: Path) -> None:
    _write(tmp_path / "1.csv", HEADER + ROWS_TEXT)
    _write(tmp_path / "2.csv", "at,speed,carrier\n2023-11-03,1,AA\n")
    with pytest.raises(DataError, match=r"the column 'late' is not in .*2\.csv"):
        inspection.inspect(settings(tmp_path))


def test_text_in_a_column_of_numbers_is_refused_with_column_and_value(tmp_path: Path) -> None:
    for value in ("fast", "12.5d", "3f", "0x1p3", "1 000"):
        rows = f"2023-11-03,true,{value},AA\n2023-11-04,true,later,AA\n"
        path = _write(tmp_path / "events.csv", HEADER + ROWS_TEXT + rows)
        table = inspection.inspect(settings(path, numeric=("speed",), categorical=()))
        with pytest.raises(
            DataError, match=rf"events\.csv can't be read in the column 'speed': '{value}' is no number"
        ):
            inspection.load(table, NOVEMBER, table.features)


def test_a_row_with_too_many_values_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "events.csv", HEADER + ROWS_TEXT + "2023-11-03,true,3,AA,BB\n")
    with pytest.raises(DataError, match=r"events\.csv can't be read: (Row #4: )?Expected 4 columns, got 5"):
        inspection.inspect(settings(path))


def test_a_damaged_compressed_file_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "events.csv.gz", gzip.compress((HEADER + ROWS_TEXT * 5000).encode())[:-20])
    with pytest.raises(DataError, match=r"events\.csv\.gz can't be read"):
        inspection.inspect(settings(path))


@pytest.mark.parametrize(
    ("name", "pack"), [("events.csv", gzip.compress), ("events.csv.gz", bytes), ("events.csv.bz2", bz2.compress)]
)
def test_how_a_file_is_compressed_its_content_says(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    table = inspection.inspect(settings(_write(tmp_path / name, pack((HEADER + ROWS_TEXT).encode()))))
    assert inspection.load(table, NOVEMBER, table.features).facts.rows == 2


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_quoted_values_and_names_may_hold_line_breaks(tmp_path: Path, end: str) -> None:
    text = f'at,late,"speed{end}(mph)",carrier{end}2023-11-01,true,1,"A{end}""A"""{end}2023-11-02,false,2,BB{end}'
    table = inspection.inspect(settings(_write(tmp_path / "events.csv", text)))
    frame = inspection.load(table, NOVEMBER, table.features).frame
    assert frame["carrier"].tolist() == [f'A{end}"A"', "BB"]
    assert frame[f"speed{end}(mph)"].tolist() == [1.0, 2.0]


def test_what_spreadsheets_export_in_europe_is_read(tmp_path: Path) -> None:
    text = "at;late;speed;carrier\n2023-11-01;1;1,5;Z\u00fcrich\n2023-11-02;0;-2;BB\n"
    path = _write(tmp_path / "events.csv", text.encode("cp1252"))
    table = inspection.inspect(settings(path, csv={"separator": ";", "decimal": ",", "encoding": "cp1252"}))
    frame = inspection.load(table, NOVEMBER, table.features).frame
    assert frame["speed"].tolist() == [1.5, -2.0]
    assert frame["carrier"].tolist() == ["Z\u00fcrich", "BB"]


def test_text_after_a_closing_quote_belongs_to_the_value(tmp_path: Path) -> None:
    path = _write(tmp_path / "events.csv", HEADER + ROWS_TEXT + '2023-11-03,true,3,"pro"x\n')
    table = inspection.inspect(settings(path))
    assert inspection.load(table, NOVEMBER, table.features).frame["carrier"].tolist() == ["AA", "BB", "prox"]


def test_with_a_decimal_comma_a_point_is_no_number(tmp_path: Path) -> None:
    path = _write(tmp_path / "events.csv", "at;late;speed\n2023-11-01;1;1.500\n2023-11-02;0;2,5\n")
    described = settings(path, numeric=("speed",), csv={"separator": ";", "decimal": ","})
    table = inspection.inspect(described)
    with pytest.raises(DataError, match=r"can't be read in the column 'speed': '1\.500' is no number"):
        inspection.load(table, NOVEMBER, table.features)


def test_all_files_decide_on_the_type_of_a_column(tmp_path: Path) -> None:
    _write(tmp_path / "1.csv", "at,late,speed,carrier\n2023-11-01,true,,\n")
    _write(tmp_path / "2.csv", "carrier,speed,late,at\n")
    _write(tmp_path / "3.csv", "carrier,speed,late,at\nCC, +3 ,0,2023-11-03\n")
    table = inspection.inspect(settings(tmp_path))
    assert (table.numeric, table.categorical) == (("speed",), ("carrier",))
    frame = inspection.load(table, NOVEMBER, table.features).frame
    assert frame["speed"].fillna(-1).tolist() == [-1.0, 3.0]
    assert frame[inspection.LABEL].tolist() == [True, False]


def test_a_few_values_that_are_no_numbers_make_text_and_are_named(tmp_path: Path) -> None:
    rows = "".join(f"2023-11-01,{row % 2},{row},AA\n" for row in range(99))
    table = inspection.inspect(settings(_write(tmp_path / "events.csv", HEADER + rows + "2023-11-02,1,fast,AA\n")))
    assert table.categorical == ("speed", "carrier")
    (remark,) = table.remarks
    assert "the column 'speed' of" in remark
    assert "is text because of 'fast' in row 100 of events.csv" in remark


def test_columns_without_a_name_are_left_out_and_told(tmp_path: Path) -> None:
    path = _write(tmp_path / "events.csv", ",at,late,speed,,\n1,2023-11-01,1,1,,\n2,2023-11-02,0,2,,\n")
    table = inspection.inspect(settings(path))
    assert table.features == ("speed",)
    assert inspection.load(table, NOVEMBER, table.features).frame["speed"].tolist() == [1.0, 2.0]
    assert ["3 columns" in remark for remark in table.remarks] == [True]


def test_spellings_of_a_label_are_one_value(tmp_path: Path) -> None:
    rows = "".join(f"2023-11-01,{word},1,AA\n" for word in ("1", "True", "true", "1.0", "0", "False", "FALSE", "0.0"))
    table = inspection.inspect(settings(_write(tmp_path / "events.csv", HEADER + rows), positive=True))
    rows_read = inspection.load(table, NOVEMBER, table.features)
    assert rows_read.frame[inspection.LABEL].tolist() == [True] * 4 + [False] * 4
    assert checks.check(rows_read.facts, table)  # the constant columns; the label is none of the warnings


@pytest.mark.parametrize("begin", ["\n\n", "\r\n", "\ufeff\n"])
def test_empty_lines_before_the_header_do_not_matter(tmp_path: Path, begin: str) -> None:
    table = inspection.inspect(settings(_write(tmp_path / "events.csv", begin + HEADER + ROWS_TEXT)))
    assert inspection.load(table, NOVEMBER, table.features).frame["speed"].tolist() == [1.0, 2.0]


def test_a_byte_order_mark_is_no_part_of_a_name_in_any_encoding(tmp_path: Path) -> None:
    path = _write(tmp_path / "events.csv", ("\ufeff" + HEADER + ROWS_TEXT).encode("utf-16-le"))
    table = inspection.inspect(settings(path, csv={"encoding": "utf-16-le"}))
    assert inspection.load(table, NOVEMBER, table.features).facts.rows == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f'"{HEADER}{ROWS_TEXT * 4000}', "has a name that does not end: is a quote never closed"),
        (f'"{HEADER}{ROWS_TEXT}', "row that does not end or exceeds 8 MiB"),
        (f'{HEADER}{ROWS_TEXT}2023-11-03,true,3,"CC\n{ROWS_TEXT}', "quote before 'CC' is never closed, and 3 lines"),
        (f'at,late,speed,\n2023-11-03,true,3,"\n{ROWS_TEXT}', "quote before '' is never closed, and 3 lines"),
    ],
)
def test_a_quote_that_is_never_closed_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        inspection.inspect(settings(_write(tmp_path / "events.csv", text)))


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_quoted_line_break_may_stand_in_the_last_value(tmp_path: Path, end: str) -> None:
    path = _write(tmp_path / "events.csv.gz", gzip.compress(f'{HEADER}2023-11-01,true,1,"A\nB"{end}'.encode()))
    table = inspection.inspect(settings(path))
    assert inspection.load(table, NOVEMBER, table.features).frame["carrier"].tolist() == ["A\nB"]


@pytest.mark.parametrize("value", ["1,234.5", "1 234", "12 %", "$5", "1,5", "\u22121"])
def test_numbers_that_are_written_otherwise_make_text_and_are_named(tmp_path: Path, value: str) -> None:
    text = HEADER + "".join(f'2023-11-01,{row % 2},"{value}",AA\n' for row in range(9))
    table = inspection.inspect(settings(_write(tmp_path / "events.csv", text)))
    assert table.categorical == ("speed", "carrier")
    assert [f"is text because of {value!r} in row 1" in remark for remark in table.remarks] == [True]


@pytest.mark.parametrize("value", ["10.0.0.1", "2023-11-01", "AB-12", "0x1F"])
def test_other_text_is_not_told_of(tmp_path: Path, value: str) -> None:
    path = _write(tmp_path / "events.csv", f"{HEADER}2023-11-01,1,{value},AA\n2023-11-02,0,{value},BB\n")
    assert inspection.inspect(settings(path)).remarks == ()


@pytest.mark.parametrize(
    ("positive", "words"),
    [
        (1, ("1.00", "+1", "1e0", "true")),
        (True, (" 1", "1.", "TRUE ")),
        ("yes", (" yes", "yes ")),
        (2, ("2", "2.0")),
        ("2", ("2", "2.0")),
        (-1, ("-1", "-1.0")),
    ],
)
def test_a_label_is_what_its_text_means(tmp_path: Path, positive: bool | int | str, words: tuple[str, ...]) -> None:
    rows = "".join(f"2023-11-01,{word},1,AA\n" for word in (*words, "7", "Yes", "1_0", "inf"))
    table = inspection.inspect(settings(_write(tmp_path / "events.csv", HEADER + rows), positive=positive))
    hits = inspection.load(table, NOVEMBER, table.features).frame[inspection.LABEL].tolist()
    assert hits == [True] * len(words) + [False] * 4


@pytest.mark.parametrize("positive", [float("inf"), float("nan")])
def test_a_label_that_no_row_can_have_is_never_met(tmp_path: Path, positive: float) -> None:
    table = inspection.inspect(settings(_write(tmp_path / "events.csv", HEADER + ROWS_TEXT), positive=positive))
    assert inspection.load(table, NOVEMBER, table.features).facts.positives == 0


def test_a_column_that_is_excluded_and_not_there_is_told(tmp_path: Path) -> None:
    table = inspection.inspect(settings(_write(tmp_path / "1.csv", HEADER + ROWS_TEXT), exclude=("carier", "speed")))
    assert table.remarks == (f"data.exclude names 'carier', which is not in {tmp_path / '1.csv'}",)


def test_blanks_around_a_name_are_shown(tmp_path: Path) -> None:
    path = _write(tmp_path / "events.csv", "at, late,speed\n2023-11-01,true,1\n")
    with pytest.raises(DataError, match=r"the column 'late' is not in .*; similar names: ' late', at"):
        inspection.inspect(settings(path))
