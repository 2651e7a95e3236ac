"""`ratchet train spark` as a process that is stopped, and what it says."""

import json
import signal
from itertools import dropwhile
from pathlib import Path

import mlflow
import psutil
import pytest
from mlflow.tracking import MlflowClient

from tests.integration.scoring_fixtures import Cycle
from tests.integration.trainer_fixtures import write_configuration
from tests.integration.verbs import Verb, ratchet

TRAIN = ("train", "spark", "--env", "test")
ENDLESS = ("--set", "spark.params.maxIter=1000000", "--set", "spark.params.tol=0.0")


@pytest.fixture(scope="module")
def folder(flights_slice, tmp_path_factory):
    made = tmp_path_factory.mktemp("spark-trainer")
    tracking = {"uri": f"sqlite:///{made}/mlflow.db", "artifacts": f"{made}/artifacts"}
    return write_configuration(made, flights_slice, tracking=tracking)


def run_of(folder, cycle):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("flights").experiment_id
    (found,) = client.search_runs([experiment], f"tags.`ratchet.cycle` = '{cycle}' and tags.`ratchet.engine` = 'spark'")
    return found


def test_an_interrupted_fit_ends_at_once_as_killed_and_takes_its_jvm_with_it(folder):
    with Verb(folder, *TRAIN, "--cycle", "stopped", *ENDLESS) as verb:
        verb.wait_for("train.read")
        (java,) = psutil.Process(verb._process.pid).children()
        verb.send(signal.SIGTERM)
        code, words = verb.end()
        assert not java.is_running() or java.status() == psutil.STATUS_ZOMBIE
    assert code == 128 + signal.SIGTERM
    assert words.splitlines()[-1] == "ratchet: interrupted by SIGTERM"
    assert run_of(folder, "stopped").info.status == "KILLED"


def test_an_interruption_while_spark_starts_ends_at_once_as_killed(folder):
    with Verb(folder, *TRAIN, "--cycle", "early") as verb:
        verb.wait_for("train.started")
        verb.send(signal.SIGINT)
        code, words = verb.end()
    assert code == 128 + signal.SIGINT
    assert words.splitlines()[-1] == "ratchet: interrupted by SIGINT"
    assert run_of(folder, "early").info.status == "KILLED"


def test_a_whole_run_is_complete_says_nothing_but_events_and_leaves_no_temporary_file(registered):
    """The same holds of the cycle that it was part of, whose last words are its answer."""
    cycle = Cycle(registered)
    assert all(json.loads(line)["event"] for line in cycle.written("train"))
    assert "train.done" in {json.loads(line)["event"] for line in cycle.written("train")}
    answer = list(dropwhile(lambda line: line.startswith("{"), cycle.written("stdout")))
    assert answer
    assert all(json.loads(line)["event"] for line in cycle.written("stdout")[: -len(answer)])
    assert [line for line in answer if line.startswith("{")] == []
    # Java itself announces the module that Spark asks for.
    said = [line for line in cycle.written("stderr") if "incubator modules" not in line]
    assert said == []
    tags = run_of(registered, Cycle.id).data.tags
    assert (tags["ratchet.verified"], tags["ratchet.complete"]) == ("true", "true")
    assert list(cycle.temporary.iterdir()) == []


def test_the_logged_model_has_an_example_that_can_be_served(registered):
    """MLflow is kept from trying it while it logs; that has left nothing behind."""
    mlflow.set_tracking_uri(f"sqlite:///{registered}/mlflow.db")
    local = mlflow.artifacts.download_artifacts(run_of(registered, Cycle.id).data.tags["ratchet.model_uri"])
    serving_input = mlflow.models.Model.load(local).get_serving_input(local)
    assert len(json.loads(serving_input)["dataframe_split"]["data"]) == 3
    assert [path.name for path in Path(local).rglob("*.crc")] == []


def test_memory_that_no_jvm_starts_with_ends_in_one_sentence(folder):
    done = ratchet(folder, *TRAIN, "--cycle", "small", "--set", "spark.driver_memory=1MiB")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ratchet: Spark failed while starting Spark: ")
    assert run_of(folder, "small").info.status == "FAILED"


def test_the_second_trainer_of_a_cycle_begins_when_the_first_has_seen_the_table_and_reads_the_same(registered):
    events = [json.loads(line) for line in Cycle(registered).written("stdout") if line.startswith("{")]
    told = [(each["event"], each.get("step")) for each in events]
    assert told.index(("table.looked", "spark")) < told.index(("train.started", "sklearn"))
    looked = [
        {key: each[key] for key in ("files", "until", "memory")} for each in events if each["event"] == "table.looked"
    ]
    assert len(looked) == 2
    assert looked[0] == looked[1]
    client = MlflowClient(f"sqlite:///{registered}/mlflow.db")
    experiment = client.get_experiment_by_name("flights").experiment_id
    runs = client.search_runs([experiment], f"tags.`ratchet.cycle` = '{Cycle.id}'")
    assert len({run.data.tags["ratchet.snapshot"] for run in runs}) == 1


def test_a_check_tries_spark_and_leaves_no_run(folder):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")

    def runs():
        found = client.get_experiment_by_name("flights")
        return [] if found is None else [run.info.run_id for run in client.search_runs([found.experiment_id])]

    before = runs()
    done = ratchet(folder, "check", "--env", "test", "--engine", "spark", seconds=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "logistic_regression fitted on" in done.stdout
    assert "200 rows served as in training" in done.stdout
    assert runs() == before
