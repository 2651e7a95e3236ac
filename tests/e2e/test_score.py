"""Batch scoring in the cluster: from its definitions, with both engines, as users that may write nowhere else."""

import copy
import json
import secrets
import subprocess

import pytest

from tests.e2e import cycles
from tests.e2e.cluster import IN_CLUSTER, create, every, get, kubectl, wait_until

MONTH = "s3://ratchet-data/flights/year_month=2013-07"
SECONDS = 420


@pytest.fixture
def trained(system, first_cycle):
    """A model with a champion of both engines."""
    return first_cycle.model


@pytest.fixture
def target():
    """Where nothing has been scored yet."""
    return f"s3://ratchet-scores/{secrets.token_hex(4)}"


@pytest.fixture
def job(system):
    """Start `ratchet score sklearn` with arguments (`job(argument, …)`); returns its Job's name."""
    made = []

    def begin(*arguments):
        made.append(f"score-{secrets.token_hex(4)}")
        create(cycles.job_from("score-sklearn", made[-1], *arguments))
        return made[-1]

    yield begin
    for name in made:
        kubectl("delete", "job", name, "--ignore-not-found", "--timeout=90s", seconds=100)


@pytest.fixture
def application(system):
    """As `job`, for `ratchet score spark` and a SparkApplication."""
    made = []

    def begin(*arguments):
        definition = get("scheduledsparkapplication", "score-spark")
        spec = copy.deepcopy(definition["spec"]["template"])
        spec["arguments"] += arguments
        made.append(f"score-{secrets.token_hex(4)}")
        head = {"name": made[-1], "labels": definition["metadata"]["labels"]}
        create({"apiVersion": definition["apiVersion"], "kind": "SparkApplication", "metadata": head, "spec": spec})
        return made[-1]

    yield begin
    for name in made:
        kubectl("delete", "sparkapplication", name, "--ignore-not-found", "--timeout=90s", seconds=100)


def options(model, *more):
    return "--set", f"model={model}", *more


def driver_end(name, seconds=SECONDS):
    """The exit code of an application's driver, once it has ended, and its log."""

    def ended():
        pods = every("pods", f"sparkoperator.k8s.io/app-name={name},spark-role=driver")
        return [pod for pod in pods if pod["status"]["phase"] in ("Succeeded", "Failed")]

    (pod,) = wait_until(f"the driver of {name} has ended", ended, seconds)
    state = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    return state["exitCode"], kubectl("logs", pod["metadata"]["name"], "--tail", "100")


def done(log):
    """The event with which a call that has done its work ends."""
    found = [json.loads(line) for line in log.splitlines() if line.startswith("{") and '"score.done"' in line]
    assert found, log
    return found[-1]


@pytest.mark.smoke
def test_both_engines_score_a_month_and_a_repeated_call_scores_the_same(trained, target, job, application):
    first = job(MONTH, f"{target}/sklearn", *options(trained))
    spark = application(MONTH, f"{target}/spark", *options(trained))
    assert cycles.job_end(first, SECONDS) == 0, cycles.logs_of_job(first)
    event = done(cycles.logs_of_job(first))
    assert event["version"] == 1
    assert 0 < event["positives"] < event["rows"]
    code, log = driver_end(spark)
    assert code == 0, log
    assert done(log)["rows"] == event["rows"]
    again = job(MONTH, f"{target}/sklearn", *options(trained))
    assert cycles.job_end(again, SECONDS) == 0, cycles.logs_of_job(again)
    assert done(cycles.logs_of_job(again))["positives"] == event["positives"]


@pytest.mark.smoke
def test_a_scorer_may_write_nowhere_but_to_the_scores(trained, job):
    name = job(MONTH, "s3://ratchet-mlflow/scores", *options(trained))
    assert cycles.job_end(name, SECONDS) == 3
    assert "is not permitted" in cycles.logs_of_job(name)


def test_a_model_that_is_none_ends_the_job_at_once(model, job):
    name = job(*options(model))
    assert cycles.job_end(name, SECONDS) == 2
    assert "ratchet retrain" in cycles.logs_of_job(name)
    assert get("job", name)["status"]["failed"] == 1, "what is wrong is not tried again"


def test_a_pod_that_is_lost_is_replaced_and_the_result_is_whole(trained, target, job):
    name = job("s3://ratchet-data/flights", f"{target}/lost", *options(trained))

    def running():
        pods = every("pods", f"batch.kubernetes.io/job-name={name}")
        return [pod for pod in pods if pod["status"]["phase"] == "Running"]

    pod = wait_until(f"a pod of {name} runs", running, SECONDS, pause=0.1)[0]["metadata"]["name"]
    cycles.delete_pod(pod, force=True)
    assert cycles.job_end(name, SECONDS) == 0, cycles.logs_of_job(name)
    assert done(cycles.logs_of_job(name))["rows"] == 327_346


def test_a_score_in_the_cluster_ends_as_its_driver_ends(trained, target):
    words = (*IN_CLUSTER, "score", "spark", MONTH, f"{target}/verb", *options(trained))
    told = _run(words)
    assert told.returncode == 0, told.stderr
    assert "score.done" in told.stdout
    refused = _run((*words, "--version", "99"))
    assert refused.returncode == 2
    assert "has no version 99" in refused.stdout + refused.stderr


def _run(words):
    return subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
