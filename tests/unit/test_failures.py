"""A step's last sentence and its exit code become one of a few words."""

import pytest

from ratchet.core.failures import REASONS, reason_of
from ratchet.io.cluster import exit_status, pending
from tests.unit.cluster_objects import ended, event, job, pod, unscheduled, waits

NAMES = ("train-sklearn",)


def of_pod(*state, **others):
    found = exit_status.of_pod(pod(phase="Failed", state=ended(*state), **others), NAMES)
    return reason_of(found.code, found.sentence)


def of_waiting(why):
    return reason_of(None, why.sentence)


def test_the_exit_code_says_whose_turn_it_is():
    assert of_pod(2, None, "ratchet: model is missing") == "configuration"
    assert of_pod(3, None, "ratchet: the column late is missing") == "data"
    assert of_pod(1, None, "ratchet: MLflow does not answer") == "other"
    assert of_pod(143) == "other"
    assert reason_of(None, "") == "other"


def test_a_container_that_was_killed_for_its_memory_is_out_of_memory():
    assert of_pod(137, "OOMKilled") == "out-of-memory"
    assert of_pod(1, None, "ratchet: Spark ran out of memory: raise spark.driver_memory") == "out-of-memory"


def test_too_few_memory_for_the_data_is_a_matter_of_the_data():
    assert of_pod(3, None, "ratchet: the windows need 4 GiB of memory and 2 GiB are available") == "data"


def test_what_a_pod_waits_for_is_the_reason():
    image = pod(phase="Pending", state=waits("ErrImagePull", "not found"))
    secret = pod(phase="Pending", state=waits("CreateContainerConfigError", "secret not found"))
    volume = pod(phase="Pending", nodeName="node")
    assert of_waiting(pending.of_pod(image)) == "image"
    assert of_waiting(pending.of_pod(secret)) == "missing"
    assert of_waiting(pending.of_pod(volume, [event("FailedMount", "no such claim")])) == "missing"
    assert of_waiting(pending.of_pod(unscheduled("0/1 nodes are available: 1 Insufficient cpu."))) == "room"
    assert of_waiting(pending.of_job(job(), [event("FailedCreate", "exceeded quota")])) == "room"


def test_a_deadline_is_a_reason():
    over = exit_status.of_job(job("c", ("Failed", "DeadlineExceeded")), [], NAMES)
    assert reason_of(over.code, over.sentence) == "deadline"
    assert reason_of(None, "it had not ended after 360 minutes") == "deadline"


@pytest.mark.parametrize("code", [None, 0, 1, 2, 3, 137, 255])
@pytest.mark.parametrize("sentence", ["", "out of memory", "?" * 5000])
def test_every_failure_has_one_of_the_reasons(code, sentence):
    assert reason_of(code, sentence) in REASONS
