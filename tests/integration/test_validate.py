"""A staged version is tried by its real server, and passes or fails for a reason that is said."""

import json
import shutil
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import urllib3
from mlflow.tracking import MlflowClient

from ratchet import configuration
from ratchet.core.trial import TAG, TrialVerdict
from ratchet.io.serving.trial_server import TrialServer
from ratchet.jobs.promotion.register import register
from ratchet.jobs.promotion.validate import validate
from ratchet.jobs.training.train import train
from tests.integration.candidate_runs import read_artifact
from tests.integration.trainer_fixtures import small_settings, write_configuration
from tests.integration.verbs import ratchet

MODEL = "flights-sklearn"
CYCLE = "c1"


@pytest.fixture(scope="module")
def trained(flights_slice, tmp_path_factory):
    """A working directory with one staged version."""
    staging = {"promotion": {"validation": True}}
    folder = write_configuration(tmp_path_factory.mktemp("validate"), flights_slice, **staging)
    settings = small_settings(flights_slice, folder, **staging)
    train(settings, "sklearn", CYCLE, date(2013, 5, 1))
    assert [result.outcome for result in register(settings, CYCLE)] == ["staged"]
    return folder


@pytest.fixture
def folder(trained, monkeypatch):
    """The same with nothing said about the version yet; the process works in it, as a server that it starts does."""
    client = MlflowClient(f"sqlite:///{trained}/mlflow.db")
    if TAG in client.get_model_version(MODEL, "1").tags:
        client.delete_model_version_tag(MODEL, "1", TAG)
    monkeypatch.chdir(trained)
    return trained


def tried(folder, *overrides, cycle=CYCLE):
    options = ["--env", "test", *(word for override in overrides for word in ("--set", override))]
    verdict = validate(configuration.load("test", overrides), "sklearn", options, cycle)
    tag = MlflowClient(f"sqlite:///{folder}/mlflow.db").get_model_version(MODEL, "1").tags.get(TAG)
    assert verdict == (None if tag is None else TrialVerdict.from_tag(tag))
    return verdict


def test_a_good_version_passes_with_what_was_measured(folder):
    verdict = tried(folder)
    assert (verdict.outcome, verdict.reason.startswith("all 200 labels are the trainer's")) == ("passed", True)
    assert 0 < verdict.p95_seconds < 2
    assert 2**27 < verdict.memory_bytes < 2**30
    assert tried(folder, "serving.latency_seconds=0.00001") == verdict, "it is not tried again"


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ("serving.latency_seconds=0.00001", "and serving.latency_seconds is 1e-05"),
        ("serving.memory_limit=64MiB", "of memory, and 64 MiB is its limit"),
    ],
)
def test_too_slow_and_too_big_fail(folder, option, why):
    verdict = tried(folder, option)
    assert verdict.outcome == "failed"
    assert verdict.reason.endswith(why)


def test_a_version_whose_server_will_have_tokens_is_tried_with_one_of_the_trials_own(folder):
    """The step that tries it has no access to the Secret."""
    assert tried(folder, "serving.token_file=/nowhere/tokens").outcome == "passed"


def test_nobody_else_may_ask_the_server_that_is_tried(folder):
    with TrialServer("sklearn", 1, ["--env", "test"], 120) as server:
        address = f"http://127.0.0.1:{server._port}/invocations"
        assert urllib3.request("POST", address, json={}, timeout=20, retries=False).status == 401
        assert server.status_of({}) == 400
        words = " ".join(psutil.Process(server._process.pid).cmdline())
        assert server._token not in words + Path(server._words.name).read_text()
        file = Path(server._tokens.name)
        assert (str(file) in words, file.stat().st_mode & 0o077) == (True, 0)
    assert not file.exists()


def test_other_labels_fail(folder):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    run_id = client.get_model_version(MODEL, "1").run_id
    settings = small_settings("none", folder)
    text = read_artifact(settings, run_id, "sample.json")
    content = json.loads(text)
    content["labels"] = [1 - label for label in content["labels"]]
    client.log_text(run_id, json.dumps(content), "sample.json")
    try:
        assert tried(folder).reason == "200 of 200 labels are not the trainer's"
    finally:
        client.log_text(run_id, text, "sample.json")


def test_a_server_that_does_not_start_fails_with_its_words(folder):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    version = client.get_model_version(MODEL, "1")
    model = client.get_logged_model(
        client.get_run(version.run_id).data.tags["ratchet.model_uri"].removeprefix("models:/")
    )
    place = urlsplit(model.artifact_location).path
    shutil.move(place, f"{place}.gone")
    try:
        verdict = tried(folder)
    finally:
        shutil.move(f"{place}.gone", place)
    assert verdict.outcome == "failed"
    assert verdict.reason.startswith("its server ended with ")


def test_a_cycle_without_a_staged_version_has_nothing_to_try(folder):
    assert tried(folder, cycle="other") is None
    done = ratchet(folder, "validate", "sklearn", "--env", "test", "--cycle", "other")
    assert (done.returncode, "nothing is staged" in done.stdout) == (0, True)


@pytest.mark.parametrize(("limit", "decision"), [("1GiB", "promoted"), ("64MiB", "held")])
def test_a_whole_cycle_tries_and_promotes_or_holds(flights_slice, tmp_path, limit, decision):
    serving = {"memory_limit": limit}
    folder = write_configuration(tmp_path, flights_slice, promotion={"validation": True}, serving=serving)
    done = ratchet(folder, "retrain", "--env", "test", "--as-of", "2013-05-01", "--cycle", CYCLE)
    assert (done.returncode, decision in done.stdout) == (0, True), done.stderr
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    assert client.get_registered_model(MODEL).aliases == ({"champion": 1} if decision == "promoted" else {})
    version = client.get_model_version(MODEL, "1")
    assert version.tags["ratchet.decision"] == decision
    assert ("refused in validation" in version.tags["ratchet.reason"]) is (decision == "held")
