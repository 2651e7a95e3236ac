"""Pods that are lost in mid-work: the trainers', the coordinator's, Spark's."""

import pytest

from tests.e2e import tracking
from tests.e2e.cluster import name_of, wait_until
from tests.e2e.cycles import READ, delete_pod, evict


@pytest.mark.parametrize(
    "lose", [pytest.param(delete_pod, id="deleted", marks=pytest.mark.smoke), pytest.param(evict, id="evicted")]
)
def test_a_trainer_whose_pod_is_lost_is_replaced_and_the_attempt_is_not_counted(start, model, lose):
    cycle = start()
    pod = cycle.running_pod_of("sklearn")
    cycle.wait_for_event(pod, READ)
    lose(pod)
    cycle.must_complete()
    job = cycle.object_of("sklearn")
    assert job["status"].get("succeeded") == 1
    assert pod not in [name_of(each) for each in cycle.pods_of("sklearn") if each["status"]["phase"] == "Succeeded"]
    assert not [each for each in job["status"].get("conditions", []) if each["type"] == "Failed"]
    tracking.must_have_one_whole_version(model)
    first, second = tracking.runs(model)
    assert first["status"] in ("KILLED", "FAILED")
    assert second["status"] == "FINISHED"


def starting(cycle):
    cycle.running_pod_of("retrain")


def training(cycle):
    cycle.wait_for_event(cycle.running_pod_of("sklearn"), READ)


def between(cycle):
    wait_until("the trainer has ended", lambda: cycle.object_of("sklearn")["status"].get("succeeded"), 240, pause=0.2)


def registering(cycle):
    wait_until("the registrar's Job is there", lambda: cycle.object_of("register"), 240, pause=0.2)


@pytest.mark.parametrize("force", [pytest.param(False, id="gently"), pytest.param(True, id="by force")])
@pytest.mark.parametrize(
    "moment",
    [starting, pytest.param(training, marks=pytest.mark.smoke), between, registering],
    ids=lambda moment: moment.__name__,
)
def test_a_coordinator_that_is_lost_comes_back_and_adopts_its_children(start, model, moment, force):
    cycle = start()
    if moment is not starting:
        cycle.running_pod_of("sklearn")
    moment(cycle)
    pod = cycle.running_pod_of("retrain")
    before = {step: found["metadata"]["uid"] for step in ("sklearn", "register") if (found := cycle.object_of(step))}
    delete_pod(pod, force=force)
    cycle.must_complete()
    assert name_of(cycle.pods_of("retrain")[-1]) != pod
    after = {step: cycle.object_of(step)["metadata"]["uid"] for step in ("sklearn", "register")}
    assert after | before == after, "a child was made anew"
    assert [len(cycle.pods_of(step)) for step in ("sklearn", "register")] == [1, 1]
    tracking.must_have_one_whole_version(model)


def test_a_coordinator_that_is_lost_adopts_the_spark_application(start, model):
    cycle = start(engines=("spark",))
    cycle.wait_for_event(cycle.running_pod_of("spark"), READ)
    before = cycle.object_of("spark")["metadata"]["uid"]
    delete_pod(cycle.running_pod_of("retrain"), force=True)
    cycle.must_complete()
    assert cycle.object_of("spark")["metadata"]["uid"] == before
    tracking.must_have_one_whole_version(model, "spark")


def test_a_cycle_whose_spark_driver_is_deleted_ends_with_a_true_state(start, model):
    cycle = start(engines=("spark",))
    pod = cycle.running_pod_of("spark")
    cycle.wait_for_event(pod, READ)
    delete_pod(pod)
    if cycle.end() == "Complete":
        tracking.must_have_one_whole_version(model, "spark")
    else:
        assert "spark" in cycle.described().lower()
        assert tracking.versions(model, "spark") == []
        start(engines=("spark",)).must_complete()
        tracking.must_have_one_whole_version(model, "spark")
