"""Why a step does not begin: as a cluster says it, in a sentence, of which kind and with which reason."""

import pytest

from ratchet.io.cluster.steps import pending
from ratchet.io.cluster.steps.pending import Patience
from ratchet.settings import Retrain
from tests.unit.cluster_objects import application, event, job, pod, unscheduled, waits

NOWHERE = (
    "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available:"
    " 1 Preemption is not helpful for scheduling."
)
BUSY = (
    "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. preemption: 0/3 nodes are"
    " available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."
)
CLAIM = '0/1 nodes are available: persistentvolumeclaim "table" not found.'


def stuck(reason, message=""):
    return pod(phase="Pending", state=waits(reason, message))


LACKS = {
    "an image": (
        stuck("ImagePullBackOff", 'Back-off pulling "x:9"'),
        ("ImagePullBackOff", "missing", "image"),
        "the image ratchet/train-sklearn:0.1.0 can't be pulled",
    ),
    "an image that is never pulled": (
        stuck("ErrImageNeverPull"),
        ("ErrImageNeverPull", "missing", "image"),
        "can't be pulled",
    ),
    "a Secret": (
        stuck("CreateContainerConfigError", 'secret "s3" not found'),
        ("CreateContainerConfigError", "missing", "missing"),
        'secret "s3" not found',
    ),
    "a node that is large enough": (unscheduled(NOWHERE), ("Unschedulable", "missing", "room"), "Insufficient cpu"),
    "a claim": (unscheduled(CLAIM), ("Unschedulable", "missing", "room"), '"table" not found'),
    "room": (unscheduled(BUSY), ("Unschedulable", "room", "room"), "fits on no node"),
}


@pytest.mark.parametrize(("thing", "found", "said"), LACKS.values(), ids=LACKS)
def test_a_pod_that_waits_says_for_what(thing, found, said):
    waits_for = pending.of_pod(thing)
    assert (waits_for.word, waits_for.kind, waits_for.reason) == found
    assert said in waits_for.sentence


def test_a_volume_that_is_missing_is_told_by_the_events():
    found = pending.of_pod(stuck("ContainerCreating"), [event("FailedMount", 'secret "x" not found')])
    assert (found.word, found.kind, found.reason) == ("FailedMount", "missing", "missing")
    assert 'secret "x" not found' in found.sentence


def test_a_node_that_is_being_added_is_waited_for_as_room():
    assert pending.of_pod(unscheduled(NOWHERE), [event("TriggeredScaleUp", "1 node more")]).kind == "room"


@pytest.mark.parametrize(
    "thing",
    [
        pod(phase="Pending", state=waits("ContainerCreating")),
        pod(phase="Pending", state=waits("PodInitializing")),
        pod(phase="Pending"),
        pod(phase="Running", state=waits("ImagePullBackOff")),
    ],
    ids=["creating", "initializing", "new", "running"],
)
def test_a_pod_that_is_on_its_way_lacks_nothing(thing):
    assert pending.of_pod(thing, [event("Scheduled", "assigned"), event("Pulling", "pulling")]) is None


def test_an_init_container_is_looked_at_too():
    thing = pod(phase="Pending", state=waits("PodInitializing"))
    thing["status"]["initContainerStatuses"] = [{"name": "setup", "image": "x:1", "state": waits("ErrImagePull", "no")}]
    assert pending.of_pod(thing).sentence == "the image x:1 can't be pulled: ImagePullBackOff: no"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest"', "missing"),
        ('error looking up service account ratchet/x: serviceaccount "x" not found', "missing"),
        ("exceeded quota: cpu", "room"),
    ],
)
def test_a_job_that_can_make_no_pod_says_why(message, kind):
    found = pending.of_job(job(), [event("SuccessfulCreate", "made"), event("FailedCreate", message)])
    assert (found.kind, found.reason, found.word) == (kind, kind, "FailedCreate")
    assert message in found.sentence
    assert pending.of_job(job(), [event("SuccessfulCreate", "made")]) is None


@pytest.mark.parametrize(
    ("state", "word", "kind"),
    [
        (None, "NotTakenUp", "operator"),
        ("SUBMITTED", "NoDriver", "operator"),
        ("SUBMISSION_FAILED", "SubmissionFailed", "missing"),
    ],
)
def test_an_application_without_a_driver_says_whose_turn_it_is(state, word, kind):
    found = pending.of_application(application(state, "quota"))
    assert (found.word, found.kind, found.reason) == (word, kind, "other")


def test_an_application_that_ended_waits_for_nothing():
    assert pending.of_application(application("FAILED")) is None


@pytest.fixture
def patience(clock):
    return Patience(Retrain(pending_seconds=45, unschedulable_seconds=600), clock)


def found(kind, subject="pod"):
    return pending.Waiting("Word", subject, "it waits", kind=kind)


@pytest.mark.parametrize(("kind", "seconds"), [("missing", 45), ("operator", 135), ("room", 600)])
def test_each_kind_of_waiting_has_its_time(clock, patience, kind, seconds):
    assert not patience.over(found(kind), sibling_at_work=False)
    clock.sleep(seconds - 1)
    assert not patience.over(found(kind), sibling_at_work=False)
    clock.sleep(1)
    assert patience.over(found(kind), sibling_at_work=False)


def test_room_that_a_sibling_takes_does_not_count(clock, patience):
    for _ in range(20):
        clock.sleep(100)
        assert not patience.over(found("room"), sibling_at_work=True)
    clock.sleep(599)
    assert not patience.over(found("room"), sibling_at_work=False)
    clock.sleep(1)
    assert patience.over(found("room"), sibling_at_work=False)


def test_what_is_missing_is_missing_whoever_else_works(clock, patience):
    patience.over(found("missing"), sibling_at_work=True)
    clock.sleep(45)
    assert patience.over(found("missing"), sibling_at_work=True)


def test_another_pod_has_the_whole_time_again(clock, patience):
    patience.over(found("missing", "first"), sibling_at_work=False)
    clock.sleep(44)
    assert not patience.over(found("missing", "second"), sibling_at_work=False)
    clock.sleep(44)
    assert not patience.over(found("missing", "second"), sibling_at_work=False)
