"""A table to score needs the model's columns and no other; everything else in it is passed on as it stands."""

import time
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from ratchet.core.model_inputs import BOOLEANS, ModelInputs
from ratchet.errors import ConfigurationError, DataError
from ratchet.io.table import reader
from ratchet.io.table.scoring_table import chunks, chunks_of, inspect
from ratchet.io.table.table import DAY, LABEL

INPUTS = ModelInputs({"speed": "double", "carrier": "string"})


def put(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return str(path)


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return str(path)


def all_rows(uri, inputs=INPUTS, **options):
    return pa.concat_tables(chunks(inspect(uri, inputs), **options)).to_pydict()


def test_neither_label_nor_timestamp_is_needed(tmp_path):
    uri = put(tmp_path / "t.parquet", speed=[1, 2], carrier=["AA", None])
    assert all_rows(uri) == {"speed": [1, 2], "carrier": ["AA", None]}


def test_columns_of_any_type_are_passed_on(tmp_path):
    odd = {"list": [[1], None], "struct": [{"a": 1}, {"a": 2}], "binary": [b"\x00", b""]}
    uri = put(tmp_path / "t.parquet", speed=[1.0, 2.0], carrier=["AA", "B"], **odd)
    assert {name: all_rows(uri)[name] for name in odd} == odd


def test_a_name_in_the_path_is_a_column(tmp_path):
    for month in ("2024-01", "2024-02"):
        put(tmp_path / f"t/month={month}/1.parquet", speed=[1.0], carrier=["AA"])
    assert all_rows(str(tmp_path / "t"))["month"] == ["2024-01", "2024-02"]


def test_what_a_csv_file_only_passes_on_stays_as_it_was_written(tmp_path):
    uri = text(tmp_path / "t.csv", "key,speed,carrier,day\n007,1,12,2024-01-01\n8,NA,,x\n")
    assert all_rows(uri) == {
        "key": ["007", "8"],
        "speed": [1.0, None],
        "carrier": ["12", None],
        "day": ["2024-01-01", "x"],
    }


def test_csv_files_with_their_columns_in_another_order_are_one_table(tmp_path):
    text(tmp_path / "t/1.csv", "speed,carrier\n1,AA\n")
    text(tmp_path / "t/2.csv", "carrier,speed\nB,2\n")
    assert all_rows(str(tmp_path / "t")) == {"speed": [1.0, 2.0], "carrier": ["AA", "B"]}


def test_a_column_that_a_csv_file_lacks_is_missing_there(tmp_path):
    text(tmp_path / "t/1.csv", "speed,carrier\n1,AA\n")
    text(tmp_path / "t/2.csv", "carrier,speed,gate\nB,2,3\n")
    (chunk,) = chunks(inspect(str(tmp_path / "t"), INPUTS))
    assert chunk.to_pydict() == {"speed": [1.0, 2.0], "carrier": ["AA", "B"], "gate": [None, "3"]}


def test_a_missing_input_is_refused_with_what_is_near(tmp_path):
    uri = put(tmp_path / "t.parquet", sped=[1.0], carrier=["AA"])
    with pytest.raises(DataError, match=r"the column 'speed' is not in .*t\.parquet; similar names: sped"):
        inspect(uri, INPUTS)


def test_an_input_of_an_unfit_type_is_refused(tmp_path):
    uri = put(tmp_path / "t.parquet", speed=["fast"], carrier=["AA"])
    with pytest.raises(DataError, match=r"the numeric feature 'speed' .* has the type string"):
        inspect(uri, INPUTS)


@pytest.mark.parametrize("name", ["predicted_label", "probability", "model_version", "Probability"])
def test_a_column_that_bears_a_name_of_the_result_is_refused(tmp_path, name):
    uri = put(tmp_path / "t.parquet", speed=[1.0], carrier=["AA"], **{name: [1]})
    with pytest.raises(DataError, match=f"the column {name!r} .* has the name of a result column"):
        inspect(uri, INPUTS)


def test_rows_come_in_order_and_so_many_at_a_time_however_they_are_stored(tmp_path):
    for file, (start, size) in enumerate([(0, 7), (7, 1), (8, 13)]):
        path = tmp_path / f"t/{file}.parquet"
        path.parent.mkdir(exist_ok=True)
        speed = [float(row) for row in range(start, start + size)]
        pq.write_table(pa.table({"speed": speed, "carrier": ["A"] * size}), path, row_group_size=3)
    found = list(chunks(inspect(str(tmp_path / "t"), INPUTS), rows=5))
    assert [chunk.num_rows for chunk in found] == [5, 5, 5, 5, 1]
    assert [row for chunk in found for row in chunk["speed"].to_pylist()] == list(range(21))


def test_no_more_is_read_than_is_waited_for(tmp_path):
    """However long the table is, Arrow never holds more than a few of its row groups."""
    rows = pa.table({"speed": [float(row) for row in range(400_000)], "carrier": ["AA"] * 400_000})
    pq.write_table(rows, tmp_path / "t.parquet", row_group_size=10_000)
    before, most = pa.total_allocated_bytes(), 0
    for _ in chunks(inspect(str(tmp_path / "t.parquet"), INPUTS), rows=10_000):
        time.sleep(0.005)
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < rows.nbytes / 5


def test_values_that_are_stored_once_come_out_as_they_are(tmp_path):
    carriers = pa.array(["AA", None, "AA"]).dictionary_encode()
    uri = put(tmp_path / "t.parquet", speed=[1.0, 2.0, 3.0], carrier=carriers, gate=carriers)
    (chunk,) = chunks(inspect(uri, INPUTS))
    assert chunk.schema.field("gate").type == pa.string()
    assert chunk["gate"].to_pylist() == ["AA", None, "AA"]


def test_an_empty_table_is_one_empty_chunk(tmp_path):
    uri = put(tmp_path / "t.parquet", speed=pa.array([], pa.float64()), carrier=pa.array([], pa.string()))
    table = inspect(uri, INPUTS)
    assert [chunk.num_rows for chunk in chunks(table)] == [0]
    assert chunks_of(table) == 1


def test_inputs_are_the_named_columns_of_the_signature():
    schema = Schema([ColSpec(DataType.double, "speed"), ColSpec(DataType.string, "carrier")])
    about = Model(signature=ModelSignature(schema), metadata={BOOLEANS: ["carrier"]})
    assert ModelInputs.of(about, "it") == ModelInputs(INPUTS.kinds, frozenset({"carrier"}))
    assert (INPUTS.numeric, INPUTS.categorical) == (("speed",), ("carrier",))


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        (None, "version 3 of x has no signature that names its columns"),
        (Schema([ColSpec(DataType.double)]), "version 3 of x has no signature that names its columns"),
        (Schema([ColSpec(DataType.datetime, "at")]), "version 3 of x needs the column 'at' as datetime"),
    ],
)
def test_a_model_of_which_nobody_knows_what_it_needs_is_refused(schema, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        ModelInputs.of(Model(signature=None if schema is None else ModelSignature(schema)), "version 3 of x")


@pytest.mark.parametrize("member", [[1, 0, None], ["1", "0", ""], ["True", "false", " "], [True, False, None]])
def test_a_boolean_category_is_training_s_text_however_it_is_written(tmp_path, member):
    inputs = ModelInputs({"speed": "double", "member": "string"}, frozenset({"member"}))
    table = inspect(put(tmp_path / "t.parquet", speed=[1.0, 2.0, 3.0], member=member), inputs)
    (piece,) = reader.pieces(table, None)
    (batch,) = reader.stored(table, piece, ["member"])
    assert reader.value(table, piece.file, "member", batch.column(0)).to_pylist() == ["true", "false", None]


@pytest.mark.parametrize("odd", [[{"a": 1}], [[1]], [date(2024, 1, 1)], [b"x"], [timedelta(1)]])
def test_a_column_of_any_type_may_be_in_some_files_alone(tmp_path, odd):
    put(tmp_path / "t/1.parquet", speed=[1.0], carrier=["AA"], odd=odd)
    put(tmp_path / "t/2.parquet", speed=[1.0], carrier=["AA"])
    assert all_rows(str(tmp_path / "t"))["odd"] == [*odd, None]


def test_a_date_may_be_in_the_path_and_in_a_file(tmp_path):
    put(tmp_path / "t/day=2024-01-01/1.parquet", speed=[1.0], carrier=["AA"])
    put(tmp_path / "t/2.parquet", speed=[1.0], carrier=["AA"], day=[date(2024, 1, 2)])
    assert sorted(all_rows(str(tmp_path / "t"))["day"]) == [date(2024, 1, 1), date(2024, 1, 2)]


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (pa.array([2**63], pa.uint64()), pa.array([-1]), "column 'id': Integer value 9223372036854775808 not in range"),
        (pa.array(["x"]), pa.array([1]), "disagree on the type of a column: 'id' is string, int64"),
    ],
)
def test_values_that_no_one_type_holds_are_refused(tmp_path, first, second, sentence):
    put(tmp_path / "t/1.parquet", speed=[1.0], carrier=["AA"], id=first)
    put(tmp_path / "t/2.parquet", speed=[1.0], carrier=["AA"], id=second)
    with pytest.raises(DataError, match=sentence):
        all_rows(str(tmp_path / "t"))


def test_text_where_the_model_needs_a_number_is_refused_with_file_and_value(tmp_path):
    with pytest.raises(DataError, match=r"t\.csv can't be read in the column 'speed': '1,000' is no number"):
        all_rows(text(tmp_path / "t.csv", 'speed,carrier\n"1,000",AA\n'))


@pytest.mark.parametrize("name", ["__day__", "__label__", "__window__", DAY, LABEL])
def test_columns_may_bear_our_own_names(tmp_path, name):
    assert all_rows(put(tmp_path / "t.parquet", speed=[1.0], carrier=["AA"], **{name: [5]}))[name] == [5]
