"""The team is told by real verbs over real HTTP, and whatever its receiver does, the verbs end as they would have."""

import signal
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from ratchet import background
from ratchet.jobs.promotion.promote import promote, rollback
from ratchet.jobs.promotion.register import register
from tests.integration.candidate_runs import add_run
from tests.integration.conftest import free_port, settings_for
from tests.integration.scoring_fixtures import Cycle, like
from tests.integration.verbs import Verb, events, ratchet
from tests.receiver import HANG, SECRET_PATH, receiving

KEY = "NEVER-SHOWN-0123456789"
MODEL = "flights-sklearn"


@pytest.fixture
def receiver():
    with receiving() as made:
        yield made


@pytest.fixture(scope="module")
def folder(registered, flights_slice, tmp_path_factory):
    """A working directory whose MLflow has a cycle that is run again here: nothing of it is left to train."""
    return like(registered, tmp_path_factory.mktemp("notify"), flights_slice)


CYCLE = ("retrain", "--env", "test", "--cycle", Cycle.id)


def variables(address, **notify):
    """The webhook as the environment tells it to a verb."""
    given = {"url": address, "key": KEY, **notify}
    return {f"RATCHET__NOTIFY__{name.upper()}": str(value) for name, value in given.items()}


def decided(done):
    """What a cycle has printed of its decision."""
    return done.stdout[done.stdout.index(f"Cycle {Cycle.id}") :].split("{")[0]


@pytest.fixture(scope="module")
def told(folder):
    """A cycle whose receiver takes the message; and the receiver."""
    with receiving() as receiver:
        yield ratchet(folder, *CYCLE, environment=variables(receiver.address, form="plain")), receiver


def test_a_cycle_is_told_with_its_decision_and_its_numbers(folder, told):
    done, receiver = told
    assert (done.returncode, done.stderr) == (0, "")
    (message,) = receiver.messages
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (version,) = client.search_model_versions(f"name = '{MODEL}'")
    metrics = client.get_run(version.run_id).data.metrics
    assert message["f1"] == {"f1": metrics["f1"], "low": metrics["f1_low"], "high": metrics["f1_high"]}
    facts = ("event", "model", "engine", "version", "cycle")
    assert [message[name] for name in facts] == ["promoted", MODEL, "sklearn", 1, Cycle.id]
    assert message["reason"] == version.tags["ratchet.reason"]
    assert message["report"].endswith("/report.html")
    assert events(done)["message.sent"]["attempts"] == 1


def test_nobody_waits_for_a_receiver_before_the_lease_is_given_back_and_the_result_is_printed(told):
    output = told[0].stdout
    assert output.index('"retrain.done"') < output.index(f"Cycle {Cycle.id}") < output.index('"message.sent"')


def test_a_receiver_that_hangs_changes_nothing_but_an_event(folder, told, receiver):
    receiver.answers += [HANG] * 9
    done = ratchet(folder, *CYCLE, environment=variables(receiver.address, seconds=1.5))
    assert (done.returncode, done.stderr) == (0, "")
    assert decided(done) == decided(told[0])
    assert events(done)["message.failed"]["what"] == "promoted"
    assert receiver.came.is_set()
    assert not receiver.released.is_set()


def test_a_signal_ends_the_wait_for_a_receiver_and_leaves_the_code(folder, receiver):
    receiver.answers += [HANG] * 9
    with Verb(folder, *CYCLE, environment=variables(receiver.address, seconds=600)) as verb:
        verb.wait_for("message.waiting")
        verb.send(signal.SIGTERM)
        assert verb.end() == (0, "")


def test_a_failed_cycle_keeps_its_code_where_nobody_listens_and_the_address_is_nowhere(
    flights_slice, registered, tmp_path
):
    folder, address = like(registered, tmp_path, flights_slice), f"http://127.0.0.1:{free_port()}{SECRET_PATH}"
    given = variables(address, seconds=2)
    # The fit fails, after the run has its parameters.
    cycle = ("retrain", "--env", "test", "--cycle", "bad", "--set", "sklearn.params.max_iter=-1")
    done = ratchet(folder, *cycle, "--set", f"notify.url={address}", environment=given)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("ratchet: sklearn failed: ")
    failed = events(done)["message.failed"]
    assert (failed["what"], failed["cycle"], failed["why"]) == ("failed", "bad", "NewConnectionError")
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (run,) = client.search_runs(["1"], "tags.`ratchet.cycle` = 'bad'")
    assert run.data.params["notify.seconds"] == "2.0"
    everything = [done.stdout.encode(), done.stderr.encode(), *files(folder)]
    assert any(b"sklearn.params.max_iter" in text for text in everything)
    for secret in (SECRET_PATH, KEY, address.removeprefix("http://").partition("/")[0]):
        assert not [text for text in everything if secret.encode() in text]


def files(folder):
    """The content of MLflow's database and artifacts."""
    return [path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()]


@pytest.fixture
def moved(mlflow_file, receiver):
    """Settings with two versions, the second of which is the champion."""
    uri, artifacts = mlflow_file
    notify = {"url": receiver.address, "form": "plain"}
    settings = settings_for(uri, "told", artifacts, retrain={"engines": ("sklearn",)}, notify=notify)
    for cycle, f1 in (("c1", 0.5), ("c2", 0.6)):
        add_run(settings, cycle, f1)
        (result,) = register(settings, cycle)
    assert result.champion["f1"] == 0.5
    return settings


def test_a_move_by_hand_is_told_as_what_it_is(moved, receiver):
    rollback(moved, "told-sklearn", "it was slow")
    promote(moved, "told-sklearn", 2, "it was not")
    promote(moved, "told-sklearn", 2, "again")
    promote(moved, "told-sklearn", 1, "it was")
    background.finish()
    told = {(message["event"], message["version"]): message["reason"] for message in receiver.messages}
    assert sorted(message["event"] for message in receiver.messages) == ["promoted", "rolled_back", "rolled_back"]
    assert told["promoted", 2].startswith("version 2 of told-sklearn is the champion now; it was version 1; moved")
    assert told["promoted", 2].endswith(": it was not")
    assert told["rolled_back", 2].startswith("version 1 of told-sklearn is the champion now; it was version 2; moved")
