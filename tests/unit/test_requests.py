"""Requests: each category gets the text that training had, value by value, or the request is refused."""

import json
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratchet.io.serving.plain_columns import plain_columns
from ratchet.io.serving.requests import RefusedError, asked_of

TEXTS = {"plan": False, "member": True}
JSON = "application/json"
PARQUET = "application/vnd.apache.parquet"
NUMBERS = ("x",)


def _sent(**content: Any) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(asked_of(json.dumps(content).encode(), JSON, TEXTS).body)
    return changed


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("plan", 7, "7"),
        ("plan", 7.0, "7"),
        ("plan", "7", "7"),
        ("plan", "7.0", "7.0"),
        ("plan", "007", "007"),
        ("plan", True, "true"),
        ("plan", "True", "True"),
        ("plan", None, None),
        ("plan", float("nan"), None),
        ("plan", " ", None),
        ("member", True, "true"),
        ("member", "True", "true"),
        ("member", "FALSE", "false"),
        ("member", 1, "true"),
        ("member", 0.0, "false"),
        ("member", "yes", "yes"),
    ],
)
def test_a_category_is_the_text_of_training_in_every_form(name: str, value: Any, text: str | None) -> None:
    assert _sent(dataframe_split={"columns": ["x", name], "data": [[1, value]]})["dataframe_split"]["data"] == [
        [1, text]
    ]
    for form in ("dataframe_records", "instances"):
        assert _sent(**{form: [{"x": 1, name: value}]}) == {form: [{"x": 1, name: text}]}
    assert _sent(inputs={"x": [1], name: [value]}) == {"inputs": {"x": [1], name: [text]}}
    assert _sent(inputs={"x": 1, name: value}) == {"inputs": {"x": 1, name: text}}


def test_a_rows_text_does_not_depend_on_its_neighbours() -> None:
    rows = [[7], [None], [7.5e0 * 2], ["a"], [False]]
    sent = _sent(dataframe_split={"columns": ["plan"], "data": rows})["dataframe_split"]["data"]
    assert sent == [["7"], [None], ["15"], ["a"], ["false"]]


@pytest.mark.parametrize("value", [7.5, ["a"], {"a": 1}])
def test_what_is_no_category_is_refused_with_column_and_value(value: Any) -> None:
    with pytest.raises(RefusedError, match="the column 'plan' has the value"):
        _sent(dataframe_records=[{"plan": value}])


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"dataframe_records": [{"x": -Infinity}]}', JSON),
        (b'{"inputs": {"x": [-1e999]}}', JSON),
        (b"plan,x\na,inf\n", "text/csv"),
    ],
)
def test_an_infinite_number_is_refused_as_in_training(body: bytes, kind: str) -> None:
    with pytest.raises(RefusedError, match="is not a finite number"):
        asked_of(body, kind, TEXTS)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"dataframe_split": {"columns": ["plan"], "data": []}}', JSON),
        (b'{"dataframe_records": []}', JSON),
        (b"plan,member\n", "text/csv"),
        (b"", "text/csv; charset=utf-8"),
    ],
)
def test_no_rows_are_refused(body: bytes, kind: str) -> None:
    with pytest.raises(RefusedError, match="no rows"):
        asked_of(body, kind, TEXTS)


def test_csv_is_read_as_training_reads_it() -> None:
    asked = asked_of(b'plan,x,member,note\n007, 1.5,True,"a,b"\nNA,,,\n', "text/csv", TEXTS)
    assert asked.kind == JSON
    assert json.loads(asked.body)["dataframe_split"] == {
        "columns": ["plan", "x", "member", "note"],
        "data": [["007", 1.5, "true", "a,b"], [None, None, None, None]],
    }


def test_csv_with_too_few_values_in_a_row_or_in_another_encoding_is_refused() -> None:
    with pytest.raises(RefusedError, match="row 2 has 1 values, but the header has 2 columns"):
        asked_of(b"plan,x\na,1\nb\n", "text/csv", TEXTS)
    with pytest.raises(RefusedError, match="not UTF-8: byte 8 is 0xe4"):
        asked_of(b"plan,x\n\xe4,1\n", "text/csv", TEXTS)


@pytest.mark.parametrize(("body", "kind"), [(b"{", JSON), (b"[1]", JSON), (b"hello", "text/plain"), (b"{}", "")])
def test_what_is_no_request_is_left_as_it_is(body: bytes, kind: str) -> None:
    asked = asked_of(body, kind, TEXTS)
    assert (asked.body, asked.kind) == (body, kind)


def _refused(content: Any, sentence: str) -> None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(RefusedError, match=sentence):
        asked_of(body, JSON, TEXTS, NUMBERS)


@pytest.mark.parametrize(
    ("columns", "row", "sentence"),
    [
        (5, [1], "the columns of dataframe_split are 5; a list of names"),
        ([["x"], ["plan"]], [1, "a"], "a list of names is accepted"),
        (["x", "plan", "plan"], [1, "a", "b"], "the column 'plan' occurs 2 times"),
        (["x", "plan"], [1], "row 1 has 1 values, but the header has 2 columns"),
        (["x", "plan"], {"x": 1, "plan": 7}, "row 1 of dataframe_split is"),
        (["x", "plan"], [1, "\ud800"], "the column 'plan' has the value"),
        (["x", "plan"], ["1_000", "a"], "the column 'x' has the value \"1_000\"; a number is accepted"),
        (["x", "plan"], ["Infinity", "a"], "is not a finite number"),
    ],
)
def test_a_split_frame_that_makes_no_sense_is_refused(columns: Any, row: Any, sentence: str) -> None:
    _refused({"dataframe_split": {"columns": columns, "data": [row]}}, sentence)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"inputs": {"x": [' + b"9" * 5_000 + b"]}}", "has 5,000 digits"),
        (b'{"inputs": {"x": [], "plan": []}}', "no rows"),
    ],
)
def test_json_that_cannot_be_a_request_is_refused(body: bytes, sentence: str) -> None:
    _refused(body, sentence)


def test_inputs_may_be_records_and_a_record_may_leave_out_what_is_missing() -> None:
    expected = [{"x": 1, "plan": "7", "member": "false"}, {"x": 2, "plan": None, "member": None}]
    for form in ("inputs", "instances", "dataframe_records"):
        assert _sent(**{form: [{"x": 1, "plan": 7, "member": 0}, {"x": 2}]}) == {form: expected}


def test_parquet_is_brought_into_the_form_of_training() -> None:
    body = pa.BufferOutputStream()
    pq.write_table(
        pa.table({"x": [1.5, None], "plan": [7, 8], "member": ["True", " "], "at": [date(2024, 1, 1)] * 2}), body
    )
    asked = asked_of(body.getvalue().to_pybytes(), PARQUET, TEXTS, NUMBERS)
    assert asked.kind == JSON
    assert json.loads(asked.body)["dataframe_records"] == [
        {"x": 1.5, "plan": "7", "member": "true", "at": "2024-01-01"},
        {"x": None, "plan": "8", "member": None, "at": "2024-01-01"},
    ]
    with pytest.raises(RefusedError, match="the request is not valid Parquet"):
        asked_of(b"PAR1", PARQUET, TEXTS, NUMBERS)


def test_what_a_model_does_not_need_may_hold_anything() -> None:
    asked = asked_of(b"plan,x,note\na,1,inf\n", "text/csv", TEXTS, NUMBERS)
    assert json.loads(asked.body)["dataframe_split"]["data"] == [["a", 1.0, "inf"]]


def test_csv_with_a_value_that_does_not_end_or_a_name_twice_is_refused() -> None:
    with pytest.raises(RefusedError, match="the request is not valid CSV"):
        asked_of(b"plan,x\n" + b"y" * 200_000 + b",1\n", "text/csv", TEXTS)
    with pytest.raises(RefusedError, match="the column 'plan' occurs 2 times"):
        asked_of(b"plan,plan\na,b\n", "text/csv", TEXTS)


def test_blanks_alone_are_missing_in_csv() -> None:
    asked = asked_of(b"plan,x\n     ,      \n", "text/csv", TEXTS, NUMBERS)
    assert json.loads(asked.body)["dataframe_split"]["data"] == [[None, None]]


def test_the_case_of_a_media_type_does_not_matter() -> None:
    asked = asked_of(b'{"inputs": {"plan": [7]}}', "Application/JSON; charset=utf-8", TEXTS)
    assert (asked.body, asked.kind) == (b'{"inputs": {"plan": ["7"]}}', "application/json; charset=utf-8")


class _TooManyError(Exception):
    """What a check of the number of rows raises."""


def _at_most_one(rows: int) -> None:
    if rows > 1:
        raise _TooManyError(rows)


def _damaged_parquet() -> bytes:
    """Two rows by its footer, which lies at the end; its pages can't be read."""
    body = pa.BufferOutputStream()
    pq.write_table(pa.table({"plan": ["a", "b"]}), body)
    whole: bytes = body.getvalue().to_pybytes()
    return whole[:4] + b"?" * 20 + whole[24:]


# No value here can be converted.
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"dataframe_split": {"columns": ["plan"], "data": [[7.5], [7.5]]}}', JSON),
        (b'{"dataframe_records": [{"plan": 7.5}, {"plan": 7.5}]}', JSON),
        (b'{"instances": [{"plan": 7.5}, {"plan": 7.5}]}', JSON),
        (b'{"inputs": {"plan": [7.5, 7.5]}}', JSON),
        (b"plan,x\na,inf\na,inf\n", "text/csv"),
        (_damaged_parquet(), PARQUET),
    ],
)
def test_too_many_rows_are_refused_before_any_is_converted(body: bytes, kind: str) -> None:
    with pytest.raises(_TooManyError, match="2"):
        asked_of(body, kind, TEXTS, NUMBERS, _at_most_one)
    with pytest.raises(RefusedError):
        asked_of(body, kind, TEXTS, NUMBERS)


@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records"])
def test_too_many_rows_are_refused_before_a_column_is_converted(form: str) -> None:
    """Rows of unequal length make no columns: what comes first tells."""
    content = {
        "dataframe_split": {"columns": ["plan"], "data": [["a"], []]},
        "dataframe_records": [{"plan": "a"}, {}],
    }
    body = json.dumps({form: content[form]}).encode()
    with pytest.raises(_TooManyError, match="2"):
        plain_columns(body, JSON, {"plan": False}, (), _at_most_one)
    assert plain_columns(body, JSON, {"plan": False}, (), lambda _rows: None) is None
