"""How a step ended: its exit code and its last sentence, read off its objects."""

import pytest

from ratchet.io.cluster.logs import NOTHING, Said
from ratchet.io.cluster.steps import exit_status
from ratchet.io.runner import Ended
from tests.unit.cluster_objects import application, ended, job, pod, running, waits

NAMES = ("train-sklearn",)
DELETED = {"metadata": {"deletionTimestamp": "2026-11-24T19:00:40Z"}}


def failed(code, name="c-sklearn-abcde", **others):
    return pod(name, phase="Failed", state=ended(code, **others))


def deleted(thing):
    thing["metadata"]["deletionTimestamp"] = "2026-11-24T19:00:40Z"
    return thing


def of(thing, *attempts, said=NOTHING):
    return exit_status.of_job(thing, attempts, NAMES, said)


def test_a_pod_that_succeeded_ends_its_job_before_the_job_says_so():
    assert of(job(), pod(phase="Succeeded", state=ended(0))) == Ended(0)
    assert of(job("c-sklearn", ("Complete", "CompletionsReached"))) == Ended(0)


@pytest.mark.parametrize("thing", [pod(state=running()), pod(phase="Pending", state=waits("ContainerCreating"))])
def test_a_job_whose_pod_works_has_not_ended(thing):
    assert of(job(), thing) is None
    assert of(job(), failed(1, "first"), thing) is None


@pytest.mark.parametrize(("code", "reason"), [(2, "configuration"), (3, "data")])
def test_a_wrong_configuration_and_wrong_data_end_the_step_at_once_with_their_sentence(code, reason):
    message = '{"event": "train.started"}\nratchet: the column late is missing\n'
    assert of(job(), failed(code, message=message)) == Ended(code, "the column late is missing", reason)


def test_another_failure_is_worth_another_try_until_the_job_has_failed():
    attempts = (failed(1, "first", message="ratchet: MLflow does not answer"),)
    assert of(job(), *attempts) is None
    over = job("c-sklearn", ("Failed", "BackoffLimitExceeded"))
    assert of(over, *attempts) == Ended(1, "MLflow does not answer", "other")


def test_the_sentence_comes_from_the_log_where_the_container_has_no_message():
    over = job("c-sklearn", ("Failed", "BackoffLimitExceeded"))
    assert of(over, failed(1), said=Said("the sentence in the log")).sentence == "the sentence in the log"
    assert of(over, failed(1)).sentence == "its container ended with 1: Error"


@pytest.mark.parametrize("reason", ["OOMKilled", "Error"])
def test_out_of_memory_ends_the_step_at_once_and_names_the_limit(reason):
    found = of(job(), failed(137, reason=reason))
    assert (found.code, found.reason) == (137, "out-of-memory")
    assert (
        found.sentence
        == "out of memory: the container train-sklearn of the pod c-sklearn-abcde reached its limit of 2Gi"
    )


def test_a_container_without_a_limit_is_out_of_memory_all_the_same():
    thing = failed(137, reason="OOMKilled")
    thing["spec"]["containers"][0]["resources"] = {}
    assert "has no limit of its own" in of(job(), thing).sentence


def test_a_pod_that_somebody_ended_is_not_out_of_memory():
    assert of(job(), deleted(failed(137))) is None
    disrupted = failed(137)
    disrupted["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    assert of(job(), disrupted) is None


def test_the_newest_attempt_says_how_a_failed_job_ended():
    first, second = failed(1, "first", message="ratchet: one"), failed(1, "second", message="ratchet: two")
    second["metadata"]["creationTimestamp"] = "2026-11-24T19:05:00Z"
    assert of(job("c", ("Failed", "BackoffLimitExceeded")), second, first).sentence == "two"


def test_a_failed_job_without_a_pod_is_told_by_its_condition():
    found = of(job("c", ("Failed", "BackoffLimitExceeded")))
    assert found == Ended(None, "its Job failed: BackoffLimitExceeded: Job: BackoffLimitExceeded")
    late = of(job("c", ("Failed", "DeadlineExceeded")), failed(143))
    assert "DeadlineExceeded" in late.sentence
    assert late.reason == "deadline"


def test_a_pod_that_failed_before_its_container_says_why():
    evicted = pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
    found = exit_status.of_pod(evicted, NAMES)
    assert found == Ended(
        None, "its pod failed before its container ran: Evicted: The node was low on resource: memory."
    )
    broken = pod(phase="Failed")
    broken["status"]["initContainerStatuses"] = [{"name": "setup", "state": ended(4, message="no\nway")}]
    assert exit_status.of_pod(broken, NAMES) == Ended(None, "its init container setup ended with 4: way", "other")
    broken["status"]["initContainerStatuses"][0]["state"] = ended(137, reason="OOMKilled")
    assert exit_status.of_pod(broken, NAMES).reason == "out-of-memory"
    late = pod(phase="Failed", reason="DeadlineExceeded", message="Pod was active on the node longer than allowed")
    assert exit_status.of_pod(late, NAMES).reason == "deadline"


@pytest.mark.parametrize(("code", "reason"), [(1, "other"), (2, "configuration"), (3, "data"), (143, "other")])
def test_the_exit_code_says_whose_turn_it_is(code, reason):
    assert exit_status.of_pod(failed(code, message="ratchet: out of memory"), NAMES).reason == reason


OWN_REASON = '{"event": "verb.failed", "reason": "out-of-memory"}'


def test_a_verb_that_says_its_reason_has_the_last_word():
    message = f"{OWN_REASON}\nratchet: Spark ran out of memory; raise spark.driver_memory"
    sentence = "Spark ran out of memory; raise spark.driver_memory"
    assert exit_status.of_pod(failed(1, message=message), NAMES) == Ended(1, sentence, "out-of-memory")
    heard = Said(sentence, "out-of-memory")
    assert exit_status.of_pod(failed(1), NAMES, heard) == Ended(1, sentence, "out-of-memory")


def test_too_little_memory_for_the_data_is_a_matter_of_the_data():
    needed = failed(3, message="ratchet: the windows need 4 GiB of memory and 2 GiB are available")
    assert exit_status.of_pod(needed, NAMES).reason == "data"


def test_a_running_pod_has_not_ended():
    assert exit_status.of_pod(pod(state=running()), NAMES) is None


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("COMPLETED", Ended(0)),
        ("FAILED", Ended(None, "the Spark operator says that it failed: driver pod not found")),
        ("SUBMITTED", None),
        ("RUNNING", None),
        (None, None),
    ],
)
def test_an_application_without_a_driver_ended_as_the_operator_says(state, expected):
    assert exit_status.of_application(application(state, "driver pod\nnot found")) == expected


def test_of_what_spark_submit_wrote_the_exception_is_told():
    wrote = (
        "failed to run spark-submit: WARNING: Using incubator modules\n26/11/25 14:10:05 ERROR Client: Please check\n"
        'Exception in thread "main" io.fabric8.kubernetes.client.KubernetesClientException: Failure executing: POST. '
        'Message: Pod "c-spark-driver" is invalid: must be less than 1. Received status: Status(code=422, causes=[]).\n'
        "\tat io.fabric8.kubernetes.client.KubernetesClientException.copyAsCause(KubernetesClientException.java:205)\n"
    )
    told = 'Failure executing: POST. Message: Pod "c-spark-driver" is invalid: must be less than 1.'
    assert exit_status.of_application(application("FAILED", wrote)).sentence.endswith(f"that it failed: {told}")
    caused = f"{wrote}Caused by: java.io.IOException: connection reset\n"
    assert exit_status.of_application(application("FAILED", caused)).sentence.endswith(
        "that it failed: connection reset"
    )
