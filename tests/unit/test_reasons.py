"""Why a step failed, as one of a few words: set where it is known, and the same word wherever it is read."""

import json
import sys
import time

import pytest

from ratchet import errors
from ratchet.core import exported
from ratchet.engines.spark.errors import spark_errors
from ratchet.errors import REASONS, ConfigurationError, DataError, FailedError, TemporaryError
from ratchet.io.cluster import coordinator, journal
from ratchet.io.cluster.coordinator import ClusterRunner
from ratchet.io.cluster.journal import Journal
from ratchet.io.cluster.steps.job_step import JobStep
from ratchet.io.cluster.steps.step import StepContext
from ratchet.io.processes import StepProcess
from ratchet.io.runner import Ended, Order
from ratchet.jobs import local_runner
from ratchet.jobs.cycles import Cycles
from ratchet.jobs.retrain import Cycle, run_steps
from ratchet.settings import Retrain, Settings
from tests.unit.cluster_objects import ended, event, job, pod, unscheduled, waits
from tests.unit.cluster_server import api_of, serving

SETTINGS = {"model": "m", "data": {"uri": "u", "timestamp": "t", "label": {"column": "c", "positive": True}}}
HEAP = '{"event": "verb.failed", "reason": "out-of-memory"}\nratchet: Spark ran out of memory'


def test_an_error_has_the_reason_of_its_class_or_its_own():
    found = [error("x").reason for error in (ConfigurationError, DataError, TemporaryError, FailedError)]
    assert found == ["configuration", "data", "other", "other"]
    assert ConfigurationError("x", "missing").reason == "missing"
    assert ConfigurationError("x").reason == "configuration"


def test_a_heap_that_is_too_small_is_out_of_memory_though_its_exit_code_does_not_say_so():
    java = OSError("java.lang.OutOfMemoryError: Java heap space")
    with pytest.raises(FailedError, match="Spark ran out of memory while fitting") as found, spark_errors("fitting"):
        raise java
    assert (found.value.exit_code, found.value.reason) == (1, "out-of-memory")


@pytest.mark.parametrize("code", [None, 0, 1, 2, 3, 137, 255])
def test_every_exit_code_has_one_of_the_reasons(code):
    assert errors.reason_of(code) == {2: "configuration", 3: "data"}.get(code, "other")


@pytest.mark.parametrize("written", [*REASONS, None, "", "weather", 3])
def test_what_is_read_is_one_of_the_reasons(written):
    assert errors.reason_named(written) == (written if written in REASONS else "other")


class Endless:
    """A step that never ends by itself; a runner that starts nothing else."""

    poll_seconds = 1.0
    stopped = None

    def start(self, *_):
        return self

    def poll(self):
        return None

    def age(self):
        return 61.0

    def stop(self, ended):
        self.stopped = ended

    def leave(self):
        pass


def test_a_step_that_is_stopped_at_its_deadline_is_told_why():
    step = Endless()
    cycle = Cycle(step, "c", sleep=lambda _seconds: None)
    run_steps(cycle, [Order(("train", "sklearn"), ())], 60.0, lambda *_: None)
    assert cycle.failures == {"sklearn": step.stopped}
    assert step.stopped == Ended(None, "it had not ended after 1 minutes", "deadline")
    assert isinstance(cycle.error, FailedError)
    assert cycle.error.reason == "deadline"


@pytest.mark.parametrize(
    ("first", "kind", "reason"),
    [
        (Ended(2, "?", "missing"), ConfigurationError, "missing"),
        (Ended(3, "?", "data"), DataError, "data"),
        (Ended(None, "?", "image"), FailedError, "image"),
    ],
)
def test_a_cycle_fails_for_the_reason_of_its_first_step(first, kind, reason):
    error = Cycle(Endless(), "c", failures={"spark": first, "sklearn": Ended(3, "?", "data")}).error
    assert (type(error), error.reason) == (kind, reason)


@pytest.fixture
def process(tmp_path, monkeypatch):
    """A step's process that writes what it is told to, and ends with a code."""
    begun = []

    def begin(code, out=""):
        verb = tmp_path / "verb"
        verb.write_text(f"#!/bin/sh\necho '{out}'\necho 'ratchet: out of memory' >&2\nexit {code}\n")
        verb.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(verb))
        begun.append(StepProcess([], lambda _event: None))
        return begun[-1]

    yield begin
    for step in begun:
        step._process.stdout.close()
        step._process.stderr.close()


def end_of(step, sleep=lambda _seconds: time.sleep(0.02)):
    for _ in range(1000):
        if (found := step.poll()) is not None:
            return found
        sleep(5)
    pytest.fail("it does not end")


@pytest.mark.parametrize(("code", "reason"), [(1, "other"), (2, "configuration"), (3, "data")])
def test_the_exit_code_of_a_process_says_whose_turn_it_is(process, code, reason):
    assert end_of(process(code)) == Ended(code, "out of memory", reason)


def test_a_process_that_says_its_reason_has_the_last_word(process):
    assert end_of(process(1, HEAP.splitlines()[0])) == Ended(1, "out of memory", "out-of-memory")


@pytest.mark.parametrize(
    ("error", "found"),
    [(DataError("no rows"), Ended(3, "no rows", "data")), (TemporaryError("away"), Ended(1, "away", "other"))],
)
def test_a_registrar_on_this_machine_ends_for_the_reason_of_its_error(monkeypatch, error, found):
    def broken(*_):
        raise error

    monkeypatch.setattr(local_runner, "_register", broken)
    runner = local_runner.LocalRunner(Settings.model_validate(SETTINGS))
    assert end_of(runner.start(Order(("register",), ()), "c", lambda _event: None)) == found


@pytest.fixture
def api(cluster, clock):
    """A cluster with a cycle's Job `c`."""
    cluster.add("jobs", "c", {"apiVersion": "batch/v1", "kind": "Job"})
    cluster.objects["jobs", "c"]["metadata"]["labels"] = {"app.kubernetes.io/component": "coordinator"}
    spec = {"template": {"spec": {"containers": [{"name": "retrain"}]}}}
    cluster.objects["jobs", "c"]["spec"] = spec
    with serving(cluster) as address:
        yield api_of(address, clock)


def told(cluster, api):
    """The exporter's samples of failed cycles, once the cycle's Job has failed."""
    failed = {"type": "Failed", "status": "True", "reason": "PodFailurePolicy", "message": "exit code 1"}
    cluster.objects["jobs", "c"]["status"] = {"conditions": [failed]}
    samples = exported.of_cycles(Cycles(api)(), "m")
    return {labels[1:]: value for name, labels, value in samples if name == "ratchet_cycles_failed"}


def opened(api, cluster):
    """The cycle's journal, as a coordinator that comes next finds it."""
    found = Journal(api, cluster.objects["jobs", "c"], "c")
    found.open([])
    return found


def begun(api, cluster, clock):
    """The scikit-learn trainer, whose Job is there."""
    context = StepContext(api, opened(api, cluster), Retrain(), clock, clock.sleep)
    order = Order(("train", "sklearn"), ())
    return JobStep(context, order, "c", cluster.objects["jobs", "c-sklearn"], lambda _event: None)


def of_job(*arguments, **status):
    """A pod of that Job."""
    return pod(*arguments, labels={"batch.kubernetes.io/job-name": "c-sklearn"}, **status)


def unplaced():
    labels = {"labels": {"batch.kubernetes.io/job-name": "c-sklearn"}}
    found = unscheduled("0/1 nodes are available: 1 Insufficient cpu.")
    return found | {"metadata": found["metadata"] | labels}


FAILED = {
    "wrong configuration": (of_job(phase="Failed", state=ended(2, None, "ratchet: wrong")), "configuration"),
    "wrong data": (of_job(phase="Failed", state=ended(3, None, "ratchet: no rows")), "data"),
    "killed for its memory": (of_job(phase="Failed", state=ended(137, "OOMKilled")), "out-of-memory"),
    "too small a heap": (of_job(phase="Failed", state=ended(1, None, HEAP)), "out-of-memory"),
    "no image": (of_job(phase="Pending", state=waits("ErrImagePull", "not found")), "image"),
    "no Secret": (of_job(phase="Pending", state=waits("CreateContainerConfigError", "secret not found")), "missing"),
    "no room": (unplaced(), "room"),
    "a service that is away": (of_job(phase="Failed", state=ended(1, None, "ratchet: out of memory")), "other"),
}


@pytest.mark.parametrize(("thing", "reason"), FAILED.values(), ids=FAILED)
def test_what_a_pod_says_is_in_the_journal_and_in_the_exporters_sample(api, cluster, clock, thing, reason):
    conditions = [("Failed", "BackoffLimitExceeded")] if thing["status"]["phase"] == "Failed" else []
    cluster.add("jobs", "c-sklearn", job("c-sklearn", *conditions))
    cluster.add("pods", "p", thing)
    found = end_of(begun(api, cluster, clock), clock.sleep)
    assert found.reason == reason
    written = journal.read(cluster.objects["jobs", "c"])
    assert written["steps"]["sklearn"]["reason"] == reason
    assert told(cluster, api) == {("sklearn", reason): 1}


def test_a_step_that_waited_and_then_was_done_has_no_reason(api, cluster, clock):
    cluster.add("jobs", "c-sklearn", job())
    cluster.add("pods", "p", of_job("p", phase="Pending", state=waits("ErrImagePull", "not found")))
    step = begun(api, cluster, clock)
    assert step.poll() is None
    reason = lambda: journal.read(cluster.objects["jobs", "c"])["steps"]["sklearn"]["reason"]  # noqa: E731
    assert reason() == "image"
    cluster.objects["pods", "p"]["status"] = pod(phase="Succeeded", state=ended(0))["status"]
    assert step.poll() == Ended(0)
    assert reason() is None


def test_a_volume_that_is_missing_is_the_reason_that_a_step_ends_with(api, cluster, clock):
    cluster.add("jobs", "c-sklearn", job())
    thing = cluster.add("pods", "p", of_job(phase="Pending"))
    about = {"involvedObject": {"uid": thing["metadata"]["uid"]}}
    cluster.add("events", "e", {**event("FailedMount", "no such claim"), **about})
    found = end_of(begun(api, cluster, clock), clock.sleep)
    assert (found.code, found.reason) == (None, "missing")


def test_a_step_that_is_stopped_leaves_its_reason_in_the_journal(api, cluster, clock):
    cluster.add("jobs", "c-sklearn", job())
    late = Ended(None, "it had not ended after 60 minutes", "deadline")
    begun(api, cluster, clock).stop(late)
    assert opened(api, cluster).ended("sklearn") == late
    assert told(cluster, api) == {("sklearn", "deadline"): 1}


def test_a_definition_that_is_missing_is_the_reason_of_its_step(api, cluster, clock):
    runner = ClusterRunner(api, Retrain(), "c", clock=clock, sleep=clock.sleep)
    with runner.cycle(None) as cycle:
        found = runner.start(Order(("train", "spark"), ()), cycle, lambda _event: None).poll()
        assert (found.code, found.reason) == (2, "missing")
        again = runner.start(Order(("train", "spark"), ()), cycle, lambda _event: None).poll()
        assert again == found, "the journal gives back what it was told"
    assert told(cluster, api) == {("spark", "missing"): 1}


def test_a_foreign_object_in_the_place_of_a_step_is_a_matter_of_the_configuration(api, cluster, clock):
    cluster.add("jobs", "c-sklearn", job())
    runner = ClusterRunner(api, Retrain(), "c", clock=clock, sleep=clock.sleep)
    with runner.cycle(None) as cycle:
        found = runner.start(Order(("train", "sklearn"), ()), cycle, lambda _event: None).poll()
    assert (found.code, found.reason) == (2, "configuration")


def test_an_end_in_a_journal_of_another_version_has_other_reasons(api, cluster):
    step = {"state": "failed", "code": 3, "sentence": "no rows", "ended": "2026-11-23T04:01:40Z"}
    content = {"cycle": "c", "began": "?", "ended": None, "steps": {"sklearn": step}, "decisions": []}
    cluster.objects["jobs", "c"]["metadata"]["annotations"] = {journal.ANNOTATION: json.dumps(content)}
    assert opened(api, cluster).ended("sklearn") == Ended(3, "no rows", "other")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConfigurationError("seed is 'x'"), "configuration"),
        (TemporaryError("MLflow does not answer"), "other"),
        (FailedError("spark failed: …", "image"), "image"),
    ],
)
def test_a_cycle_that_fails_beside_its_steps_leaves_its_reason_on_its_job(api, cluster, monkeypatch, error, reason):
    monkeypatch.setattr(coordinator.credentials, "inside", lambda _variables: api._access)
    coordinator.tell(error, "RetrainFailed", {"RATCHET_JOB": "c", "RATCHET_NAMESPACE": "ratchet"})
    assert cluster.objects["jobs", "c"]["metadata"]["annotations"] == {"ratchet/reason": reason}
    assert cluster.events("Warning") == [("RetrainFailed", str(error))]
    assert told(cluster, api) == {("cycle", reason): 1}
