"""Steps as the coordinator looks at them, again and again, with a clock that moves only between two looks."""

import pytest
import structlog

from ratchet.io.cluster.journal import Journal
from ratchet.io.cluster.pods import DRIVER, EXECUTOR
from ratchet.io.cluster.steps.spark_step import SparkStep
from ratchet.io.cluster.steps.step import StepContext
from ratchet.io.runner import Order
from ratchet.settings import Retrain
from tests.unit.cluster_objects import application, ended, pod, running, unscheduled
from tests.unit.cluster_server import api_of, serving

APPLICATION = {"sparkoperator.k8s.io/app-name": "c-spark"}
NO_ROOM = (
    "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Preemption is not helpful"
)


@pytest.fixture
def spark(cluster, clock):
    """A Spark step whose driver runs."""
    cluster.add("jobs", "c")
    cluster.add("sparkapplications", "c-spark", application("RUNNING"))
    driver = pod("c-driver", DRIVER, state=running(), labels={**APPLICATION, "spark-role": "driver"})
    cluster.add("pods", "c-driver", driver)
    with serving(cluster) as address:
        api = api_of(address, clock)
        journal = Journal(api, cluster.objects["jobs", "c"], "c")
        context = StepContext(api, journal, Retrain(pending_seconds=45, unschedulable_seconds=90), clock, clock.sleep)
        order = Order(("train", "spark"), ())
        yield SparkStep(context, order, "c", cluster.objects["sparkapplications", "c-spark"], lambda _event: None)


def looks(step, clock, seconds):
    """What the step says by looks five seconds apart, until it has ended or the time is over."""
    for _ in range(seconds // 5):
        if (over := step.poll()) is not None:
            return over
        clock.sleep(5)
    return None


def test_an_executor_that_fits_on_no_node_ends_the_step_though_its_driver_runs(spark, cluster, clock):
    executor = unscheduled(f"{NO_ROOM} for scheduling.", "c-exec-1")
    executor["metadata"]["labels"] = {**APPLICATION, "spark-role": "executor"}
    cluster.add("pods", "c-exec-1", executor)
    with structlog.testing.capture_logs() as logs:
        over = looks(spark, clock, 60)
    assert over is not None
    assert "c-exec-1 fits on no node" in over.sentence
    assert over.reason == "room"
    assert 45 <= clock.now < 60
    assert [event["event"] for event in logs] == ["step.started", "step.waiting", "step.failed"]
    assert cluster.made("sparkapplications") == []


# As the driver of Spark 4.1 logs it, again and again.
REFUSED = (
    "2026-11-30T17:29:27.1Z 2026-11-30T17:29:27Z spark WARN ExecutorPodsSnapshotsStoreImpl: Exception when notifying\n"
    "2026-11-30T17:29:27.2Z io.fabric8.kubernetes.client.KubernetesClientException: Failure executing: POST at: "
    'https://kubernetes.default.svc/api/v1/namespaces/ratchet/pods. Message: pods "c-exec-1" is forbidden: {why}. '
    "Received status: Status(apiVersion=v1, code=403, details=StatusDetails(causes=[])).\n"
)


@pytest.mark.parametrize(
    ("why", "reason", "seconds"),
    [
        ("ValidatingAdmissionPolicy 'ratchet-executors' denied request: no such label", "missing", 45),
        ("exceeded quota: small, requested: limits.cpu=2, used: limits.cpu=3, limited: limits.cpu=4", "room", 90),
    ],
)
def test_executors_that_are_refused_end_the_step_though_its_driver_tries_for_ever(
    spark, cluster, clock, why, reason, seconds
):
    cluster.logs["c-driver"] = REFUSED.format(why=why)
    over = looks(spark, clock, 150)
    assert over is not None
    assert f'the driver c-driver can make no executor: pods "c-exec-1" is forbidden: {why}' in over.sentence
    assert "Received status" not in over.sentence
    assert over.reason == reason
    assert seconds <= clock.now < seconds + 15


def test_an_executor_that_was_refused_at_first_is_forgotten(spark, cluster, clock):
    cluster.logs["c-driver"] = REFUSED.format(why="exceeded quota: small")
    assert looks(spark, clock, 30) is None
    executor = pod("c-exec-2", EXECUTOR, state=running())
    executor["metadata"]["labels"] = {**APPLICATION, "spark-role": "executor"}
    cluster.add("pods", "c-exec-2", executor)
    assert looks(spark, clock, 300) is None


def test_a_driver_that_runs_with_its_executor_goes_on(spark, cluster, clock):
    executor = pod("c-exec-1", EXECUTOR, state=running())
    executor["metadata"]["labels"] = {**APPLICATION, "spark-role": "executor"}
    cluster.add("pods", "c-exec-1", executor)
    assert looks(spark, clock, 60) is None


def killed(name, container, role):
    found = pod(name, container, phase="Failed", state=ended(137, "OOMKilled"))
    found["metadata"]["labels"] = {**APPLICATION, "spark-role": role}
    return found


@pytest.mark.parametrize("message", ["ratchet: Spark failed", '{"event": "verb.failed", "reason": "out-of-memory"}'])
def test_an_executor_that_was_killed_for_its_memory_is_why_its_driver_failed(spark, cluster, message):
    cluster.add("pods", "c-exec-1", killed("c-exec-1", EXECUTOR, "executor"))
    failed = pod("c-driver", DRIVER, phase="Failed", state=ended(1, None, message))
    cluster.objects["pods", "c-driver"]["status"] = failed["status"]
    over = spark.poll()
    assert (over.code, over.reason) == (1, "out-of-memory")
    assert over.sentence.startswith("out of memory: the container spark-kubernetes-executor of the pod c-exec-1")


def test_a_driver_that_was_killed_itself_needs_no_executor_to_blame(spark, cluster):
    cluster.add("pods", "c-exec-1", killed("c-exec-1", EXECUTOR, "executor"))
    cluster.objects["pods", "c-driver"] |= killed("c-driver", DRIVER, "driver")
    over = spark.poll()
    assert (over.code, over.reason) == (137, "out-of-memory")
    assert "c-exec-1" not in over.sentence


def test_a_driver_that_is_gone_leaves_other_reasons(spark, cluster, clock):
    assert spark.poll() is None
    cluster.objects.pop(("pods", "c-driver"))
    over = looks(spark, clock, 60)
    assert (over.code, over.sentence, over.reason) == (None, "its driver's pod was deleted", "other")
