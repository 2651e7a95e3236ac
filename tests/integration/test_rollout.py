"""Servers follow `champion`, or both go back: a real MLflow, a small API server, a clock that only waiting moves."""

import itertools
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from mlflow.tracking import MlflowClient

from ratchet.io.cluster import deployment
from ratchet.io.records.registered_model import RegisteredModel
from ratchet.jobs.promotion import promote, rollout, servers
from ratchet.jobs.promotion.case import held_model
from ratchet.jobs.promotion.conclude import conclude, go_back
from ratchet.jobs.promotion.register import register
from ratchet.jobs.promotion.servers import Servers
from tests.integration.candidate_runs import add_run, read_artifact
from tests.integration.conftest import settings_for
from tests.integration.killing import killed_after
from tests.integration.snapshots import snapshot_of
from tests.unit.cluster_server import Clock, Cluster, api_of, serving

_names = (f"rolled{number}" for number in itertools.count())
NAME = "server-sklearn"


@pytest.fixture
def settings(mlflow_file):
    uri, artifacts = mlflow_file
    serving = {"deployments": True, "ready_seconds": 60, "settle_seconds": 10}
    return settings_for(uri, next(_names), artifacts, retrain={"engines": ("sklearn",)}, serving=serving)


@pytest.fixture
def client(settings):
    return MlflowClient(settings.tracking.uri)


class Kube:
    """A cluster with the Deployment, whose pods get ready after some seconds, unless a test says otherwise."""

    def __init__(self):
        self.cluster, self.clock = Cluster(), Clock()
        self.ready_after = 3.0
        self.ends = 0
        self.address = None
        self.since = 0.0
        template = {"metadata": {"labels": {}}, "spec": {}}
        self.cluster.add(
            "deployments", NAME, {"spec": {"replicas": 1, "template": template}, "status": {}}, generation=1
        )
        self.clock.during = self.settle

    @property
    def told(self):
        template = self.cluster.objects["deployments", NAME]["spec"]["template"]
        return template["metadata"].get("annotations", {}).get(deployment.VERSION)

    def settle(self, now):
        """What a Deployment's controller does with a template that was changed."""
        found = self.cluster.objects["deployments", NAME]
        if found["metadata"]["resourceVersion"] != found["status"].get("seen"):
            found["status"] = {"seen": found["metadata"]["resourceVersion"], "replicas": 2, "updatedReplicas": 1}
            self.since = now
            container = {"name": "server", "restartCount": self.ends, "state": {"running": {}}}
            container["lastState"] = {"terminated": {"exitCode": 1, "message": "ratchet: no luck"}}
            status = {"phase": "Running", "containerStatuses": [container], "podIP": self.address}
            labels, marked = {"app.kubernetes.io/name": NAME}, {deployment.VERSION: self.told}
            self.cluster.objects.pop(("pods", "new"), None)
            self.cluster.add("pods", "new", {"status": status, "spec": {}}, labels=labels, annotations=marked)
        if now - self.since >= self.ready_after:
            found["status"] |= {
                "replicas": 1,
                "availableReplicas": 1,
                "observedGeneration": found["metadata"]["generation"],
            }


@pytest.fixture
def kube():
    return Kube()


@pytest.fixture
def follow(settings, client, kube):
    """Roll the servers to the champion; why they went back, by engine."""
    with serving(kube.cluster) as address:
        api = api_of(address, kube.clock)

        def rolled(fresh=("sklearn",)):
            return Servers(settings, client, api, clock=kube.clock, sleep=kube.clock.sleep).follow(("sklearn",), fresh)

        rolled.api = api
        yield rolled


def promoted(settings, cycle, f1):
    run_id = add_run(settings, cycle, f1)
    (result,) = register(settings, cycle)
    assert result.outcome == "promoted"
    return run_id


def aliases(settings):
    model = RegisteredModel.read(MlflowClient(settings.tracking.uri), settings.registered_name("sklearn"))
    return {alias: int(version) for alias, version in model.aliases.items()}


def test_servers_follow_the_champion(settings, kube, follow):
    promoted(settings, "c1", 0.5)
    assert follow() == {}
    assert kube.told == "1"
    promoted(settings, "c2", 0.6)
    assert follow() == {}
    assert (kube.told, aliases(settings)["champion"]) == ("2", 2)


def test_without_a_champion_nothing_is_rolled(kube, follow):
    assert follow() == {}
    assert kube.told is None


def test_without_the_deployment_nothing_is_rolled(settings, kube, follow):
    promoted(settings, "c1", 0.5)
    del kube.cluster.objects["deployments", NAME]
    assert follow() == {}


def test_servers_that_are_there_already_are_left_alone(settings, kube, follow):
    promoted(settings, "c1", 0.5)
    follow()
    before = [request for request in kube.cluster.requests if request[0] == "PATCH"]
    assert follow(fresh=()) == {}
    assert [request for request in kube.cluster.requests if request[0] == "PATCH"] == before


def test_what_is_not_ready_in_time_goes_back(settings, client, kube, follow):
    promoted(settings, "c1", 0.5)
    follow()
    kube.ready_after = 600.0
    run_id = promoted(settings, "c2", 0.6)
    why = follow()["sklearn"]
    assert why.startswith(
        "version 2 was promoted, and its servers were taken back: its servers were not ready within 60 s"
    )
    assert (kube.told, aliases(settings)) == ("1", {"champion": 1})
    assert client.get_run(run_id).data.tags["ratchet.decision"] == "held"
    assert client.get_run(run_id).data.tags["ratchet.reason"] == why
    assert '"outcome": "held"' in read_artifact(settings, run_id, "decision.json")
    assert conclude(client, settings, "sklearn", "c2").outcome == "held"
    assert follow(fresh=()) == {}


def test_what_ends_again_and_again_goes_back_at_once_with_its_words(settings, kube, follow):
    promoted(settings, "c1", 0.5)
    follow()
    kube.ready_after, kube.ends = 600.0, 2
    promoted(settings, "c2", 0.6)
    begin = kube.clock()
    assert "ends again and again: ratchet: no luck" in follow()["sklearn"]
    assert kube.clock() - begin < 10


def test_what_ends_while_it_settles_goes_back(settings, kube, follow):
    promoted(settings, "c1", 0.5)
    follow()
    kube.ends = 1
    promoted(settings, "c2", 0.6)
    assert "the server in new has ended" in follow()["sklearn"]
    assert aliases(settings) == {"champion": 1}


def test_a_first_champion_that_can_not_serve_leaves_none(settings, kube, follow):
    kube.ready_after = 600.0
    promoted(settings, "c1", 0.5)
    assert "not ready within" in follow()["sklearn"]
    assert (kube.told, aliases(settings)) == (None, {})


@contextmanager
def answering(pages):
    """Something that answers each scrape with the next page, on the port of a server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            content = (pages.pop(0) if len(pages) > 1 else pages[0]).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def page(good, failures, turned_away=0):
    return (
        f'ratchet_server_requests_total{{code="503"}} {turned_away}.0\n'
        f'ratchet_server_requests_total{{code="401"}} {turned_away}.0\n'
        f'ratchet_server_requests_total{{code="200"}} {good}.0\n'
        f'ratchet_server_requests_total{{code="400"}} {failures}.0\n'
        f"ratchet_server_failures_total {failures}.0\n"
    )


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        ([page(0, 0), page(100, 0), page(104, 20)], "20 of 24 requests failed"),
        ([page(0, 0), page(100, 0), page(200, 20), page(203, 20)], None),
        ([page(0, 0), page(0, 3)], None),
        ([page(0, 0), page(20, 0, 500)], None),
        ([page(0, 0), page(5, 20, 500)], "20 of 25 requests failed"),
    ],
)
def test_what_fails_most_requests_goes_back(settings, kube, follow, monkeypatch, pages, why):
    promoted(settings, "c1", 0.5)
    follow()
    promoted(settings, "c2", 0.6)
    with answering(pages) as port:
        monkeypatch.setattr(deployment, "_PORT", port)
        kube.address = "127.0.0.1"
        back = follow()
    assert back == ({} if why is None else {"sklearn": back.get("sklearn")})
    assert why is None or back["sklearn"].endswith(why)
    assert aliases(settings)["champion"] == (2 if why is None else 1)


def test_a_champion_that_somebody_moved_meanwhile_stays(settings, client, kube, follow):
    promoted(settings, "c1", 0.5)
    promoted(settings, "c2", 0.6)
    kube.ready_after = 600.0
    settle = kube.clock.during

    def move(now):
        settle(now)
        client.set_registered_model_alias(settings.registered_name("sklearn"), "champion", "1")

    kube.clock.during = move
    follow()
    assert (kube.told, aliases(settings)["champion"]) == ("1", 1)
    assert client.get_model_version(settings.registered_name("sklearn"), "2").tags["ratchet.decision"] == "promoted"


def test_a_move_by_hand_takes_the_servers_along(settings, kube, follow, monkeypatch):
    promoted(settings, "c1", 0.5)
    promoted(settings, "c2", 0.6)
    follow()
    monkeypatch.setattr(servers, "_open", lambda _settings: follow.api)
    by_hand = settings.model_copy(update={"serving": settings.serving.model_copy(update={"settle_seconds": 0})})
    monkeypatch.setattr(servers, "_POLL_SECONDS", 0.01)
    kube.ready_after = 0.0
    kube.clock.during(0.0)
    name = settings.registered_name("sklearn")
    done = threading.Event()
    controller = threading.Thread(target=lambda: [kube.settle(0.0) for _ in iter(lambda: done.wait(0.05), True)])
    controller.start()
    try:
        promote.rollback(by_hand, name, "it was better liked")
    finally:
        done.set()
        controller.join()
    assert (kube.told, aliases(settings)["champion"]) == ("1", 1)


def test_a_rollout_of_a_cycle_says_that_it_went_back(settings, kube, follow, monkeypatch):
    promoted(settings, "c1", 0.5)
    follow()
    promoted(settings, "c2", 0.6)
    kube.ready_after = 600.0
    monkeypatch.setattr(
        rollout, "Servers", lambda s, c: Servers(s, c, follow.api, clock=kube.clock, sleep=kube.clock.sleep)
    )
    told = []
    (result,) = rollout.rollout(settings, "c2", {}, told.append)
    assert (result.outcome, "were taken back" in result.reason, result.rolled_back) == ("held", True, True)
    facts = [(event["event"], event["outcome"], event["rolled_back"]) for event in told]
    assert facts == [("rollout.decided", "held", True)]
    (again,) = rollout.rollout(settings, "c2", {}, told.append)
    assert (again.outcome, again.rolled_back) == ("held", True)


def fail(settings, client):
    """What a rollout does where the servers of version 2 fail."""
    with held_model(client, settings, settings.registered_name("sklearn"), "rollout") as model:
        if model.aliases["champion"] == 2:
            go_back(model, 2, "it failed")


def test_the_way_back_may_be_killed_between_any_two_writes(mlflow_file, tmp_path, monkeypatch):
    uri, _ = mlflow_file
    settings = settings_for(uri, next(_names), str(tmp_path / "artifacts"), retrain={"engines": ("sklearn",)})
    client = MlflowClient(settings.tracking.uri)
    promoted(settings, "c1", 0.5)
    run_id = promoted(settings, "c2", 0.6)
    before = snapshot_of(settings, tmp_path / "before")
    for after in itertools.count(1):
        before.restore()
        with killed_after(monkeypatch, after) as end:
            fail(settings, client)
        fail(settings, client)
        assert conclude(client, settings, "sklearn", "c2").outcome == "held"
        assert aliases(settings) == {"champion": 1}
        assert client.get_run(run_id).data.tags["ratchet.decision"] == "held"
        if not end.killed:
            break
    assert after > 3
