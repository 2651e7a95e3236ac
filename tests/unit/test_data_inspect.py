"""What is found out about a table before a row of it is read, and which tables are refused then."""

import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratchet.errors import ConfigurationError, DataError
from ratchet.io.table import inspection
from tests.unit.event_tables import DECEMBER, FIRST, NOVEMBER, ROWS, columns, csv, parquet, settings


def test_the_end_is_the_day_after_the_last_row(tmp_path: Path) -> None:
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet")))
    assert table.end == date(2024, 1, 1)


def test_all_other_columns_are_features_by_their_type(tmp_path: Path) -> None:
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet")))
    assert table.numeric == ("speed", "stops")
    assert table.categorical == ("carrier",)
    assert table.features == ("speed", "stops", "carrier")


def test_excluded_columns_are_no_features(tmp_path: Path) -> None:
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet"), exclude=("speed",)))
    assert table.features == ("stops", "carrier")


def test_a_folder_is_all_its_data_files_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b/2.parquet", "a/1.parquet", "_temporary/0.parquet", ".hidden.parquet", "_SUCCESS"):
        parquet(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no data")
    found = inspection.inspect(settings(tmp_path)).files
    assert [Path(file.path).relative_to(tmp_path).as_posix() for file in found] == ["a/1.parquet", "b/2.parquet"]
    assert [file.rows for file in found] == [ROWS, ROWS]


def test_a_file_of_any_name_is_what_the_format_says(tmp_path: Path) -> None:
    parquet(tmp_path / "events.dat")
    assert inspection.inspect(settings(tmp_path / "events.dat", format="parquet")).format == "parquet"


@pytest.mark.parametrize("name", ["a*.parquet", "b?{1,2}[x].parquet", "c.parquet.gzip"])
def test_a_name_is_a_name_whatever_is_in_it(tmp_path: Path, name: str) -> None:
    parquet(tmp_path / name)
    parquet(tmp_path / "a.parquet")
    table = inspection.inspect(settings(tmp_path))
    assert inspection.load(table, NOVEMBER, table.features).facts.rows == 240


def test_files_beside_the_table_that_look_like_data_are_told(tmp_path: Path) -> None:
    parquet(tmp_path / "1.parquet")
    for name in ("2.json", "3.tsv", "_SUCCESS", "README.md"):
        (tmp_path / name).write_text("")
    assert [remark.partition(" of ")[0] for remark in inspection.inspect(settings(tmp_path)).remarks] == [
        "2 files, 2.json among them, are left out"
    ]


def test_tables_with_tabs_need_no_format_where_they_are_alone(tmp_path: Path) -> None:
    csv(tmp_path / "1.csv")
    for name in ("1.csv", "2.csv"):
        (tmp_path / name.replace("csv", "tsv")).write_text((tmp_path / "1.csv").read_text().replace(",", "\t"))
    (tmp_path / "1.csv").unlink()
    table = inspection.inspect(settings(tmp_path, csv={"separator": "\t"}))
    assert (table.format, [file.path.rpartition("/")[2] for file in table.files]) == ("csv", ["1.tsv", "2.tsv"])


def test_pandas_index_without_a_name_is_no_feature(tmp_path: Path) -> None:
    parquet(tmp_path / "1.parquet", columns() | {"__index_level_0__": pa.array(range(ROWS))})
    table = inspection.inspect(settings(tmp_path))
    assert table.features == ("speed", "stops", "carrier")
    assert ["__index_level_0__" in remark for remark in table.remarks] == [True]


def test_partition_columns_are_features_only_where_they_are_named(tmp_path: Path) -> None:
    parquet(tmp_path / "site=north" / "1.parquet")
    parquet(tmp_path / "site=s%C3%BCd" / "2.parquet")
    assert "site" not in inspection.inspect(settings(tmp_path)).schema.names
    named = inspection.inspect(settings(tmp_path, categorical=("carrier", "site")))
    rows = inspection.load(named, NOVEMBER, ["site"])
    assert set(rows.frame["site"]) == {"north", "süd"}


def test_a_column_in_path_and_file_is_the_files(tmp_path: Path) -> None:
    parquet(tmp_path / "carrier=web" / "1.parquet", columns(carrier=pa.array(["Web"] * ROWS)))
    table = inspection.inspect(settings(tmp_path, categorical=("carrier",)))
    assert set(inspection.load(table, NOVEMBER, ["carrier"]).frame["carrier"]) == {"Web"}


def test_a_checksum_that_hadoop_left_beside_a_file_does_not_matter(tmp_path: Path) -> None:
    parquet(tmp_path / "t" / "1.parquet")
    (tmp_path / "t" / ".1.parquet.crc").write_bytes(b"crc\x00\x00\x00\x02\x00stale")
    table = inspection.inspect(settings(tmp_path / "t"))
    assert inspection.load(table, DECEMBER, table.features).facts.rows == 124


def test_a_partition_column_can_be_the_timestamp(tmp_path: Path) -> None:
    for day in ("2023-11-05", "2023-12-24"):
        parquet(tmp_path / f"at={day}" / "1.parquet", columns(at=None))
    table = inspection.inspect(settings(tmp_path))
    assert table.end == date(2023, 12, 25)
    assert inspection.load(table, DECEMBER, table.features).facts.rows == ROWS


def test_a_feature_that_older_files_lack_is_missing_there(tmp_path: Path) -> None:
    parquet(tmp_path / "1.parquet", columns(speed=None))
    parquet(tmp_path / "2.parquet")
    table = inspection.inspect(settings(tmp_path))
    assert inspection.load(table, NOVEMBER, ["speed"]).frame["speed"].isna().mean() == 0.5


def test_numbers_of_different_width_are_one_column(tmp_path: Path) -> None:
    parquet(tmp_path / "1.parquet")
    parquet(tmp_path / "2.parquet", columns(stops=pa.array([7] * ROWS, pa.int64())))
    table = inspection.inspect(settings(tmp_path))
    assert inspection.load(table, NOVEMBER, ["stops"]).frame["stops"].max() == 7


def test_the_digest_is_the_same_for_the_same_content_wherever_it_lies(tmp_path: Path) -> None:
    one = inspection.inspect(settings(parquet(tmp_path / "one" / "events.parquet")))
    two = inspection.inspect(settings(parquet(tmp_path / "two" / "events.parquet")))
    assert inspection.digest(one, NOVEMBER) == inspection.digest(two, NOVEMBER)
    assert len(inspection.digest(one, NOVEMBER)) <= 36


def test_the_digest_changes_with_the_content_the_window_and_the_columns(tmp_path: Path) -> None:
    path = parquet(tmp_path / "events.parquet")
    whole = inspection.inspect(settings(path))
    fewer = inspection.inspect(settings(path, exclude=("speed",)))
    first = inspection.digest(whole, NOVEMBER)
    parquet(path, columns(stops=pa.array([9] * ROWS, pa.int16())))
    again = inspection.inspect(settings(path))
    found = {
        first,
        inspection.digest(whole, DECEMBER),
        inspection.digest(fewer, NOVEMBER),
        inspection.digest(again, NOVEMBER),
    }
    assert len(found) == 4


def test_column_kinds_name_what_a_model_sees(tmp_path: Path) -> None:
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet")))
    expected = {"speed": "double", "stops": "double", "carrier": "string", "late": "boolean"}
    assert inspection.column_kinds(table) == expected


def test_a_path_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file or folder at .*nowhere"):
        inspection.inspect(settings(tmp_path / "nowhere"))


def test_a_folder_without_data_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no parquet file .* \.parquet"):
        inspection.inspect(settings(tmp_path))


def test_a_folder_of_both_formats_is_refused_until_one_is_chosen(tmp_path: Path) -> None:
    parquet(tmp_path / "1.parquet")
    csv(tmp_path / "2.csv")
    with pytest.raises(DataError, match=r"data\.format"):
        inspection.inspect(settings(tmp_path))
    assert len(inspection.inspect(settings(tmp_path, format="csv")).files) == 1


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'gs://bucket/table'; a local path or s3://"):
        inspection.inspect(settings("gs://bucket/table"))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet at all, but long enough to look", None])
def test_a_corrupt_parquet_file_is_refused_by_its_name(tmp_path: Path, content: bytes | None) -> None:
    parquet(tmp_path / "1.parquet")
    broken = parquet(tmp_path / "2.parquet")
    broken.write_bytes(broken.read_bytes()[:-100] if content is None else content)
    with pytest.raises(DataError, match=r"2\.parquet can't be read, it seems to be corrupt"):
        inspection.inspect(settings(tmp_path))


def test_a_parquet_file_that_is_corrupt_inside_is_refused_when_it_is_read(tmp_path: Path) -> None:
    path = parquet(tmp_path / "events.parquet", compression="zstd")
    content = bytearray(path.read_bytes())
    pages = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[4:pages] = b"\xff" * (pages - 4)
    path.write_bytes(content)
    table = inspection.inspect(settings(path))
    with pytest.raises(DataError, match=r"events\.parquet can't be read"):
        inspection.load(table, NOVEMBER, table.features)


@pytest.mark.parametrize(
    ("changed", "name"),
    [({"timestamp": "att"}, "att"), ({"label": "lat"}, "lat"), ({"numeric": ("sped",)}, "sped")],
)
def test_a_missing_column_is_refused_with_its_neighbours(tmp_path: Path, changed: dict[str, str], name: str) -> None:
    path = parquet(tmp_path / "events.parquet")
    with pytest.raises(DataError, match=rf"the column '{name}' is not in .*events\.parquet; similar names: "):
        inspection.inspect(settings(path, **changed))


def test_a_file_without_the_label_is_refused_by_its_name(tmp_path: Path) -> None:
    parquet(tmp_path / "1.parquet")
    parquet(tmp_path / "2.parquet", columns(late=None))
    with pytest.raises(DataError, match=r"the column 'late' is not in .*2\.parquet"):
        inspection.inspect(settings(tmp_path))


def test_duplicate_columns_are_refused(tmp_path: Path) -> None:
    made = columns()
    table = pa.Table.from_arrays([*made.values(), made["speed"]], [*made, "speed"])
    with pytest.raises(DataError, match=r"the column 'speed' occurs 2 times in .*events\.parquet"):
        inspection.inspect(settings(parquet(tmp_path / "events.parquet", table)))


def test_files_that_disagree_on_a_type_are_refused(tmp_path: Path) -> None:
    parquet(tmp_path / "1.parquet")
    parquet(tmp_path / "2.parquet", columns(speed=pa.array(["fast"] * ROWS)))
    with pytest.raises(DataError, match=r"disagree on the type of a column: .*speed"):
        inspection.inspect(settings(tmp_path))


def test_a_type_that_is_neither_number_nor_text_is_refused_among_all_others(tmp_path: Path) -> None:
    path = parquet(tmp_path / "events.parquet", columns(tags=pa.array([["a"]] * ROWS)))
    with pytest.raises(DataError, match=r"the column 'tags' .* data\.exclude"):
        inspection.inspect(settings(path))
    assert inspection.inspect(settings(path, exclude=("tags",))).features == ("speed", "stops", "carrier")


@pytest.mark.parametrize(
    ("role", "column", "sentence"),
    [
        ("numeric", "carrier", "the numeric feature 'carrier' .*; numbers"),
        ("categorical", "speed", "the categorical feature 'speed' .*; text"),
        ("features", "speed", r"the feature 'speed' .* the type double; in data\.features, text, dates or times are"),
        ("features", "spede", "the column 'spede' is not in .*; similar names: speed"),
    ],
)
def test_a_feature_of_an_unfit_type_is_refused(tmp_path: Path, role: str, column: str, sentence: str) -> None:
    path = parquet(tmp_path / "events.parquet")
    with pytest.raises(DataError, match=sentence):
        inspection.inspect(settings(path, **{role: (column,)}))


def test_a_date_among_all_others_is_refused_and_may_be_a_feature_as_text(tmp_path: Path) -> None:
    path = parquet(tmp_path / "events.parquet", columns(born=pa.array([FIRST.date()] * ROWS)))
    with pytest.raises(DataError, match=r"add it to data\.exclude, or to data\.features for an estimator of your own"):
        inspection.inspect(settings(path))
    table = inspection.inspect(settings(path, features=("born", "carrier")))
    assert table.features == ("speed", "stops", "born", "carrier")
    assert inspection.column_kinds(table)["born"] == "string"


def test_a_table_without_a_feature_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "events.parquet")
    with pytest.raises(DataError, match="has no feature"):
        inspection.inspect(settings(path, numeric=(), categorical=()))


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "events.parquet", pa.table(columns()).slice(0, 0))
    with pytest.raises(DataError, match="has no rows"):
        inspection.inspect(settings(path))


def test_a_positive_value_that_cannot_occur_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "events.parquet")
    with pytest.raises(ConfigurationError, match=r"data\.label\.positive is 'late'"):
        inspection.inspect(settings(path, positive="late"))


def test_only_what_a_window_touches_is_read(tmp_path: Path) -> None:
    """The other row groups may be damaged for all that a window cares."""
    path = parquet(tmp_path / "events.parquet", row_group_size=40)
    table = inspection.inspect(settings(path))
    first = pq.read_metadata(path).row_group(0)
    content = bytearray(path.read_bytes())
    end = max(first.column(place).data_page_offset for place in range(5)) + 20
    content[4:end] = b"\xff" * (end - 4)
    path.write_bytes(content)
    assert inspection.load(table, DECEMBER, table.features).facts.rows == 124


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 253_402_300_800_000_000])
@pytest.mark.parametrize("zone", [None, "UTC", "Mars/Olympus"])
def test_a_time_beyond_what_python_knows_is_refused_with_its_row(tmp_path: Path, value: int, zone: str | None) -> None:
    times = columns()["at"].cast(pa.int64()).to_pylist()
    at = pa.array([*times[:-1], value]).cast(pa.timestamp("us", zone))
    with pytest.raises(DataError, match=rf"is missing or can't be read in 1 row .*; row {ROWS} has "):
        inspection.inspect(settings(parquet(tmp_path / "events.parquet", columns(at=at))))


def _two(folder: Path, name: str, first: pa.Array, second: pa.Array) -> Path:
    parquet(folder / "1.parquet", columns(**{name: first}))
    parquet(folder / "2.parquet", columns(**{name: second}))
    return folder


@pytest.mark.parametrize("second", [pa.timestamp("ns", "Europe/Berlin"), pa.timestamp("ms", "+02:00")])
def test_files_may_differ_in_the_zone_and_unit_of_an_instant(tmp_path: Path, second: pa.DataType) -> None:
    instants = columns()["at"].cast(pa.timestamp("us", "UTC"))
    table = inspection.inspect(settings(_two(tmp_path, "at", instants, instants.cast(second))))
    assert inspection.load(table, DECEMBER, table.features).facts.rows == 2 * 124


def test_files_may_have_dates_and_local_times(tmp_path: Path) -> None:
    local = columns()["at"]
    table = inspection.inspect(settings(_two(tmp_path, "at", local.cast(pa.date32()), local)))
    assert inspection.load(table, DECEMBER, table.features).facts.rows == 2 * 124


def test_files_may_disagree_on_a_column_that_is_not_needed(tmp_path: Path) -> None:
    folder = _two(tmp_path, "note", pa.array(range(ROWS)), pa.array(["x"] * ROWS))
    for chosen in ({"exclude": ("note",)}, {"numeric": ("speed",), "categorical": ("carrier",)}):
        table = inspection.inspect(settings(folder, **chosen))
        assert "note" not in table.features
        assert ["has several types (int64, string) and is left out" in each for each in table.remarks] == [True]
    with pytest.raises(DataError, match="disagree on the type of a column: 'note' is int64, string"):
        inspection.inspect(settings(folder))


def test_whole_decimals_are_categories_and_fractions_are_none(tmp_path: Path) -> None:
    codes = [Decimal(row % 3) for row in range(ROWS)]
    whole = parquet(tmp_path / "1.parquet", columns(code=pa.array(codes, pa.decimal128(38, 0))))
    table = inspection.inspect(settings(whole, categorical=("code",)))
    assert set(inspection.load(table, NOVEMBER, ["code"]).frame["code"]) == {"0", "1", "2"}
    fractions = parquet(tmp_path / "2.parquet", columns(code=pa.array(codes, pa.decimal128(10, 2))))
    with pytest.raises(DataError, match=r"'code' .* has the type decimal128\(10, 2\)"):
        inspection.inspect(settings(fractions, categorical=("code",)))


def test_a_category_that_is_null_in_all_files_is_missing(tmp_path: Path) -> None:
    path = parquet(tmp_path / "1.parquet", columns(carrier=pa.nulls(ROWS)))
    table = inspection.inspect(settings(path, categorical=("carrier",)))
    assert inspection.load(table, NOVEMBER, ["carrier"]).frame["carrier"].isna().all()


def test_a_column_without_a_name_is_left_out_and_told(tmp_path: Path) -> None:
    table = inspection.inspect(settings(parquet(tmp_path / "1.parquet", columns(**{"": pa.array(range(ROWS))}))))
    assert table.features == ("speed", "stops", "carrier")
    assert table.remarks == (f"a column of {tmp_path / '1.parquet'} without a name is left out",)


@pytest.mark.parametrize("name", ["__window__", "__label__", "__day__", "__other__", "day", "label", "score"])
def test_a_feature_may_bear_nearly_any_name(tmp_path: Path, name: str) -> None:
    path = parquet(tmp_path / "1.parquet", columns(**{name: pa.array(range(ROWS))}))
    table = inspection.inspect(settings(path))
    assert inspection.load(table, NOVEMBER, table.features).frame[name].tolist() == list(range(120))


def test_the_names_that_only_we_give_are_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "1.parquet", columns(**{inspection.DAY: pa.array(range(ROWS))}))
    with pytest.raises(DataError, match="has a name that is reserved for Ratchet"):
        inspection.inspect(settings(path))
    assert inspection.inspect(settings(path, exclude=(inspection.DAY,))).features == ("speed", "stops", "carrier")


def test_a_name_in_a_path_is_decoded(tmp_path: Path) -> None:
    parquet(tmp_path / "home%20town=S%C3%A3o%20Paulo" / "1.parquet")
    table = inspection.inspect(settings(tmp_path, categorical=("home town",)))
    assert set(inspection.load(table, NOVEMBER, ["home town"]).frame["home town"]) == {"S\xe3o Paulo"}


@pytest.mark.parametrize(
    ("link", "to", "sentence"),
    [
        ("2.parquet", "nowhere", "is a link to .*/nowhere, which does not exist"),
        ("latest.parquet", "1.parquet", "rows of the table would count twice"),
        ("again", ".", "rows of the table would count twice"),
    ],
)
def test_links_that_lead_nowhere_or_back_are_refused(tmp_path: Path, link: str, to: str, sentence: str) -> None:
    parquet(tmp_path / "1.parquet")
    (tmp_path / link).symlink_to(tmp_path / to)
    with pytest.raises(DataError, match=sentence):
        inspection.inspect(settings(tmp_path))


def test_a_file_may_be_a_link_to_where_it_is_hidden(tmp_path: Path) -> None:
    """So Kubernetes mounts a ConfigMap."""
    parquet(tmp_path / "..2024" / "1.parquet")
    (tmp_path / "..data").symlink_to(tmp_path / "..2024")
    (tmp_path / "1.parquet").symlink_to(tmp_path / "..data" / "1.parquet")
    assert [file.rows for file in inspection.inspect(settings(tmp_path)).files] == [ROWS]


def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "1.parquet")
    path.rename(os.fsdecode(bytes(tmp_path) + b"/\xff.parquet"))
    with pytest.raises(DataError, match=r"a name below .* is not UTF-8: .*xff"):
        inspection.inspect(settings(tmp_path))


def test_a_table_of_hudi_is_refused(tmp_path: Path) -> None:
    parquet(tmp_path / "1.parquet")
    (tmp_path / ".hoodie").mkdir()
    (tmp_path / ".hoodie" / "hoodie.properties").touch()
    with pytest.raises(DataError, match="is a Hudi table, which can't be read"):
        inspection.inspect(settings(tmp_path))


def test_a_label_in_half_precision_is_read(tmp_path: Path) -> None:
    late = pa.array([row % 4 == 0 for row in range(ROWS)]).cast(pa.float32()).cast(pa.float16())
    table = inspection.inspect(settings(parquet(tmp_path / "1.parquet", columns(late=late)), positive=1))
    assert inspection.load(table, NOVEMBER, table.features).facts.positives == 30
