"""Staging, validation, rollout: a better version reaches its users, a bad one does not, and nobody loses a request."""

import json
import os
import secrets
import sys

import pytest

from tests.e2e import cycles, exporter, servers, tracking
from tests.e2e.cluster import CONTEXT, command, create, kubectl, wait_until, wait_until_at_rest
from tests.e2e.ports import forwarded

POOR, BETTER = "sklearn.params.max_iter=1", "sklearn.params.max_iter=40"
VALIDATE = "/spec/jobTemplate/spec/template/spec"
SERVER = "/spec/template/spec"
OTHER_LABELS = """
import sys
if "serve" in sys.argv:
    from sklearn.model_selection import FixedThresholdClassifier as model
    right = model.predict
    model.predict = lambda self, rows: 1 - right(self, rows)
"""
NO_START = """
import os, sys
if "serve" in sys.argv:
    print("ratchet: nothing works today", file=sys.stderr, flush=True)
    os._exit(1)
"""
# Version 2 alone: the one that serves meanwhile, and comes back, is as it was.
FAILS_LATER = """
import os, sys, time
if os.environ.get("RATCHET_VERSION") == "2":
    from sklearn.model_selection import FixedThresholdClassifier as model
    right, begin = model.predict, time.monotonic()
    def predict(self, rows):
        if time.monotonic() - begin > 25:
            raise RuntimeError("worn out")
        return right(self, rows)
    model.predict = predict
"""


@pytest.fixture
def served(start, model, patch):
    """The servers serve the test's own model, of which there is a poor first version; returns `start` for more."""
    own = {"op": "add", "path": f"{SERVER}/containers/0/env/-", "value": {"name": "RATCHET__MODEL", "value": model}}
    patch(
        "deployment", servers.DEPLOYMENT, own, {"op": "add", "path": "/spec/template/metadata/annotations", "value": {}}
    )
    patch("deployment", exporter.DEPLOYMENT, *exporter.tells_of(model))

    def more(*settings):
        return start(*settings, served=True)

    more(POOR).must_complete()
    return more


@pytest.fixture
def sabotage():
    """Break what runs in a container (`sabotage(code)` gives the patch of a pod template)."""
    made = []

    def broken(code):
        made.append(f"sabotage-{secrets.token_hex(3)}")
        return servers.sabotage(made[-1], code)

    yield broken
    for name in made:
        kubectl("delete", "configmap", name, "--ignore-not-found")


def run_of(model, cycle):
    (run,) = tracking.runs(model, cycle.id)
    return run["tags"]


@pytest.mark.telling
def test_a_better_version_is_rolled_out_without_a_lost_request(served, model):
    assert (tracking.aliases(model), servers.told()) == ({"champion": 1}, 1)
    exporter.must_say_the_truth(model)
    with servers.Load(servers.example(model, 1)) as load:
        served(BETTER).must_complete()
        assert (tracking.aliases(model), servers.told()) == ({"champion": 2, "previous": 1}, 2)
        good = load.seen()["good"]
        wait_until("the load goes on with the new version", lambda: load.seen()["good"] > good + 20, 60)
        seen = load.seen()
    assert seen["bad"] == []
    assert seen["good"] > 100
    found = servers.measures()
    assert found[f'ratchet_server_model_info{{model="{model}-sklearn",version="2"}}'] == "1.0"
    assert float(found['ratchet_server_requests_total{code="200"}']) > 0
    exporter.must_say_the_truth(model)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        pytest.param(["serving.latency_seconds=0.0001"], "serving.latency_seconds is 0.0001", id="slow"),
        pytest.param(["serving.memory_limit=64MiB"], "64 MiB is its limit", id="big", marks=pytest.mark.telling),
    ],
)
def test_too_slow_or_too_big_is_held(served, model, settings, why):
    must_be_held(served(BETTER, *settings), model, why)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        pytest.param(OTHER_LABELS, "labels are not the trainer's", id="labels"),
        pytest.param(NO_START, "its server ended with 1: nothing works today", id="start"),
    ],
)
def test_other_labels_or_no_start_is_held(served, model, patch, sabotage, code, why):
    patch("cronjob", "validate-sklearn", *sabotage(code)(VALIDATE))
    must_be_held(served(BETTER), model, why)


def test_out_of_memory_in_the_trial_is_held_and_fails_the_cycle(served, model, patch):
    limits = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "2", "memory": "300Mi"}}
    patch(
        "cronjob", "validate-sklearn", {"op": "replace", "path": f"{VALIDATE}/containers/0/resources", "value": limits}
    )
    cycle = served(BETTER)
    cycle.end()
    tags = run_of(model, cycle)
    assert tags["ratchet.decision"] == "held"
    assert "memory" in tags["ratchet.reason"]
    assert (tracking.aliases(model), servers.told()) == ({"champion": 1}, 1)


def must_be_held(cycle, model, why):
    cycle.must_complete()
    tags = run_of(model, cycle)
    assert (tags["ratchet.decision"], why in tags["ratchet.reason"]) == ("held", True), tags["ratchet.reason"]
    assert (tracking.aliases(model), servers.told()) == ({"champion": 1}, 1)
    assert [each["tags"]["ratchet.decision"] for each in tracking.versions(model)] == ["promoted", "held"]
    exporter.must_say_the_truth(model)


@pytest.mark.telling
def test_one_that_begins_to_fail_comes_back(served, model, patch, sabotage):
    patch("deployment", servers.DEPLOYMENT, *sabotage(FAILS_LATER)(SERVER))
    servers.wait_until_ready()
    with servers.Load(servers.example(model, 1)) as load:
        cycle = served(BETTER, "serving.settle_seconds=40")
        cycle.must_complete()
        tags = run_of(model, cycle)
        assert tags["ratchet.decision"] == "held"
        assert "its servers were taken back" in tags["ratchet.reason"]
        assert "requests failed" in tags["ratchet.reason"]
        assert (tracking.aliases(model), servers.told()) == ({"champion": 1}, 1)
        servers.wait_until_ready()
        good = load.seen()["good"]
        wait_until("the old version answers again", lambda: load.seen()["good"] > good + 20, 60)
    exporter.must_say_the_truth(model)


def test_one_that_never_gets_ready_comes_back(served, model, patch):
    away = {"name": "MLFLOW_TRACKING_URI", "value": "http://127.0.0.1:1"}
    patch("deployment", servers.DEPLOYMENT, {"op": "add", "path": f"{SERVER}/containers/0/env/-", "value": away})
    cycle = served(BETTER, "serving.ready_seconds=60")
    cycle.must_complete()
    tags = run_of(model, cycle)
    assert (tags["ratchet.decision"], "were taken back" in tags["ratchet.reason"]) == ("held", True)
    assert (tracking.aliases(model), servers.told()) == ({"champion": 1}, 1)
    exporter.must_say_the_truth(model)


@pytest.mark.telling
def test_rollback_by_hand_takes_the_servers_along(served, model):
    served(BETTER).must_complete()
    assert servers.told() == 2
    job = f"rollback-{secrets.token_hex(3)}"
    made = cycles.job_from("rollout", job)
    settings = ("--set", f"model={model}", "--set", "serving.settle_seconds=2")
    words = ["rollback", f"{model}-sklearn", "--because", "the old one was better liked", *settings]
    made["spec"]["template"]["spec"]["containers"][0]["args"] = words
    create(made)
    try:
        assert cycles.job_end(job) == 0, cycles.logs_of_job(job)
    finally:
        kubectl("delete", "job", job, "--timeout=60s", seconds=90)
    assert (tracking.aliases(model)["champion"], servers.told()) == (1, 1)
    assert servers.measures()[f'ratchet_server_model_info{{model="{model}-sklearn",version="1"}}'] == "1.0"
    exporter.must_say_the_truth(model)


def test_a_version_waits_for_approval_and_goes_back_by_a_word_from_outside(served, model, tmp_path):
    served(BETTER, "promotion.approval=manual").must_complete()
    assert (tracking.aliases(model), servers.told()) == ({"champion": 1, "staging": 2}, 1)
    exporter.must_say_the_truth(model)
    settings = ("--set", f"model={model}", "--set", "serving.settle_seconds=2")
    words = ["promote", f"{model}-sklearn", "2", "--because", "we looked at $it", *settings]
    where = {**os.environ, "CONTEXT": CONTEXT, "USER": "eve"}
    said = command("k8s/by-hand", *words, seconds=300, environment=where)
    assert f"version 2 of {model}-sklearn is the champion now" in said
    assert (tracking.aliases(model), servers.told()) == ({"champion": 2, "previous": 1}, 2)
    move = json.loads(tracking.versions(model)[-1]["tags"]["ratchet.move"])
    assert (move["by"].startswith("eve@by-hand-"), move["because"]) == (True, "we looked at $it")
    # By somebody with a kubeconfig and a way to MLflow.
    (tmp_path / "kubeconfig").write_text(kubectl("config", "view", "--minify", "--flatten", "--raw"))
    words = ["rollback", f"{model}-sklearn", "--because", "the old one was better liked", *settings]
    with forwarded("mlflow", 5000) as address:
        where = {**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig"), "MLFLOW_TRACKING_URI": address}
        words += ["--set", "serving.deployments=true"]
        command(sys.executable, "-m", "ratchet", *words, seconds=300, environment=where)
    assert (tracking.aliases(model)["champion"], servers.told()) == (1, 1)
    assert servers.measures()[f'ratchet_server_model_info{{model="{model}-sklearn",version="1"}}'] == "1.0"
    exporter.must_say_the_truth(model)


def test_serving_survives_mlflow_its_database_and_the_store_being_away(served, model):
    gone = ("deployment/mlflow", "statefulset/postgres", "statefulset/minio")
    with servers.Load(servers.example(model, 1)) as load:
        try:
            kubectl("scale", "--replicas=0", *gone)
            wait_until("they are gone", lambda: len(servers_of_state()) == 0, 120)
            kubectl("exec", servers.pods()[-1], "--", "sh", "-c", "kill -INT 1")
            wait_until("the container was started again", restarted, 60)
            servers.wait_until_ready(120)
            good = load.seen()["good"]
            wait_until("it answers without them", lambda: load.seen()["good"] > good + 20, 60)
        finally:
            kubectl("scale", "--replicas=1", *gone)
            wait_until_at_rest()
    exporter.must_say_the_truth(model)


def restarted():
    pod = json.loads(kubectl("get", "pod", servers.pods()[-1], "-o", "json"))
    return pod["status"]["containerStatuses"][0]["restartCount"] > 0


def servers_of_state():
    names = "app.kubernetes.io/component in (tracking, database, object-store)"
    return kubectl("get", "pods", "-l", names, "-o", "name").split()
