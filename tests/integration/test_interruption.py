"""What becomes of a trainer that is stopped, killed or fails, and of one whose MLflow comes and goes."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow.tracking import MlflowClient

from ratchet.io.records.registered_model import versions_of
from ratchet.jobs.promotion.register import register
from tests.integration.conftest import free_port, start_server, stop_server, wait_until_up
from tests.integration.trainer_fixtures import ENDLESS, empty_mlflow, small_settings, write_configuration
from tests.integration.verbs import Verb, events, ratchet

TRAIN = ("train", "sklearn", "--env", "test")


@pytest.fixture(scope="module")
def folder(flights_slice, tmp_path_factory):
    made = tmp_path_factory.mktemp("interruption")
    return write_configuration(made, flights_slice, tracking=_file(made))


@pytest.fixture(scope="module")
def settings(flights_slice, folder):
    return small_settings(flights_slice, folder)


def _file(folder):
    return {"uri": f"sqlite:///{folder}/mlflow.db", "artifacts": f"{folder}/artifacts"}


def runs_of(uri, cycle):
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("flights").experiment_id
    return client.search_runs([experiment], f"tags.`ratchet.cycle` = '{cycle}'")


def registered(uri):
    return [found.number for found in versions_of(MlflowClient(uri), "flights-sklearn")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_fit_ends_at_once_as_killed_and_leaves_nothing_to_register(folder, settings, number):
    cycle = f"stopped-by-{number}"
    with Verb(folder, *TRAIN, "--cycle", cycle, "--set", ENDLESS) as verb:
        verb.wait_for("train.read")
        verb.send(number)
        code, words = verb.end()
    assert code == 128 + number
    assert words == f"ratchet: interrupted by {number.name}\n"
    (run,) = runs_of(settings.tracking.uri, cycle)
    assert run.info.status == "KILLED"
    assert "ratchet.complete" not in run.data.tags
    (result,) = register(settings, cycle)
    assert result.outcome == "missing"
    assert "is KILLED, not FINISHED" in result.reason


def test_an_interrupted_cycle_stops_its_trainer_and_its_run_ends_as_killed(folder, settings):
    with Verb(folder, "retrain", "--env", "test", "--cycle", "stopped", "--set", ENDLESS) as verb:
        verb.wait_for("train.read")
        verb.send(signal.SIGTERM)
        code, words = verb.end()
    assert code == 128 + signal.SIGTERM
    assert words.endswith("ratchet: interrupted by SIGTERM\n")
    (run,) = runs_of(settings.tracking.uri, "stopped")
    assert run.info.status == "KILLED"


def test_a_cycle_whose_trainer_was_killed_is_run_again_to_one_complete_run_and_one_version(folder, settings):
    with Verb(folder, *TRAIN, "--cycle", "killed", "--set", ENDLESS) as verb:
        verb.wait_for("train.read")
        verb.send(signal.SIGKILL)
        assert verb.end()[0] == -signal.SIGKILL
    again = ratchet(folder, "retrain", "--env", "test", "--cycle", "killed")
    assert again.returncode == 0, again.stderr
    uri = settings.tracking.uri
    complete = [run for run in runs_of(uri, "killed") if run.data.tags.get("ratchet.complete") == "true"]
    assert len(complete) == 1
    assert registered(uri) == [1]
    assert MlflowClient(uri).get_model_version("flights-sklearn", "1").run_id == complete[0].info.run_id


def test_wrong_data_end_as_3_with_one_line_and_a_failed_run(folder, settings):
    before = registered(settings.tracking.uri)
    failed = ratchet(folder, "retrain", "--env", "test", "--cycle", "wrong-data", "--as-of", "2014-06-01")
    assert failed.returncode == 3
    (run,) = runs_of(settings.tracking.uri, "wrong-data")
    assert run.info.status == "FAILED"
    assert registered(settings.tracking.uri) == before
    assert failed.stderr.splitlines()[-1].startswith("ratchet: sklearn failed: the calibration window")


def test_a_trainer_with_wrong_data_says_so_in_one_line(folder):
    failed = ratchet(folder, *TRAIN, "--cycle", "nothing-there", "--set", "data.uri=nowhere")
    assert failed.returncode == 3
    assert len(failed.stderr.splitlines()) == 1
    assert "nowhere" in failed.stderr


def test_a_wrong_configuration_ends_as_2_with_one_line_before_anything_is_recorded(folder):
    failed = ratchet(folder, *TRAIN, "--cycle", "wrong-setting", "--set", "windows.tset=1mo")
    assert failed.returncode == 2
    assert len(failed.stderr.splitlines()) == 1
    assert "windows.tset is no setting" in failed.stderr
    refused = ratchet(folder, *TRAIN, "--cycle", "Not An Id")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)


def test_two_trainers_that_start_at_once_on_a_new_file_both_succeed(flights_slice, tmp_path):
    folder = write_configuration(tmp_path, flights_slice, tracking=_file(tmp_path))
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda cycle: ratchet(folder, *TRAIN, "--cycle", cycle), ("one", "two")))
    assert [done.returncode for done in both] == [0, 0], [done.stderr for done in both]
    for cycle in ("one", "two"):
        (run,) = runs_of(_file(tmp_path)["uri"], cycle)
        assert run.data.tags["ratchet.complete"] == "true"


def test_a_run_is_completed_when_mlflow_was_away_in_its_middle(flights_slice, tmp_path):
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    folder = write_configuration(tmp_path, flights_slice, tracking={"uri": uri})
    server = start_server(tmp_path, port)
    try:
        wait_until_up(server, uri, tmp_path / "server.log")
        # A busy machine may take longer to start a server than a trainer waits; a quiet one should not wait long.
        patience = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "9", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1"}
        with Verb(folder, *TRAIN, "--cycle", "away", environment=patience) as verb:
            verb.wait_for("train.read")
            stop_server(server)
            server = start_server(tmp_path, port)
            code, words = verb.end()
        assert code == 0, words
        wait_until_up(server, uri, tmp_path / "server.log")
        (run,) = runs_of(uri, "away")
        assert (run.info.status, run.data.tags["ratchet.complete"]) == ("FINISHED", "true")
        assert run.data.params["estimator__max_iter"] == "20"
        files = {file.path for file in MlflowClient(uri).list_artifacts(run.info.run_id)}
        assert {"report.html", "comparison.csv"} <= files
    finally:
        stop_server(server)


def test_an_mlflow_that_is_away_at_the_start_ends_as_1_and_is_named(flights_slice, tmp_path):
    uri = f"http://127.0.0.1:{free_port()}"
    folder = write_configuration(tmp_path, flights_slice, tracking={"uri": uri})
    failed = ratchet(folder, *TRAIN, environment={"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"})
    assert failed.returncode == 1
    (line,) = failed.stderr.splitlines()
    assert line.startswith(f"ratchet: MLflow at {uri} does not answer: ")
    assert events(failed) == {}


_SIGNALLED = """
import os, signal, sys, time
from ratchet.cli.group import interrupt
from ratchet.errors import Interrupted

class Last:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)

def wait(seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.01)

signal.signal(signal.SIGTERM, interrupt)
try:
    try:
        if sys.argv[1] == "lost":
            Last()
        else:
            os.kill(os.getpid(), signal.SIGTERM)
        wait(30)
    finally:
        wait(2.5)
        print("cleaned up", flush=True)
except Interrupted:
    signal.setitimer(signal.ITIMER_REAL, 0)
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("case", ["lost", "arrived"])
def test_an_interruption_that_a_destructor_swallows_comes_again_and_none_cuts_the_cleaning_up_short(case, tmp_path):
    command = [sys.executable, "-c", _SIGNALLED, case]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split("\n")[:2] == ["cleaned up", "interrupted"], done.stderr
    assert ("Exception ignored" in done.stderr) == (case == "lost")


_CONVERTED = """
import os, signal, sqlite3, sys
import mlflow
from mlflow.tracking import MlflowClient
from ratchet.cli import main
from ratchet.io.records import tracking

def signalled():
    os.kill(os.getpid(), signal.SIGTERM)
    return 1

@main.command("converted")
def converted():
    mlflow.set_tracking_uri(sys.argv[1])
    with tracking.recorded_run(MlflowClient(), "0", model="model", cycle="cycle", engine="sklearn"):
        database = sqlite3.connect(":memory:")
        database.create_function("signalled", 0, signalled)
        database.execute("SELECT signalled()")

main(["converted"])
"""


def test_an_interruption_that_a_callback_in_c_converts_is_still_one(tmp_path):
    empty_mlflow(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    command = [sys.executable, "-c", _CONVERTED, uri]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (143, "ratchet: interrupted by SIGTERM")
    (run,) = MlflowClient(uri).search_runs(["0"])
    assert run.info.status == "KILLED"
