"""A watch in a cluster: beside whatever cycle is at work, and the cycle that it begins, once."""

import pytest

from ratchet.errors import ConfigurationError
from ratchet.io.cluster import cycles
from ratchet.io.cluster.coordinator import SLOT, ClusterRunner
from ratchet.io.cluster.lease import NAME as LEASE
from ratchet.io.runner import Order
from ratchet.settings import Retrain
from tests.unit.cluster_server import api_of, serving

CYCLE = "retrain-watched-20131231-abcdef"
ARGUMENTS = ["--env", "prod", "--because", "F1 is $(LOW)"]


def definition(name):
    pod = {"spec": {"containers": [{"name": name, "args": [name]}]}}
    labels = {"app.kubernetes.io/component": "x"}
    return {"spec": {"suspend": True, "jobTemplate": {"metadata": {"labels": labels}, "spec": {"template": pod}}}}


def cycle_job(*conditions):
    job = definition("retrain")["spec"]["jobTemplate"]
    found = [{"type": kind, "status": "True"} for kind in conditions]
    return {"spec": job["spec"], "status": {"conditions": found}}


@pytest.fixture
def api(cluster, clock):
    cluster.add("cronjobs", "retrain", definition("retrain"))
    cluster.add("cronjobs", "watch-sklearn", definition("watch-sklearn"))
    cluster.add("jobs", "watch-1", annotations={SLOT: "2026-11-25T06:00:00Z"})
    cluster.objects["jobs", "watch-1"]["spec"] = definition("watch")["spec"]["jobTemplate"]["spec"]
    cluster.objects["jobs", "watch-1"] |= {"apiVersion": "batch/v1", "kind": "Job"}
    with serving(cluster) as address:
        yield api_of(address, clock)


def test_a_cycle_is_made_as_by_hand_with_the_reason_and_kept_with_the_cron_jobs_own(api, cluster):
    assert cycles.begin(api, CYCLE, ARGUMENTS) is None
    job = cluster.objects["jobs", CYCLE]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["retrain", "--env", "prod", "--because", "F1 is $$(LOW)"]
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("CronJob", "retrain", True)
    assert cluster.objects["cronjobs", "retrain"] == cluster.objects["cronjobs", "retrain"] | definition("retrain")


def test_a_cycle_of_that_name_is_not_made_again_whatever_became_of_it(api, cluster):
    assert cycles.begin(api, CYCLE, ARGUMENTS) is None
    for conditions in ([], ["Complete"], ["Failed"]):
        cluster.objects["jobs", CYCLE]["status"] = cycle_job(*conditions)["status"]
        assert cycles.begin(api, CYCLE, ARGUMENTS) == f"the cycle {CYCLE} has been started before"
    assert cluster.made("jobs") == ["watch-1", CYCLE]


def test_of_two_watches_at_once_one_begins_it(api, cluster):
    cluster.forced = [(200, {"items": []}), (200, cluster.objects["cronjobs", "retrain"]), (409, {"message": "exists"})]
    assert cycles.begin(api, CYCLE, ARGUMENTS) == f"the cycle {CYCLE} has been started before"


def test_a_cycle_that_waits_or_works_is_enough(api, cluster):
    cluster.add("jobs", "retrain-7", cycle_job())
    assert cycles.begin(api, CYCLE, ARGUMENTS) == "the cycle of the Job retrain-7 waits or works already"
    cluster.objects["jobs", "retrain-7"]["status"] = cycle_job("Failed")["status"]
    assert cycles.begin(api, CYCLE, ARGUMENTS) is None


def test_without_a_definition_there_is_none_to_begin(api, cluster):
    cluster.objects.pop(("cronjobs", "retrain"))
    with pytest.raises(ConfigurationError, match="has no CronJob retrain"):
        cycles.begin(api, CYCLE, ARGUMENTS)


def test_a_watch_makes_its_steps_beside_a_cycle_that_has_the_lease(api, cluster, clock):
    cluster.add("leases", LEASE, {"spec": {"holderIdentity": "other"}}, annotations={"ratchet/job": "retrain-7"})
    runner = ClusterRunner(api, Retrain(), "watch-1", clock=clock, sleep=clock.sleep)
    with runner.watch() as watch_id:
        assert watch_id == "watch-20261125-0600"
        runner.start(Order(("watch", "sklearn"), ("--env", "prod")), watch_id, lambda _event: None)
    job = cluster.objects["jobs", "watch-20261125-0600-watch-sklearn"]
    assert job["metadata"]["labels"]["ratchet/engine"] == "sklearn"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["watch-sklearn", "--env", "prod"]
    assert cluster.objects["leases", LEASE]["spec"]["holderIdentity"] == "other"
    assert cluster.objects["jobs", "watch-1"]["metadata"]["labels"]["ratchet/step"] == "watch"
    assert clock.now == 0


def test_a_watch_that_starts_again_finds_its_step(api, cluster, clock):
    order = Order(("watch", "sklearn"), ())
    for _ in range(2):
        runner = ClusterRunner(api, Retrain(), "watch-1", clock=clock, sleep=clock.sleep)
        with runner.watch() as watch_id:
            runner.start(order, watch_id, lambda _event: None)
    assert cluster.made("jobs") == ["watch-1", "watch-20261125-0600-watch-sklearn"]
