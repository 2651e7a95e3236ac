"""What the team reads: a title, the reason, F1 beside the champion's, the report; and the same as JSON."""

import json
from math import nan

import pytest

from ratchet.core.notice import EVENTS, Measured, Notice

MEASURED, CHAMPION = Measured(0.53789, 0.52101, 0.5547), Measured(0.5259, 0.509, 0.543)
REASON = "F1 0.538 beats version 2 on the same rows, difference +0.012"


def notice(event="promoted", **others):
    known = {
        "model": "flights-sklearn",
        "reason": REASON,
        "engine": "sklearn",
        "version": 3,
        "cycle": "retrain-1",
        "measured": MEASURED,
        "champion": CHAMPION,
        "champion_version": 2,
        "report": "s3://bucket/1/a/report.html",
    }
    return Notice(event, **known | others)


def test_all_that_is_known_is_told_in_five_lines():
    assert notice().text().splitlines() == [
        "flights-sklearn: version 3 is promoted",
        REASON,
        "F1 0.538 (0.521 to 0.555); the champion, version 2, has 0.526 (0.509 to 0.543)",
        "report s3://bucket/1/a/report.html",
        "cycle retrain-1",
    ]


@pytest.mark.parametrize(
    ("event", "version", "title"),
    [
        ("promoted", 3, "flights-sklearn: version 3 is promoted"),
        ("staged", 3, "flights-sklearn: version 3 is staged"),
        ("held", 3, "flights-sklearn: version 3 is held"),
        ("held", None, "flights-sklearn: the candidate is held"),
        ("failed", None, "flights-sklearn: failed"),
        ("rolled_back", 3, "flights-sklearn: version 3 was rolled back"),
        ("watch_low", 3, "flights-sklearn: version 3 performs badly"),
    ],
)
def test_each_event_has_its_title(event, version, title):
    assert notice(event, version=version).title == title


def test_what_is_unknown_is_left_out():
    bare = Notice("failed", "flights", "spark failed: out of memory")
    assert bare.text() == "flights: failed\nspark failed: out of memory"
    assert "champion" not in notice(champion=None, champion_version=None).text()
    assert "F1 0.538 (0.521 to 0.555)\n" in notice(champion=None).text()
    assert "the champion has 0.526" in notice(champion_version=None).text()


def test_an_interval_that_is_not_known_is_left_out_and_an_f1_that_is_none_is_none():
    assert Measured.of({"f1": 0.5, "f1_low": nan, "f1_high": 0.6}) == Measured(0.5, None, 0.6)
    assert Measured(0.5, None, 0.6).text() == "0.500"
    assert Measured.of({"f1": nan}) is Measured.of({}) is Measured.of(None) is None


def test_slack_gets_its_text_alone_with_the_three_signs_that_it_would_read_as_its_own():
    body = json.loads(notice(reason="a < b & c > d, as <!channel> says").body("slack"))
    assert body.keys() == {"text"}
    assert "a &lt; b &amp; c &gt; d, as &lt;!channel&gt; says" in body["text"]


def test_the_plain_form_has_each_fact_and_the_text():
    assert json.loads(notice().body("plain")) == {
        "event": "promoted",
        "model": "flights-sklearn",
        "engine": "sklearn",
        "version": 3,
        "reason": REASON,
        "f1": {"f1": 0.53789, "low": 0.52101, "high": 0.5547},
        "champion": {"version": 2, "f1": 0.5259, "low": 0.509, "high": 0.543},
        "report": "s3://bucket/1/a/report.html",
        "cycle": "retrain-1",
        "text": notice().text(),
    }
    bare = json.loads(Notice("failed", "flights", "no luck").body("plain"))
    assert bare.keys() == json.loads(notice().body("plain")).keys()
    assert {key for key, value in bare.items() if value is not None} == {"event", "model", "reason", "text"}


def test_a_message_has_the_same_bytes_each_time_so_that_its_id_is_the_same():
    for form in ("slack", "plain"):
        assert notice().body(form) == notice().body(form)
        assert len({notice(event).body(form) for event in EVENTS}) == len(EVENTS)


def test_a_long_reason_is_cut_and_stays_in_one_line():
    text = notice("failed", reason="no\nluck " + "x" * 5000, measured=None, report=None).text()
    assert text.splitlines()[1].startswith("no luck xxx")
    assert len(text) < 1100
    assert text.splitlines()[1].endswith("…")


@pytest.mark.parametrize(
    "address", ["http://me:secret@mlflow:5000", "http://secret@mlflow:5000", "s3://me:se:secret@mlflow:5000"]
)
def test_a_password_in_an_address_is_not_told(address):
    told = notice("failed", reason=f"MLflow at {address} does not answer", report=f"{address}/report.html")
    for form in ("slack", "plain"):
        assert b"secret" not in told.body(form)
        assert b"@mlflow:5000" in told.body(form)
