"""Whole cycles on a slice of the flights: the command line's processes, MLflow in a file, one history that grows."""

import csv
import io
import json
import re
import shutil
from collections import defaultdict
from datetime import date
from urllib.parse import urlsplit

import pytest
from mlflow.tracking import MlflowClient

from ratchet.io.records.registered_model import versions_of
from ratchet.jobs.promotion.register import register
from ratchet.jobs.training.train import train
from tests.integration.candidate_runs import read_artifact
from tests.integration.trainer_fixtures import FEATURES, small_settings, write_configuration
from tests.integration.verbs import events, ratchet

EARLY, LATE = "2013-05-01", "2013-06-01"
MODEL = "flights-sklearn"


@pytest.fixture(scope="module")
def folder(flights_slice, tmp_path_factory):
    """The working directory in which the history happens."""
    made = tmp_path_factory.mktemp("cycle")
    return write_configuration(made, flights_slice, tracking=_tracking(made))


def _tracking(folder):
    return {"uri": f"sqlite:///{folder}/mlflow.db", "artifacts": f"{folder}/artifacts"}


@pytest.fixture(scope="module")
def settings(flights_slice, folder):
    return small_settings(flights_slice, folder)


@pytest.fixture
def client(settings):
    return MlflowClient(settings.tracking.uri)


@pytest.fixture(scope="module")
def first(folder):
    return ratchet(folder, "retrain", "--env", "test", "--as-of", EARLY, "--cycle", "first")


@pytest.fixture(scope="module")
def second(folder, first):
    return _step_by_step(folder, "second", EARLY)


@pytest.fixture(scope="module")
def later(folder, second):
    """A cycle a month later, with fewer features: what the version before needs is read for it alone."""
    fewer = ("--set", "data.numeric=[hour]", "--set", "data.categorical=[]")
    return _step_by_step(folder, "later", LATE, *fewer)


def _step_by_step(folder, cycle, as_of, *settings):
    """A cycle by the verbs of its steps; returns the last of them, or the first one that failed."""
    own = ("--env", "test", "--cycle", cycle, *settings)
    trained = ratchet(folder, "train", "sklearn", "--as-of", as_of, *own)
    return ratchet(folder, "register", *own) if trained.returncode == 0 else trained


@pytest.fixture(scope="module")
def worse(settings, later):
    """A cycle whose candidate has learnt next to nothing."""
    return _cycle(settings, "worse", max_iter=1)


@pytest.fixture(scope="module")
def gone(settings, worse):
    """A cycle after the files of version 1 were lost."""
    client = MlflowClient(settings.tracking.uri)
    run = client.get_run(client.get_model_version(MODEL, "1").run_id)
    model = client.get_logged_model(run.data.tags["ratchet.measured_model_uri"].removeprefix("models:/"))
    shutil.rmtree(urlsplit(model.artifact_location).path)
    return _cycle(settings, "gone", max_iter=1)


def _cycle(settings, cycle, **params):
    chosen = settings.model_copy(update={"sklearn": settings.sklearn.model_copy(update={"params": params})})
    train(chosen, "sklearn", cycle, date.fromisoformat(LATE))
    (result,) = register(chosen, cycle)
    return result


def runs_of_cycle(client, cycle):
    experiment = client.get_experiment_by_name("flights").experiment_id
    return client.search_runs([experiment], f"tags.`ratchet.cycle` = '{cycle}'")


def run_of(client, cycle):
    (run,) = runs_of_cycle(client, cycle)
    return run


def importance(settings, run):
    """The lines of importance.csv by model, in their order."""
    found = defaultdict(list)
    for line in csv.DictReader(io.StringIO(read_artifact(settings, run.info.run_id, "importance.csv"))):
        found[line.pop("model")].append(line)
    return dict(found)


def comparison(settings, run):
    return list(csv.DictReader(io.StringIO(read_artifact(settings, run.info.run_id, "comparison.csv"))))


def versions_from(client, run):
    return [found.number for found in versions_of(client, MODEL) if found.run_id == run.info.run_id]


def test_the_first_cycle_is_promoted(first, settings, client):
    assert first.returncode == 0, first.stderr
    run = run_of(client, "first")
    assert run.data.tags["ratchet.decision"] == "promoted"
    assert run.data.metrics["f1"] > run.data.metrics["f1_all_positive"]
    assert versions_from(client, run) == [1]
    assert "promoted" in first.stdout
    decision = json.loads(read_artifact(settings, run.info.run_id, "decision.json"))
    assert (decision["outcome"], decision["version"]) == ("promoted", 1)


def test_the_events_of_the_steps_are_passed_on(first):
    told = events(first)
    assert {"retrain.started", "train.started", "train.done", "register.decided", "retrain.done"} <= set(told)
    assert told["train.done"]["step"] == "sklearn"


def test_the_same_data_and_settings_again_are_held_by_the_tie(second, settings, client):
    assert second.returncode == 0, second.stderr
    run = run_of(client, "second")
    assert run.data.tags["ratchet.decision"] == "held"
    assert "ties with version 1" in run.data.tags["ratchet.reason"]
    (row,) = comparison(settings, run)
    assert (row["basis"], float(row["difference"]), float(row["probability"])) == ("same_rows", 0, 0)
    assert versions_from(client, run) == []


def test_the_same_model_rests_on_the_same_features_and_disagrees_on_no_row(second, settings, client):
    run = run_of(client, "second")
    found = importance(settings, run)
    assert found["candidate"] == found["champion"]
    assert {line["feature"] for line in found["candidate"]} == set(FEATURES)
    report = read_artifact(settings, run.info.run_id, "report.html")
    assert re.search(r"The two label 0 of [\d,]+ drawn rows differently", report)
    assert "On 0 of 30 days the candidate’s F1 is greater than that of the champion, version 1" in report
    assert "champion" not in importance(settings, run_of(client, "first"))


def test_a_champion_with_other_features_is_scored_on_the_same_rows(later, settings, client):
    run = run_of(client, "later")
    found = importance(settings, run)
    assert [line["feature"] for line in found["candidate"]] == ["hour"]
    assert {line["feature"] for line in found["champion"]} == set(FEATURES)
    assert "Where it wins or loses against the champion" in read_artifact(settings, run.info.run_id, "report.html")


def test_a_cycle_that_is_run_twice_has_one_run_and_one_version(folder, first, second, client, settings):
    again = ratchet(folder, "train", "sklearn", "--env", "test", "--as-of", EARLY, "--cycle", "first")
    assert again.returncode == 0, again.stderr
    run = run_of(client, "first")
    assert events(again)["train.already_done"]["run"] == run.info.run_id
    (result,) = register(settings, "first")
    assert (result.outcome, result.version) == ("promoted", 1)
    assert versions_from(client, run) == [1]


def test_a_later_candidate_and_the_version_before_are_measured_on_the_same_rows(later, settings, client):
    assert later.returncode == 0, later.stderr
    run = run_of(client, "later")
    assert run.data.tags["ratchet.test_from"] == "2013-05-01"
    (row,) = comparison(settings, run)
    assert (row["version"], row["basis"], row["note"]) == ("1", "same_rows", "")
    assert row["f1"] != row["recorded_f1"]
    assert run.data.metrics["f1"] > float(row["f1"])
    assert run.data.tags["ratchet.decision"] == "promoted"
    assert versions_from(client, run) == [2]


def test_a_worse_candidate_is_held(worse, client):
    assert worse.outcome == "held"
    assert "is below version 2, the best of 2 versions" in worse.reason
    assert {found.number: found.champion for found in versions_of(client, MODEL)} == {1: False, 2: True}


def test_a_version_whose_files_are_gone_is_left_out_beside_the_champion_and_the_decision_says_why(
    gone, settings, client
):
    assert gone.outcome == "held"
    assert gone.reason.endswith("; not compared: version 1; the 3rd candidate measured on these test rows")
    run = run_of(client, "gone")
    decided = json.loads(read_artifact(settings, run.info.run_id, "decision.json"))
    assert decided["versions_not_compared"]["1"].startswith("it can't be loaded")
    lost, scored = comparison(settings, run)
    assert (lost["basis"], lost["f1"]) == ("recorded", lost["recorded_f1"])
    assert scored["basis"] == "same_rows"


def test_show_tells_of_every_version_and_of_the_newest_candidate(folder, gone):
    shown = ratchet(folder, "show", "--env", "test", "--json")
    assert shown.returncode == 0, shown.stderr
    rows = json.loads(shown.stdout)
    assert [(row["version"], row["decision"]) for row in rows] == [(1, "promoted"), (2, "promoted"), (None, "held")]
    assert [row["aliases"] for row in rows] == [["previous"], ["champion"], []]
    assert rows[1]["f1_today"] is not None
    assert rows[0]["f1_today"] is None


def test_the_champion_moves_by_hand_and_who_moved_it_is_recorded(folder, gone, client):
    back = ratchet(folder, "rollback", MODEL, "--env", "test", "--because", "the newer one is slow")
    assert (back.returncode, back.stderr) == (0, "")
    assert int(client.get_model_version_by_alias(MODEL, "champion").version) == 1
    forth = ratchet(folder, "promote", MODEL, "2", "--env", "test", "--because", "it was not")
    assert (forth.returncode, forth.stderr) == (0, "")
    assert "version 2 of flights-sklearn is the champion now; it was version 1" in forth.stdout
    (moved,) = (found.move for found in versions_of(client, MODEL) if found.number == 2)
    assert moved.because == "it was not"


def test_a_version_that_does_not_exist_is_not_promoted(folder, gone, client):
    refused = ratchet(folder, "promote", MODEL, "9", "--env", "test", "--because", "a mistake")
    assert refused.returncode == 2
    assert refused.stderr == "ratchet: flights-sklearn has no version 9; there are: 1, 2\n"
    assert int(client.get_model_version_by_alias(MODEL, "champion").version) == 2


def test_one_trainer_failing_leaves_the_other_model_registered_and_the_cycle_failed(flights_slice, tmp_path):
    engines = {"engines": ["sklearn", "spark"]}
    folder = write_configuration(tmp_path, flights_slice, tracking=_tracking(tmp_path), retrain=engines)
    # A heap in which no JVM starts.
    failed = ratchet(folder, "retrain", "--env", "test", "--cycle", "half", "--set", "spark.driver_memory=1MiB")
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("ratchet: spark failed: Spark failed while starting Spark")
    client = MlflowClient(_tracking(tmp_path)["uri"])
    assert [found.number for found in versions_of(client, MODEL)] == [1]
    assert versions_of(client, "flights-spark") == ()
    (run,) = [found for found in runs_of_cycle(client, "half") if found.data.tags["ratchet.engine"] == "spark"]
    assert run.info.status == "FAILED"
