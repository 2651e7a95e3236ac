"""`ratchet init`: from a table's address to a configuration that passes `ratchet check`."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from ratchet import cli, configuration
from ratchet.cli import checking
from ratchet.io.table import inspection
from ratchet.jobs.checking.check import check
from tests.integration.small_tables import DAYS, FIRST, ROWS, events, written

LAST = FIRST + timedelta(days=DAYS)


@pytest.fixture
def ratchet(tmp_path, monkeypatch):
    """Run a verb in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RATCHET_CONFIGS", raising=False)
    return lambda *arguments, **more: CliRunner().invoke(cli.main, arguments, prog_name="ratchet", **more)


def checked(name, engines=()):
    """The settings of a written file, which `ratchet check` accepts."""
    settings = configuration.load(name)
    assert [one.sentence for one in check(settings, None, engines) if one.level == "error"] == []
    return settings


@pytest.mark.parametrize("name", ["events.csv", "events.parquet"])
def test_a_table_becomes_a_configuration_that_passes_the_check(ratchet, tmp_path, name):
    uri = written(events(), tmp_path / name)
    done = ratchet("init", uri, "--model", "churn", "--timezone", "Europe/Berlin")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "next: ratchet check --env churn"
    data = checked("churn", ("sklearn",)).data
    assert (data.timestamp, data.timezone, data.label.column) == ("happened_at", "Europe/Berlin", "churned")
    assert (data.label.positive, data.numeric, data.categorical) == ("yes", ("usage", "age"), ("plan",))
    text = (tmp_path / "configs" / "churn.yaml").read_text()
    assert "#   customer: as many values as rows: an id" in text
    assert "windows" not in text


@pytest.mark.parametrize(
    ("name", "model"),
    [("events.csv", "events"), ("My Table_2.parquet", "my-table-2"), ("_.parquet", "model")],
)
def test_the_models_name_comes_from_the_address(ratchet, tmp_path, name, model):
    folder = tmp_path / "table"
    folder.mkdir()
    uri = folder / name if not name.startswith("_") else folder / "é.parquet"
    assert ratchet("init", written(events(), uri)).exit_code == 0
    assert configuration.load(model).model == model


def test_a_leak_is_left_out_and_pointed_out(ratchet, tmp_path):
    frame = events()
    gone = frame["churned"] == "yes"
    frame["final_bill"] = np.where(gone, 50 + frame["age"], 0)
    frame["reason"] = np.where(gone, frame["plan"], None)
    frame["closed_at"] = frame["happened_at"].where(gone)
    done = ratchet("init", written(frame, tmp_path / "events.parquet"))
    for name in ("final_bill", "reason", "closed_at"):
        assert f"a leak? {name!r} alone separates the classes (ROC AUC 1.000); it is left out" in done.stdout
        assert f"# A leak? {name} alone separates" in (tmp_path / "configs" / "events.yaml").read_text()
    assert checked("events").data.numeric == ("usage", "age")


def test_the_newest_rows_without_labels_get_their_time(ratchet, tmp_path):
    frame = events()
    frame.loc[frame["happened_at"] >= LAST - timedelta(days=9), "churned"] = None
    done = ratchet("init", written(frame, tmp_path / "events.csv"))
    assert "the last 9 days lack labels: data.label.known_after is set" in done.stdout
    assert checked("events").data.label.known_after == "9d"


def test_labels_missing_here_and_there_are_dropped(ratchet, tmp_path):
    frame = events()
    frame.loc[::97, "churned"] = None
    assert ratchet("init", written(frame, tmp_path / "events.parquet")).exit_code == 0
    label = checked("events").data.label
    assert (label.known_after, label.missing) == (None, "drop")


def test_a_short_table_gets_windows_that_fit(ratchet, tmp_path):
    frame = events()
    frame = frame[frame["happened_at"] < FIRST + timedelta(days=40)]
    assert ratchet("init", written(frame, tmp_path / "events.parquet")).exit_code == 0
    windows = checked("events").windows
    assert (windows.test, windows.calibration, windows.train) == ("8d", "8d", None)


def test_an_epoch_is_recognized_with_its_unit_and_so_are_numbers_as_labels(ratchet, tmp_path):
    frame = events()
    frame["happened_at"] = frame["happened_at"].astype("datetime64[ms]").astype("int64")
    frame["churned"] = (frame["churned"] == "yes").astype(int)
    assert ratchet("init", written(frame, tmp_path / "events.csv")).exit_code == 0
    data = checked("events").data
    assert (data.timestamp_unit, data.label.positive) == ("ms", 1)


def test_a_spreadsheet_of_europe_is_read(ratchet, tmp_path):
    events().to_csv(tmp_path / "events.csv", index=False, sep=";", decimal=",")
    assert ratchet("init", str(tmp_path / "events.csv")).exit_code == 0
    data = checked("events").data
    assert (data.csv.separator, data.csv.decimal, data.numeric) == (";", ",", ("usage", "age"))


@pytest.mark.parametrize("form", ["%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d-%b-%y", "%Y%m%d"])
def test_a_timestamp_in_another_format_is_recognized(ratchet, tmp_path, form):
    frame = events()
    days = frame["happened_at"].dt.date
    frame["happened_at"] = frame["happened_at"].dt.strftime(form)
    assert ratchet("init", written(frame, tmp_path / "events.csv")).exit_code == 0
    settings = checked("events")
    assert (settings.data.timestamp_format, settings.data.timestamp_unit) == (form, None)
    assert inspection.inspect(settings.data).end == max(days) + timedelta(days=1)


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y%m%d"])
def test_a_day_in_the_paths_is_the_timestamp_if_the_files_have_none(ratchet, tmp_path, form):
    frame = events()
    for day, rows in frame.groupby(frame["happened_at"].dt.date):
        folder = tmp_path / "events" / f"plan_year={day.year}" / f"day={day.strftime(form)}"
        folder.mkdir(parents=True)
        written(rows.drop(columns="happened_at"), folder / "a.parquet")
    assert ratchet("init", str(tmp_path / "events")).exit_code == 0
    data = checked("events").data
    assert (data.timestamp, data.timestamp_format) == ("day", None if form == "%Y-%m-%d" else form)
    assert (data.numeric, data.categorical) == (("usage", "age"), ("plan",))
    assert "#   plan_year: a part of the path" in (tmp_path / "configs" / "events.yaml").read_text()


def test_where_day_and_month_could_be_swapped_an_option_decides(ratchet, tmp_path):
    frame = events()
    frame = frame[frame["happened_at"].dt.day <= 12]
    frame["happened_at"] = frame["happened_at"].dt.strftime("%d/%m/%Y")
    uri = written(frame, tmp_path / "events.csv")
    done = ratchet("init", uri)
    assert (done.exit_code, "fit %d/%m/%Y and %m/%d/%Y; --timestamp-format names one" in done.stderr) == (2, True)
    assert ratchet("init", uri, "--timestamp-format", "%d/%m/%Y").exit_code == 0
    assert configuration.load("events").data.timestamp_format == "%d/%m/%Y"


def test_a_file_that_is_not_utf_8_is_proposed_as_windows_writes_it(ratchet, tmp_path):
    frame = events(plan=np.where(RANDOM > 0, "günstig", "teuer"))
    frame.to_csv(tmp_path / "events.tsv", index=False, sep="\t", encoding="cp1252")
    assert ratchet("init", str(tmp_path / "events.tsv"), "--label", "churned").exit_code == 0
    data = checked("events").data
    assert (data.csv.separator, data.csv.encoding, data.categorical) == ("\t", "cp1252", ("plan",))


def test_a_third_value_of_the_label_may_mean_that_it_is_not_known(ratchet, tmp_path):
    frame = events()
    frame.loc[::97, "churned"] = "pending"
    uri = written(frame, tmp_path / "events.csv")
    done = ratchet("init", uri, "--label", "churned")
    assert (done.exit_code, "has 3 values ('no', 'yes', 'pending')" in done.stderr) == (3, True)
    assert ratchet("init", uri, "--label", "churned", "--unknown", "pending").exit_code == 0
    label = checked("events").data.label
    assert (label.positive, label.unknown, label.missing) == ("yes", ("pending",), "drop")


def test_ids_by_name_and_text_because_of_a_few_values_are_told(ratchet, tmp_path):
    spent = [f"{value:.2f}" for value in RANDOM]
    spent[7] = "unlimited"
    frame = events(customer_id=np.arange(ROWS) % 300, spent=spent)
    done = ratchet("init", written(frame, tmp_path / "events.csv"))
    assert "'customer_id' (300 whole numbers, and an id by its name; data.entity may name it)" in done.stdout
    assert "is text because of 'unlimited' in row 8" in (tmp_path / "configs" / "events.yaml").read_text()


def test_names_that_yaml_would_read_differently_are_quoted(ratchet, tmp_path):
    odd = {"no": 1.5, "a, b": 2.5, "2025-01-01": 3.5, " x: #y": 4.5, "[z]": 5.5, "1": 6.5}
    frame = events(**{name: RANDOM * value for name, value in odd.items()})
    assert ratchet("init", written(frame, tmp_path / "events.parquet")).exit_code == 0
    assert set(checked("events").data.numeric) == {"usage", "age", *odd}


RANDOM = np.random.default_rng(2).normal(size=ROWS)


def test_several_candidates_need_an_option(ratchet, tmp_path):
    frame = events()
    frame["noticed_at"] = frame["happened_at"] + timedelta(days=1)
    frame["vip"] = frame["age"] > 60
    uri = written(frame, tmp_path / "events.parquet")
    done = ratchet("init", uri)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "2 columns of" in done.stderr
    assert "can be the timestamp: happened_at, noticed_at; --timestamp names one" in done.stderr
    done = ratchet("init", uri, "--timestamp", "happened_at")
    assert (done.exit_code, "churned, vip; --label names one" in done.stderr) == (2, True)
    done = ratchet("init", uri, "--timestamp", "happened_at", "--label", "vip", "--positive", "false")
    assert done.exit_code == 0
    label = configuration.load("events").data.label
    assert (label.column, label.positive) == ("vip", False)


def test_on_a_terminal_it_asks(ratchet, tmp_path, monkeypatch):
    frame = events()
    uri = written(frame.assign(noticed_at=frame["happened_at"]), tmp_path / "events.parquet")
    asked = []
    monkeypatch.setattr(checking, "_ask", lambda role, candidates: asked.append((role, [*candidates])) or "noticed_at")
    assert ratchet("init", uri).exit_code == 0
    assert asked == [("timestamp", ["happened_at", "noticed_at"])]
    assert configuration.load("events").data.timestamp == "noticed_at"


@pytest.mark.parametrize(
    ("changed", "options", "code", "said"),
    [
        ({"happened_at": None}, (), 3, "can be the timestamp: it has a date, a datetime, an epoch or a time as text"),
        ({"churned": None}, (), 3, "can be the label: it has exactly two values"),
        ({}, ("--label", "plan"), 3, "the label column 'plan' of"),
        ({}, ("--label", "churn"), 3, "similar names: churned"),
        ({}, ("--timestamp", "usage"), 2, "the timestamp column 'usage' holds numbers"),
        ({}, ("--positive", "maybe"), 2, "--positive 'maybe' does not occur in 'churned', which has 'no' and 'yes'"),
        ({}, ("--unknown", "maybe"), 2, "--unknown 'maybe' does not occur in 'churned'"),
        ({}, ("--timestamp-format", "%d.%m."), 2, "--timestamp-format '%d.%m.' must have the year once"),
        ({}, ("--timezone", "Berlin"), 2, "'Berlin' is not a time zone"),
        ({}, ("--model", "My Model"), 2, "--model 'My Model'"),
        ({}, ("--out", "configs/Mine.yml"), 2, "--out configs/Mine.yml"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_no_file(ratchet, tmp_path, changed, options, code, said):
    done = ratchet("init", written(events(**changed), tmp_path / "events.parquet"), *options)
    (line,) = done.stderr.splitlines()
    assert (done.exit_code, said in line) == (code, True), line
    assert not (tmp_path / "configs").exists()


def test_a_table_of_a_few_days_is_too_short(ratchet, tmp_path):
    frame = events()
    frame = frame[frame["happened_at"] < pd.Timestamp("2025-01-04")]
    done = ratchet("init", written(frame, tmp_path / "events.parquet"))
    assert (done.exit_code, "has 3 days" in done.stderr) == (3, True)


def test_a_file_is_overwritten_only_by_force(ratchet, tmp_path):
    uri = written(events(), tmp_path / "events.parquet")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "events.yaml").write_text("mine\n")
    done = ratchet("init", uri)
    assert (done.exit_code, "exists: --force overwrites it" in done.stderr) == (2, True)
    assert (tmp_path / "configs" / "events.yaml").read_text() == "mine\n"
    assert ratchet("init", uri, "--force").exit_code == 0
    assert checked("events").model == "events"
