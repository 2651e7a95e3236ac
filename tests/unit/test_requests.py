"""Requests: each category gets the text that training had, value by value, or the request is refused."""

import json
from typing import Any

import pytest

from ratchet.io.serving.requests import RefusedError, asked_of

TEXTS = {"plan": False, "member": True}
JSON = "application/json"


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
    with pytest.raises(RefusedError, match="is no number that training knew"):
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
    with pytest.raises(RefusedError, match="row 2 has 1 values, and the header names 2 columns"):
        asked_of(b"plan,x\na,1\nb\n", "text/csv", TEXTS)
    with pytest.raises(RefusedError, match="not UTF-8: byte 8 is 0xe4"):
        asked_of(b"plan,x\n\xe4,1\n", "text/csv", TEXTS)


@pytest.mark.parametrize(("body", "kind"), [(b"{", JSON), (b"[1]", JSON), (b"hello", "text/plain"), (b"{}", "")])
def test_what_is_no_request_is_left_as_it_is(body: bytes, kind: str) -> None:
    asked = asked_of(body, kind, TEXTS)
    assert (asked.body, asked.kind) == (body, kind)
