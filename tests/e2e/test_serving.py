"""Staging, validation, rollout: a better version reaches its users, a bad one does not, and nobody loses a request."""

import base64
import json
import os
import secrets
import sys
from dataclasses import dataclass

import pytest
import yaml

from tests.e2e import cycles, exporter, servers, store, tracking
from tests.e2e.cluster import IN_CLUSTER, command, create, get, kubectl, patching, wait_until, wait_until_at_rest
from tests.e2e.gitops import Applying
from tests.e2e.ports import forwarded
from tests.manifests.kustomize import ROOT

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
# Every version but the one that serves meanwhile and comes back.
FAILS_LATER = """
import os, sys, time
if os.environ.get("RATCHET_VERSION") not in (None, "{champion}"):
    from sklearn.model_selection import FixedThresholdClassifier
    from ratchet.engines.sklearn.plan import Plan
    begin = time.monotonic()
    def worn(right):
        def method(self, rows):
            if time.monotonic() - begin > 20:
                raise RuntimeError("worn out")
            return right(self, rows)
        return method
    FixedThresholdClassifier.predict = worn(FixedThresholdClassifier.predict)
    Plan.score = worn(Plan.score)
"""


LOCK = yaml.safe_load((ROOT / "k8s/components/serving-token/server.yaml").read_text())


@dataclass
class Served:
    """A model of the tests' own that the servers serve, with a poor champion, and cycles for more versions of it."""

    model: str
    begin: object

    def cycle(self, *settings):
        return self.begin(self.model, *settings, served=True)

    @property
    def champion(self):
        return self.aliases["champion"]

    @property
    def aliases(self):
        return tracking.aliases(self.model)

    @property
    def decisions(self):
        return [each["tags"]["ratchet.decision"] for each in tracking.versions(self.model)]

    @property
    def served(self):
        """The version that the registry names, and the one that the servers are told."""
        return self.champion, servers.told()

    def run_of(self, cycle):
        (run,) = tracking.runs(self.model, cycle.id)
        return run["tags"]

    def model_info(self, version):
        return f'ratchet_server_model_info{{model="{self.model}-sklearn",version="{version}"}}'

    def roll_back(self):
        """By a word in the cluster, as an operator does."""
        job = f"rollback-{secrets.token_hex(3)}"
        made = cycles.job_from("rollout", job)
        settings = ("--set", f"model={self.model}", "--set", "serving.settle_seconds=2")
        words = ["rollback", f"{self.model}-sklearn", "--because", "the old one was better liked", *settings]
        made["spec"]["template"]["spec"]["containers"][0]["args"] = words
        create(made)
        try:
            assert cycles.job_end(job) == 0, cycles.logs_of_job(job)
        finally:
            kubectl("delete", "job", job, "--timeout=60s", seconds=90)


@pytest.fixture(scope="module")
def first(brisk):
    """The servers serve the tests' own model, of which there is a poor first version."""
    model = f"served-{secrets.token_hex(3)}"
    own = {"op": "add", "path": f"{SERVER}/containers/0/env/-", "value": {"name": "RATCHET__MODEL", "value": model}}
    nothing_yet = {"op": "add", "path": "/spec/template/metadata/annotations", "value": {}}
    with patching() as change, cycles.starting() as begin:
        change("deployment", servers.DEPLOYMENT, own, nothing_yet)
        change("deployment", exporter.DEPLOYMENT, exporter.tells_of(model))
        made = Served(model, begin)
        made.cycle(POOR).must_complete()
        assert (made.aliases, servers.told()) == ({"champion": 1}, 1)
        yield made


@pytest.fixture
def served(system, first):
    """That model as it was at first: its poor version serves and is the only one."""
    if first.champion != 1:
        first.roll_back()
    for version in tracking.versions(first.model):
        if version["version"] != 1:
            tracking.delete_version(first.model, version["version"])
    assert (first.aliases, servers.told()) == ({"champion": 1}, 1)
    return first


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


@pytest.mark.smoke
def test_a_better_version_is_rolled_out_without_a_lost_request_and_rolled_back_by_hand(served):
    exporter.must_say_the_truth(served.model)
    with servers.Load(servers.example(served.model, 1)) as load:
        served.cycle(BETTER).must_complete()
        better = served.champion
        assert better > 1
        assert (served.aliases, servers.told()) == ({"champion": better, "previous": 1}, better)
        good = load.seen()["good"]
        wait_until("the load goes on with the new version", lambda: load.seen()["good"] > good + 20, 60)
        seen = load.seen()
    assert seen["bad"] == []
    assert seen["good"] > 100
    found = servers.measures()
    assert found[served.model_info(better)] == "1.0"
    assert float(found['ratchet_server_requests_total{code="200"}']) > 0
    exporter.must_say_the_truth(served.model)
    served.roll_back()
    assert served.served == (1, 1)
    assert servers.measures()[served.model_info(1)] == "1.0"
    exporter.must_say_the_truth(served.model)


def test_what_applies_the_overlay_again_and_again_undoes_nothing(served):
    try:
        with Applying() as applying, servers.Load(servers.example(served.model, 1)) as load:
            wait_until("the autoscaler's two servers are ready", lambda: servers.ready() == 2, 240)
            served.cycle(BETTER).must_complete()
            better, times = served.champion, applying.times
            assert better > 1
            wait_until("it was applied twice since", lambda: applying.times > times + 1, 120)
            assert served.served == (better, better)
            assert servers.ready() == len(servers.pods()) == 2
            assert load.seen()["bad"] == []
        assert applying.problems == []
        assert applying.differences() == ""
    finally:
        kubectl("delete", "horizontalpodautoscaler", servers.DEPLOYMENT, "--ignore-not-found")
        kubectl("scale", "deployment", servers.DEPLOYMENT, "--replicas=1")
        servers.wait_until_ready()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        pytest.param(["serving.latency_seconds=0.0001"], "serving.latency_seconds is 0.0001", id="slow"),
        pytest.param(["serving.memory_limit=64MiB"], "64 MiB is its limit", id="big", marks=pytest.mark.smoke),
    ],
)
def test_too_slow_or_too_big_is_held(served, settings, why):
    must_be_held(served, served.cycle(BETTER, *settings), why)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        pytest.param(OTHER_LABELS, "labels are not the trainer's", id="labels"),
        pytest.param(NO_START, "its server ended with 1: nothing works today", id="start"),
    ],
)
def test_other_labels_or_no_start_is_held(served, patch, sabotage, code, why):
    patch("cronjob", "validate-sklearn", *sabotage(code)(VALIDATE))
    must_be_held(served, served.cycle(BETTER), why)


def test_out_of_memory_in_the_trial_is_held_and_fails_the_cycle(served, patch):
    limits = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "2", "memory": "300Mi"}}
    patch(
        "cronjob", "validate-sklearn", {"op": "replace", "path": f"{VALIDATE}/containers/0/resources", "value": limits}
    )
    cycle = served.cycle(BETTER)
    cycle.end()
    tags = served.run_of(cycle)
    assert tags["ratchet.decision"] == "held"
    assert "memory" in tags["ratchet.reason"]
    assert (served.aliases, servers.told()) == ({"champion": 1}, 1)


def must_be_held(served, cycle, why):
    cycle.must_complete()
    tags = served.run_of(cycle)
    assert (tags["ratchet.decision"], why in tags["ratchet.reason"]) == ("held", True), tags["ratchet.reason"]
    assert (served.aliases, servers.told()) == ({"champion": 1}, 1)
    assert served.decisions == ["promoted", "held"]
    exporter.must_say_the_truth(served.model)


@pytest.mark.smoke
def test_one_that_begins_to_fail_comes_back(served, patch, sabotage):
    code = FAILS_LATER.format(champion=served.champion)
    patch("deployment", servers.DEPLOYMENT, *sabotage(code)(SERVER))
    servers.wait_until_ready()
    with servers.Load(servers.example(served.model, 1)) as load:
        cycle = served.cycle(BETTER, "serving.settle_seconds=30")
        cycle.must_complete()
        tags = served.run_of(cycle)
        assert tags["ratchet.decision"] == "held"
        assert "its servers were taken back" in tags["ratchet.reason"]
        assert "requests failed" in tags["ratchet.reason"]
        assert served.served == (1, 1)
        servers.wait_until_ready()
        good = load.seen()["good"]
        wait_until("the old version answers again", lambda: load.seen()["good"] > good + 20, 60)
    exporter.must_say_the_truth(served.model)


def test_more_clients_than_it_can_answer_and_some_that_never_finish_take_it_from_nobody(served, patch):
    limits = {"RATCHET__SERVING__MAX_CONCURRENT": "8", "RATCHET__SERVING__REQUEST_SECONDS": "5"}
    variables = [{"name": name, "value": value} for name, value in limits.items()]
    changes = ({"op": "add", "path": f"{SERVER}/containers/0/env/-", "value": each} for each in variables)
    patch("deployment", servers.DEPLOYMENT, *changes)
    servers.wait_until_ready()
    (pod,) = servers.pods()
    with servers.Load(servers.example(served.model, 1), clients=40, pause=0, unfinished=10) as load:

        def enough():
            assert is_ready(pod)
            assert 'ratchet_server_requests_total{code="200"}' in servers.measures()
            seen = load.seen()
            return seen["codes"].get("503", 0) > 100 < seen["good"] and seen["unfinished"].get("408", 0) > 30

        wait_until("it has answered, turned away, and ended requests", enough, 120)
        seen = load.seen()
    assert (seen["codes"].keys(), seen["unfinished"].keys()) == ({"503"}, {"408"})
    assert (servers.pods(), restarts(pod)) == ([pod], 0)
    exporter.must_say_the_truth(served.model)


def test_one_that_never_gets_ready_comes_back(served, patch):
    away = {"name": "MLFLOW_TRACKING_URI", "value": "http://127.0.0.1:1"}
    patch("deployment", servers.DEPLOYMENT, {"op": "add", "path": f"{SERVER}/containers/0/env/-", "value": away})
    cycle = served.cycle(BETTER, "serving.ready_seconds=60")
    cycle.must_complete()
    tags = served.run_of(cycle)
    assert (tags["ratchet.decision"], "were taken back" in tags["ratchet.reason"]) == ("held", True)
    assert served.served == (1, 1)
    exporter.must_say_the_truth(served.model)


def test_a_version_waits_for_approval_and_goes_back_by_a_word_from_outside(served, tmp_path):
    name = f"{served.model}-sklearn"
    served.cycle(BETTER, "promotion.approval=manual").must_complete()
    staged = served.aliases["staging"]
    assert (served.aliases, servers.told()) == ({"champion": 1, "staging": staged}, 1)
    exporter.must_say_the_truth(served.model)
    settings = ("--set", f"model={served.model}", "--set", "serving.settle_seconds=2")
    words = ["promote", name, str(staged), "--because", "we looked at $it", *settings]
    said = command(*IN_CLUSTER, *words, seconds=300)
    assert f"version {staged} of {name} is the champion now" in said
    assert (served.aliases, servers.told()) == ({"champion": staged, "previous": 1}, staged)
    move = json.loads(tracking.versions(served.model)[-1]["tags"]["ratchet.move"])
    assert (move["by"].startswith("kubernetes-admin@by-hand-"), move["because"]) == (True, "we looked at $it")
    # By somebody with a kubeconfig and a way to MLflow.
    (tmp_path / "kubeconfig").write_text(kubectl("config", "view", "--minify", "--flatten", "--raw"))
    words = ["rollback", name, "--because", "the old one was better liked", *settings]
    with forwarded("mlflow", 5000) as address:
        where = {**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig"), "MLFLOW_TRACKING_URI": address}
        words += ["--set", "serving.deployments=true"]
        command(sys.executable, "-m", "ratchet", *words, seconds=300, environment=where)
    assert served.served == (1, 1)
    assert servers.measures()[served.model_info(1)] == "1.0"
    exporter.must_say_the_truth(served.model)


def test_serving_survives_mlflow_its_database_and_the_store_being_away(served):
    gone = ("deployment/mlflow", "statefulset/postgres", f"statefulset/{store.workload()}")
    with servers.Load(servers.example(served.model, 1)) as load:
        try:
            kubectl("scale", "--replicas=0", *gone)
            wait_until("they are gone", lambda: len(servers_of_state()) == 0, 120)
            (pod,) = servers.pods()
            before = restarts(pod)
            kubectl("exec", pod, "--", "sh", "-c", "kill -INT 1")
            wait_until("the container was started again", lambda: restarts(pod) > before, 60)
            servers.wait_until_ready(120)
            good = load.seen()["good"]
            wait_until("it answers without them", lambda: load.seen()["good"] > good + 20, 60)
        finally:
            kubectl("scale", "--replicas=1", *gone)
            wait_until_at_rest()
    exporter.must_say_the_truth(served.model)


def is_ready(pod):
    return get("pod", pod)["status"]["containerStatuses"][0]["ready"]


def restarts(pod):
    return get("pod", pod)["status"]["containerStatuses"][0]["restartCount"]


def servers_of_state():
    names = "app.kubernetes.io/component in (tracking, database, object-store)"
    return kubectl("get", "pods", "-l", names, "-o", "name").split()


def test_a_token_opens_the_servers_is_replaced_without_a_restart_and_stops_no_rollout(served):
    """The component serving-token as a patch; its Secret is one that `make secrets` wrote."""
    secret = json.loads(kubectl("get", "secret", "serving-tokens", "-o", "json"))["data"]["tokens"]
    old, new = base64.b64decode(secret).decode(), secrets.token_hex(32)

    def write(*tokens):
        change = {"stringData": {"tokens": "\n".join(tokens)}}
        kubectl("patch", "secret", "serving-tokens", "-p", json.dumps(change))

    def statuses():
        return [servers.answers(servers.DEPLOYMENT, {}, token) for token in (None, old, new)]

    with patching() as change:
        change("deployment", servers.DEPLOYMENT, *LOCK)
        servers.wait_until_ready()
        try:
            assert statuses() == [401, 400, 401]
            before = servers.pods()
            write(old, new)
            wait_until("both tokens open it", lambda: statuses() == [401, 400, 400], 180, pause=2)
            write(new)
            wait_until("the old token opens it no more", lambda: statuses() == [401, 401, 400], 180, pause=2)
            assert servers.pods() == before
            served.cycle(BETTER).must_complete()
            assert served.champion == servers.told() > 1
            wait_until("the new server has the lock, too", lambda: statuses() == [401, 401, 400], 60, pause=2)
        finally:
            write(old)
