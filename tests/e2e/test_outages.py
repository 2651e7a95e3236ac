"""Whole parts that go away: the node's kubelet, the API server, MLflow, PostgreSQL, the store, the node itself."""

import time

import pytest

from tests.e2e import store, tracking
from tests.e2e.cluster import (
    NODE,
    ClusterError,
    command,
    every,
    kubectl,
    name_of,
    on_node,
    wait_until,
    wait_until_at_rest,
)
from tests.e2e.cycles import READ

API_SERVER = "kube-apiserver.yaml"
SERVICES = {
    "mlflow": ("deployment/mlflow",),
    "postgres": ("statefulset/postgres",),
    "store": ("statefulset", "--selector", store.SELECTOR),
}


def api_answers():
    try:
        return kubectl("get", "--raw", "/readyz").strip() == "ok"
    except ClusterError:  # it answers that it is not ready, or that it knows nobody yet
        return False


def starts():
    """How often each server, the operator's among them, has been started."""
    pods = every("pods") + every("pods", namespace="spark-operator")
    return {
        name_of(pod): sum(each["restartCount"] for each in pod["status"].get("containerStatuses", []))
        for pod in pods
        if pod["metadata"].get("ownerReferences", [{}])[0].get("kind") in ("ReplicaSet", "StatefulSet")
    }


def test_a_cycle_goes_on_after_the_kubelet_was_stopped_for_30_seconds(start, model):
    cycle = start()
    cycle.wait_for_event(cycle.running_pod_of("sklearn"), READ)
    on_node("systemctl", "stop", "kubelet")
    try:
        time.sleep(30)
    finally:
        on_node("systemctl", "start", "kubelet")
    cycle.must_complete()
    tracking.must_have_one_whole_version(model)


def test_a_cycle_goes_on_after_the_api_server_was_away_for_60_seconds(start, model):
    cycle = start()
    cycle.wait_for_event(cycle.running_pod_of("sklearn"), READ)
    on_node("mv", f"/etc/kubernetes/manifests/{API_SERVER}", "/etc/kubernetes/")
    try:
        time.sleep(60)
    finally:
        on_node("mv", f"/etc/kubernetes/{API_SERVER}", "/etc/kubernetes/manifests/")
    wait_until("the API server answers again", api_answers, 180)
    cycle.must_complete()
    tracking.must_have_one_whole_version(model)


def in_mid_training(cycle):
    cycle.wait_for_event(cycle.running_pod_of("sklearn"), READ)


def in_mid_registration(cycle):
    cycle.running_pod_of("register", 300)


@pytest.mark.parametrize(
    "moment",
    [in_mid_training, pytest.param(in_mid_registration, marks=pytest.mark.smoke)],
    ids=lambda moment: moment.__name__,
)
@pytest.mark.parametrize("service", SERVICES)
def test_a_cycle_survives_or_fails_cleanly_when_a_service_restarts(start, model, service, moment):
    cycle = start()
    moment(cycle)
    kubectl("rollout", "restart", *SERVICES[service])
    state = cycle.end()
    wait_until_at_rest()
    tracking.must_have_no_half_version(model)
    if state == "Failed":
        start().must_complete()
    assert tracking.aliases(model)["champion"] == 1
    tracking.must_have_no_half_version(model)


def test_everything_comes_back_when_the_node_restarts_and_the_champion_is_the_same(start, model):
    start().must_complete()
    before = tracking.versions(model), tracking.aliases(model)
    began = starts()
    command("docker", "restart", NODE, seconds=120)
    wait_until("the API server answers again", api_answers, 240)
    # Until the kubelet has had its say the API tells what was before.
    wait_until(
        "every server has started anew",
        lambda: all(starts().get(name, count + 1) > count for name, count in began.items()),
        240,
    )
    wait_until_at_rest(420)
    assert (tracking.versions(model), tracking.aliases(model)) == before
    again = start()
    again.must_complete()
    (run,) = tracking.runs(model, again.id)
    assert run["tags"]["ratchet.decision"] == "held"
    assert (tracking.versions(model), tracking.aliases(model)) == before
