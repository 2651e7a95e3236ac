"""What the verbs print at the end."""

import json
from datetime import UTC, datetime

import pytest

from ratchet.cli import tables
from ratchet.jobs.promotion.results import Result
from ratchet.jobs.show import Row
from ratchet.settings import Settings

METRICS = {"f1": 0.53789, "precision": 0.45, "recall": 0.668, "roc_auc": 0.741, "threshold": 0.31}
REASON = (
    "F1 0.538 beats version 1 on the same rows, difference +0.012;"
    " better on days like these with a probability of 99.1 %"
)


@pytest.fixture
def settings():
    data = {"uri": "x", "timestamp": "at", "label": {"column": "late", "positive": True}}
    return Settings.model_validate({"model": "flights", "data": data})


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def result(outcome="promoted", **others):
    return Result(
        **{
            "engine": "sklearn",
            "model": "flights-sklearn",
            "cycle": "retrain-1",
            "outcome": outcome,
            "reason": REASON,
            **others,
        }
    )


def row(**others):
    return Row(
        **{
            "model": "flights-sklearn",
            "engine": "sklearn",
            "version": 2,
            "aliases": ("champion",),
            "f1": 0.53789,
            "f1_today": 0.512,
            "decision": "promoted",
            "reason": REASON,
            "as_of": "2014-01-01",
            "cycle": "retrain-1",
            "created": datetime(2014, 1, 1, tzinfo=UTC),
            "run_id": "abc",
            "moved": None,
            **others,
        }
    )


def test_the_end_of_a_cycle_says_what_was_decided_and_where_to_look(settings, capsys):
    report = "file:///somewhere/with/a/very/long/address/" + "x" * 200 + "/report.html"
    tables.print_results([result(version=2, metrics=METRICS, report=report)], settings)
    printed = capsys.readouterr().out
    for text in ("retrain-1", "sklearn", "promoted", "0.538", "0.450", "0.668", "0.741", "0.310", report, "make ui"):
        assert text in printed
    assert "better on days like these" in printed


def test_rows_without_a_final_label_are_told_below_the_versions(capsys):
    tables.print_versions([row(), row(version=3, not_yet_known=12_345)], as_json=False)
    told = "flights-sklearn, cycle retrain-1: 12,345 rows from 2014-01-01 on had no final label yet"
    assert capsys.readouterr().out.splitlines()[-1] == told


def test_a_server_is_named_by_its_address(settings, capsys):
    tracking = settings.tracking.model_copy(update={"uri": "http://mlflow:5000"})
    tables.print_results([result()], settings.model_copy(update={"tracking": tracking}))
    printed = capsys.readouterr().out
    assert "http://mlflow:5000" in printed
    assert "make ui" not in printed


def test_a_missing_candidate_has_dashes_for_numbers(settings, capsys):
    tables.print_results([result("missing", cycle=None, reason="no cycle has a complete run")], settings)
    printed = capsys.readouterr().out
    assert "no cycle has a complete run" in printed
    assert printed.count("–") == 6


def test_a_reason_is_printed_as_it_is_and_never_as_markup(settings, capsys):
    tables.print_results([result("held", reason="a column named [red] is missing")], settings)
    tables.print_versions([row(reason="a column named [bold] is missing")], as_json=False)
    printed = capsys.readouterr().out
    assert "[red]" in printed
    assert "[bold]" in printed


def test_versions_are_shown_with_both_f1_values_and_aliases(capsys):
    tables.print_versions([row(), row(version=None, aliases=(), f1_today=None, decision=None)], as_json=False)
    printed = capsys.readouterr().out
    for text in ("champion", "0.538", "0.512", "not decided", "2014-01-01"):
        assert text in printed


def test_versions_are_shown_with_the_objective_that_decides(capsys):
    by_cost = row(objective="cost", objective_value=0.21349)
    tables.print_versions([by_cost, row(objective="cost")], as_json=False)
    printed = capsys.readouterr().out
    assert printed.count("cost") == 2
    assert "0.213" in printed
    assert "0.538" in printed


def test_without_versions_the_way_to_one_is_shown(capsys):
    tables.print_versions([], as_json=False)
    assert "ratchet retrain" in capsys.readouterr().out


def test_json_holds_all_that_is_known_with_every_digit(capsys):
    tables.print_versions([row(reason="[red] " + "long " * 60)], as_json=True)
    (only,) = json.loads(capsys.readouterr().out)
    assert (only["version"], only["f1"], only["aliases"]) == (2, 0.53789, ["champion"])
    assert only["reason"].startswith("[red] long")


def test_no_version_is_an_empty_list_in_json(capsys):
    tables.print_versions([], as_json=True)
    assert json.loads(capsys.readouterr().out) == []
