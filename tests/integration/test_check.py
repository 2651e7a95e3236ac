"""`ratchet check`: what it finds on a small table, where it stops, and that it leaves nothing behind."""

import json
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ratchet.engines.sklearn.engine import ScikitLearn
from ratchet.errors import ConfigurationError, DataError, FailedError
from ratchet.io.table import inspection
from ratchet.jobs.checking import reading
from ratchet.jobs.checking.check import check
from ratchet.jobs.checking.trial_process import TrialProcess
from ratchet.jobs.training.layout import windows_of
from ratchet.settings import Settings
from tests.integration.small_tables import DAYS, FIRST, ROWS, events, written
from tests.integration.verbs import ratchet

NEXT_DAY = FIRST + timedelta(days=DAYS)


def tree(uri, **sections):
    data = {
        "uri": uri,
        "timestamp": "happened_at",
        "label": {"column": "churned", "positive": "yes"},
        "exclude": ("customer",),
        **sections.pop("data", {}),
    }
    return {"model": "churn", "data": data, **sections}


def found(uri, as_of=None, engines=("sklearn",), **sections):
    """The findings, to the last one."""
    findings = []
    with suppress(ConfigurationError, DataError, FailedError):
        findings.extend(check(Settings.model_validate(tree(uri, **sections)), as_of, engines))
    return findings


def sentences(findings, level):
    return [finding.sentence for finding in findings if finding.level == level]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return written(events(), tmp_path_factory.mktemp("check") / "events.parquet")


def configured(folder, uri, **sections):
    (folder / "configs").mkdir()
    content = tree(str(uri), **sections)
    content["data"]["exclude"] = list(content["data"]["exclude"])
    (folder / "configs" / "mine.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.mark.parametrize("name", ["events.csv", "events.parquet"])
def test_a_good_table_has_a_line_for_each_check_and_no_warning(tmp_path, name):
    findings = found(written(events(), tmp_path / name))
    assert {finding.level for finding in findings} == {"ok", "skipped"}
    said = "\n".join(f"{finding.check} {finding.sentence}" for finding in findings)
    assert "8,640 rows in 1" in said
    assert f"2025-01-01 to {NEXT_DAY - timedelta(days=1):%Y-%m-%d}" in said
    assert "features 2 numeric: usage, age" in said
    assert "features 1 categorical: plan" in said
    assert "features not used: customer" in said
    assert "the label 'churned' is 'yes' or 'no'" in said
    assert "sklearn hist_gradient_boosting fitted on" in said
    assert "200 rows served as in training" in said
    assert "spark not tried" in said


def test_the_windows_have_the_rows_and_positives_of_the_table(table):
    frame = events()
    frame = frame[frame["happened_at"] >= NEXT_DAY - pd.DateOffset(months=1)]
    (said,) = [one.sentence for one in found(table, engines=()) if one.sentence.startswith("test ")]
    assert f"{len(frame):,} rows, {(frame['churned'] == 'yes').mean():.1%} positive" in said


def test_an_engine_that_is_not_among_the_cycles_is_not_missed(table):
    assert not sentences(found(table, engines=(), retrain={"engines": ("spark",)}), "error")
    assert [one.check for one in found(table, engines=(), retrain={"engines": ("spark",)})][-1] == "spark"


@pytest.mark.parametrize("estimator", ["logistic_regression", "random_forest"])
def test_the_estimator_of_the_settings_is_tried(table, estimator):
    said = sentences(found(table, sklearn={"estimator": estimator}), "ok")
    assert any(sentence.startswith(f"{estimator} fitted") for sentence in said)


def test_columns_of_booleans_and_an_epoch_survive_the_small_table(tmp_path):
    frame = events()
    changed = frame.assign(
        happened_at=frame["happened_at"].astype("datetime64[s]").astype("int64"), vip=frame["age"] > 40
    )
    data = {"timestamp_unit": "s", "numeric": ("usage",), "categorical": ("plan", "vip")}
    assert not sentences(found(written(changed, tmp_path / "events.parquet"), data=data), "error")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"plan": "basic"}, "the column 'plan' is constant"),
        ({"age": None, "code": [f"x{row}" for row in range(ROWS)]}, "'code' has as many values as there are rows"),
        ({"churned": np.where(np.arange(ROWS) % 60 == 0, "yes", "no")}, "below 200, calibration uses a sigmoid"),
    ],
)
def test_what_a_trainer_warns_of_is_warned_of(tmp_path, changed, said):
    (warning, *_) = sentences(found(written(events(**changed), tmp_path / "events.parquet"), engines=()), "warning")
    others = sentences(found(written(events(**changed), tmp_path / "events.parquet"), engines=()), "warning")
    assert any(said in each for each in [warning, *others])


def test_warnings_are_those_of_a_trainers_engine(tmp_path):
    frame = events(plan="basic", churned=np.where(np.arange(ROWS) % 60 == 0, "yes", "no"))
    frame = pd.concat([frame, frame.iloc[-1000:]])  # copies in the test window alone are no leak
    settings = Settings.model_validate(tree(written(frame, tmp_path / "events.parquet"), data={"entity": "plan"}))
    inspected = inspection.inspect(settings.data)
    engine = ScikitLearn(settings)
    engine.read(inspected, windows_of(settings, inspected.end), ())
    checked = found(settings.data.uri, engines=(), data={"entity": "plan"})
    assert [one.sentence for one in checked if (one.check, one.level) == ("data", "warning")] == list(engine.warnings)
    assert len(engine.warnings) > 1


def test_labels_that_seem_to_arrive_late_are_warned_of(tmp_path):
    frame = events()
    late = frame["happened_at"] >= NEXT_DAY - timedelta(days=7)
    frame["churned"] = np.where(late, "no", np.where(np.arange(len(frame)) % 3 == 0, "yes", "no"))
    (warning,) = [
        each
        for each in sentences(found(written(frame, tmp_path / "events.csv"), engines=()), "warning")
        if "known_after" in each
    ]
    assert "have far fewer rows with 'churned' 'yes'" in warning


@pytest.mark.parametrize(
    ("changed", "sections", "check", "said"),
    [
        ({}, {"data": {"timestamp": "happend_at"}}, "table", "similar names: happened_at"),
        ({}, {"data": {"label": {"column": "churned", "positive": "ja"}}}, "data", "has 2 values besides"),
        ({"churned": "no"}, {}, "data", "both classes are needed"),
        ({}, {"windows": {"test": "4mo", "calibration": "4mo"}}, "data", "is empty: 0 rows"),
        ({}, {"evaluation": {"slices": ("region",)}}, "features", "the column 'region' is not in"),
        ({}, {"sklearn": {"params": {"trees": 3}}}, "sklearn", "sklearn.params.trees is no parameter"),
        ({}, {"sklearn": {"params": {"learning_rate": -1}}}, "sklearn", "can't be fitted with sklearn.params"),
        ({"usage": np.inf}, {}, "data", "is infinite in"),
    ],
)
def test_it_stops_where_a_trainer_would(tmp_path, changed, sections, check, said):
    last = found(written(events(**changed), tmp_path / "events.parquet"), **sections)[-1]
    assert (last.check, last.level) == (check, "error")
    assert said in last.sentence


def test_missing_labels_of_the_newest_days_name_the_setting_that_helps(tmp_path):
    frame = events()
    frame.loc[frame["happened_at"] >= NEXT_DAY - timedelta(days=9), "churned"] = None
    uri = written(frame, tmp_path / "events.csv")
    assert "set data.label.known_after to 9d or more" in found(uri)[-1].sentence
    label = {"column": "churned", "positive": "yes", "known_after": "9d"}
    passed = found(uri, engines=(), data={"label": label})
    assert not sentences(passed, "error")
    assert any("432 rows from" in sentence for sentence in sentences(passed, "ok"))


def test_of_a_large_table_some_row_groups_are_read_and_all_labels(tmp_path):
    frame = events()
    path = tmp_path / "events.parquet"
    frame.to_parquet(path, index=False, row_group_size=100)
    settings = Settings.model_validate(tree(str(path)))
    inspected = inspection.inspect(settings.data)
    windows = windows_of(settings, inspected.end)
    whole, some = (reading.read(inspected, windows, (), most) for most in (10**6, 200))
    assert (whole.whole, some.whole) == (True, False)
    assert 0 < sum(map(len, some.frames)) < sum(map(len, whole.frames)) / 2
    assert [replace(facts, columns=()) for facts in some.facts] == [replace(facts, columns=()) for facts in whole.facts]
    assert list(reading.judged(some, inspected)) == list(reading.judged(whole, inspected)) == []


def test_the_verb_ends_with_the_next_command_and_leaves_nothing_behind(tmp_path, table):
    folder = configured(tmp_path, table)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = ratchet(
        folder, "check", "--env", "mine", environment={"TMPDIR": str(temporary), "MLFLOW_LOGGING_LEVEL": "ERROR"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "next: ratchet retrain --env mine"
    assert {path.name for path in folder.iterdir()} == {"configs", "tmp"}
    assert not list(temporary.glob("ratchet*"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--set", "data.timestamp=when"), 3, "the column 'when' is not in"),
        (("--set", "windows.test=1year"), 2, "windows.test"),
        (("--as-of", "2019-01-01"), 3, "is empty"),
        (("--set", "sklearn.params.trees=3"), 2, "sklearn.params.trees is no parameter"),
    ],
)
def test_a_fault_is_the_exit_code_of_a_trainer_and_one_line(tmp_path, table, arguments, code, said):
    done = ratchet(configured(tmp_path, table), "check", "--env", "mine", *arguments)
    assert done.returncode == code
    (line,) = done.stderr.splitlines()
    assert said in line
    assert "next:" not in done.stdout


def test_findings_as_json_end_with_the_error(tmp_path, table):
    done = ratchet(configured(tmp_path, table), "check", "--env", "mine", "--json", "--set", "data.label.positive=ja")
    last = json.loads(done.stdout)[-1]
    assert (done.returncode, last["check"], last["level"]) == (3, "data", "error")


def test_a_process_that_dies_is_an_error_and_so_is_what_it_raises():
    with TrialProcess(()) as process, pytest.raises(FailedError, match="ended with 7"):
        process.result("os", "_exit", 7)
    with TrialProcess(()) as process, pytest.raises(FailedError, match=r"^FileNotFoundError: .*nowhere"):
        process.result("os", "listdir", str(Path(tempfile.gettempdir()) / "nowhere"))
