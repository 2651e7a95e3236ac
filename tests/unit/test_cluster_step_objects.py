"""The objects of a cycle's steps, made from definitions."""

import copy
import re

import pytest

from ratchet.core import cycle_ids
from ratchet.core.steps import STEPS
from ratchet.errors import ConfigurationError
from ratchet.io.cluster.api import APPLICATIONS
from ratchet.io.cluster.coordinator import id_of
from ratchet.io.cluster.steps import step_objects
from ratchet.io.runner import Order

CYCLE = "retrain-20261124-0300"
OWNER = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "retrain-29384760", "uid": "owner", "namespace": "ratchet"},
}
CRON_JOB = {
    "metadata": {"name": "train-sklearn"},
    "spec": {
        "suspend": True,
        "jobTemplate": {
            "metadata": {"labels": {"app.kubernetes.io/name": "trainer-sklearn"}},
            "spec": {
                "backoffLimit": 2,
                "template": {
                    "metadata": {"labels": {"app.kubernetes.io/name": "trainer-sklearn"}},
                    "spec": {"containers": [{"name": "train-sklearn", "args": ["train", "sklearn"]}]},
                },
            },
        },
    },
}
SCHEDULED = {
    "metadata": {"name": "train-spark", "labels": {"app.kubernetes.io/name": "trainer-spark"}},
    "spec": {
        "suspend": True,
        "template": {
            "arguments": ["train", "spark"],
            "driver": {"labels": {"app.kubernetes.io/component": "driver"}},
            "executor": {"instances": 1},
        },
    },
}


def order(step, *more):
    return Order(("train", step), ("--cycle", CYCLE, *more))


def made(definition, wanted, owner=OWNER):
    return step_objects.made_from(definition, wanted, CYCLE, owner, 3600)


def test_a_job_is_made_from_its_definition_with_name_labels_owner_and_arguments():
    before = copy.deepcopy(CRON_JOB)
    job = made(CRON_JOB, order("sklearn", "--set", "seed=1"))
    assert (job["apiVersion"], job["kind"], job["metadata"]["name"]) == ("batch/v1", "Job", f"{CYCLE}-sklearn")
    assert job["metadata"]["namespace"] == "ratchet"
    labels = {"ratchet/cycle": CYCLE, "ratchet/step": "sklearn", "ratchet/engine": "sklearn"}
    expected = {"app.kubernetes.io/name": "trainer-sklearn", **labels}
    assert job["metadata"]["labels"] == expected
    assert job["spec"]["template"]["metadata"]["labels"] == expected
    (reference,) = job["metadata"]["ownerReferences"]
    assert (reference["kind"], reference["name"], reference["uid"]) == ("Job", "retrain-29384760", "owner")
    assert (reference["controller"], reference["blockOwnerDeletion"]) == (False, False)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["train", "sklearn", "--cycle", CYCLE, "--set", "seed=1"]
    assert job["spec"]["activeDeadlineSeconds"] > 3600
    assert before == CRON_JOB, "the definition is another cycle's, too"


def test_an_application_is_made_from_its_definition():
    application = made(SCHEDULED, order("spark", "--as-of", "2026-01-01"))
    assert (application["kind"], application["metadata"]["name"]) == ("SparkApplication", f"{CYCLE}-spark")
    assert application["apiVersion"] == "sparkoperator.k8s.io/v1beta2"
    spec = application["spec"]
    assert spec["arguments"] == ["train", "spark", "--cycle", CYCLE, "--as-of", "2026-01-01"]
    assert spec["driver"]["labels"]["app.kubernetes.io/component"] == "driver"
    for part in ("driver", "executor"):
        assert spec[part]["labels"]["ratchet/cycle"] == CYCLE
        assert spec[part]["labels"]["ratchet/step"] == "spark"
    assert "suspend" not in spec


def test_no_variable_of_a_pod_gets_into_an_argument():
    job = made(CRON_JOB, order("sklearn", "--set", "data.uri=s3://$(AWS_SECRET_ACCESS_KEY)"))
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][-1] == "data.uri=s3://$$(AWS_SECRET_ACCESS_KEY)"


def test_a_definition_without_the_container_is_refused():
    other = copy.deepcopy(CRON_JOB)
    other["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["name"] = "main"
    with pytest.raises(ConfigurationError, match="no container of that name"):
        made(other, order("sklearn"))


def test_every_name_of_a_child_is_one_that_the_cluster_takes():
    longest = "a" * 46
    assert cycle_ids.checked(longest) == longest
    for step in STEPS:
        name = step_objects.name_of(longest, step)
        assert re.fullmatch(r"[a-z][-a-z0-9]{0,61}[a-z0-9]", name)
        assert name != step_objects.name_of("a" * 51 + "b", step)
    assert step_objects.name_of("short", "watch-sklearn") == "short-watch-sklearn"


@pytest.mark.parametrize(
    ("verb", "step", "definition"),
    [
        (("train", "sklearn"), "sklearn", "train-sklearn"),
        (("train", "spark"), "spark", "train-spark"),
        (("register",), "register", "register"),
        (("validate", "spark"), "validate-spark", "validate-spark"),
        (("rollout",), "rollout", "rollout"),
        (("watch", "sklearn"), "watch-sklearn", "watch-sklearn"),
    ],
)
def test_a_step_and_its_definition_are_called_like_its_verb(verb, step, definition):
    wanted = Order(verb, ())
    origin = step_objects.origin_of(wanted)
    assert (wanted.step, origin.definition) == (step, definition)
    assert step in STEPS
    assert (origin.resource is APPLICATIONS) == (step == "spark")
    assert step_objects.labels_of(CYCLE, wanted).get("ratchet/engine") == (verb[1] if verb[1:] else None)


def job_named(name, **annotations):
    return {"metadata": {"name": name, "annotations": annotations}}


SLOT = "batch.kubernetes.io/cronjob-scheduled-timestamp"


@pytest.mark.parametrize(
    ("due", "cycle"),
    [
        ("2026-11-24T03:00:00Z", "retrain-20261124-0300"),
        ("2026-11-24T04:00:00+01:00", "retrain-20261124-0300"),
        ("2026-11-24T03:59:59Z", "retrain-20261124-0359"),
    ],
)
def test_a_slot_is_one_cycle_however_often_it_fires(due, cycle):
    assert id_of(job_named("retrain-29384760", **{SLOT: due})) == cycle


def test_the_hour_that_comes_twice_in_autumn_is_two_cycles():
    first, second = "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"
    assert id_of(job_named("x", **{SLOT: first})) != id_of(job_named("x", **{SLOT: second}))


def test_a_job_made_by_hand_is_a_cycle_of_its_own_name():
    assert id_of(job_named("try-one")) == "try-one"


@pytest.mark.parametrize("name", ["../other", "a;reboot", "$(id)", "a" * 53, "try.one"])
def test_a_name_that_breaks_out_of_its_place_is_refused(name):
    with pytest.raises(ConfigurationError, match="the name of the cycle's Job"):
        id_of(job_named(name))


def test_a_slot_that_is_no_time_is_refused():
    with pytest.raises(ConfigurationError, match="no time in ISO 8601"):
        id_of(job_named("x", **{SLOT: "../../etc"}))
