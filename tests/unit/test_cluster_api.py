"""The API of a cluster: what is waited for, what is final, and what is said of it."""

import pytest
import structlog

from ratchet.errors import ConfigurationError, FailedError
from ratchet.io.cluster import credentials
from ratchet.io.cluster.api import APPLICATIONS, JOBS, PODS, AwayError
from tests.unit.cluster_server import api_of, serving


@pytest.fixture
def api(cluster, clock):
    with serving(cluster) as address:
        yield api_of(address, clock)


def test_objects_are_made_found_changed_and_deleted(api, cluster):
    made = api.create(JOBS, {"metadata": {"name": "one"}})
    assert api.get(JOBS, "one") == made
    assert api.create(JOBS, {"metadata": {"name": "one"}}) is None
    assert api.get(JOBS, "two") is None
    assert api.patch(JOBS, "one", {"metadata": {"labels": {"a": "b"}}})["metadata"]["labels"] == {"a": "b"}
    assert [job["metadata"]["name"] for job in api.items(JOBS, labels="a=b")] == ["one"]
    assert api.items(JOBS, labels="a=c") == []
    api.delete(JOBS, "one", made["metadata"]["uid"])
    api.delete(JOBS, "one", made["metadata"]["uid"])
    assert cluster.objects == {}
    assert {request[3] for request in cluster.requests} == {"Bearer secret"}


def test_an_object_that_somebody_changed_is_not_replaced(api, cluster):
    cluster.add("jobs", "one")
    mine = api.get(JOBS, "one")
    api.patch(JOBS, "one", {"metadata": {"labels": {"a": "b"}}})
    assert api.replace(JOBS, "one", mine) is None


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_server_that_is_busy_or_broken_is_waited_for(api, cluster, clock, status):
    cluster.add("jobs", "one")
    cluster.forced = [(status, {"message": "not now"})] * 4
    with structlog.testing.capture_logs() as logs:
        assert api.get(JOBS, "one")["metadata"]["name"] == "one"
    assert clock.now > 3
    assert [event["event"] for event in logs] == ["cluster.away", "cluster.back"]


def test_a_server_that_is_away_is_waited_for_and_not_for_ever(api, cluster, clock):
    cluster.away = True
    clock.during = lambda now: setattr(cluster, "away", now < 60)
    assert api.get(JOBS, "one") is None
    assert 60 <= clock.now < 66
    cluster.away, clock.during = True, lambda _: None
    with pytest.raises(AwayError, match="does not answer"):
        api.get(JOBS, "one")
    assert 360 <= clock.now < 375


def test_without_patience_nothing_is_waited_for(api, cluster, clock):
    cluster.away = True
    with pytest.raises(AwayError):
        api.at_once().get(JOBS, "one")
    assert clock.now == 0


def test_a_webhook_that_does_not_answer_is_told_of_sooner(api, cluster, clock):
    cluster.forced = [(500, {"message": "failed calling webhook: connection refused"})] * 99
    with pytest.raises(AwayError, match="failed calling webhook"):
        api.create(APPLICATIONS, {"metadata": {"name": "one"}})
    assert clock.now < 70


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_right_is_a_matter_of_configuration_and_names_it(api, cluster, clock, status):
    cluster.forced = [(status, {"message": "jobs is forbidden"})] * 99
    with pytest.raises(ConfigurationError, match="not list jobs in the namespace ratchet: jobs is forbidden"):
        api.items(JOBS)
    assert 20 <= clock.now < 30


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_has_just_started_and_knows_no_rights_yet_is_waited_for(api, cluster, clock, status):
    cluster.add("jobs", "one")
    cluster.forced = [(status, {"message": "jobs is forbidden"})] * 3
    with pytest.raises(AwayError, match="does not accept requests yet"):
        api.at_once().get(JOBS, "one")
    assert api.get(JOBS, "one")["metadata"]["name"] == "one"
    assert 0 < clock.now < 5


def test_without_patience_a_refusal_is_told_at_once(cluster, clock):
    cluster.forced = [(403, {"message": "jobs is forbidden"})]
    with serving(cluster) as address, pytest.raises(ConfigurationError, match="jobs is forbidden"):
        api_of(address, clock, patience=0).items(JOBS)
    assert clock.now == 0


def test_a_kind_that_the_cluster_does_not_know_is_a_matter_of_configuration(api, cluster):
    cluster.forced = [(404, {"message": "the server could not find the requested resource"})]
    with pytest.raises(ConfigurationError, match="the cluster knows no sparkapplications"):
        api.create(APPLICATIONS, {"metadata": {"name": "one"}})


def test_an_object_that_is_refused_is_told_with_the_reason(api, cluster):
    cluster.forced = [(422, {"message": "the field is wrong"}), (410, "gone\nfor good")]
    with pytest.raises(ConfigurationError, match="the field is wrong"):
        api.create(JOBS, {"metadata": {"name": "one"}})
    with pytest.raises(FailedError, match="gone for good"):
        api.get(JOBS, "one")


def test_what_is_no_api_is_said_to_be_none(api, cluster):
    cluster.forced = [(200, "<html>")]
    with pytest.raises(FailedError, match="no API of a cluster: <html>"):
        api.get(JOBS, "one")


def test_a_log_that_can_not_be_had_is_no_error(api, cluster):
    assert api.log("pod", "main", None) is None
    cluster.logs["pod"] = "2026-01-01T00:00:00Z line\n"
    assert api.log("pod", "main", "2026-01-01T00:00:00Z") == "2026-01-01T00:00:00Z line\n"
    cluster.away = True
    assert api.log("pod", "main", None) is None
    assert {request[1] for request in cluster.requests} == {PODS.plural}


def test_a_pod_finds_its_own_way_in(tmp_path):
    (tmp_path / "token").write_text("first\n")
    variables = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    found = credentials.inside(variables, tmp_path)
    assert (found.address, found.ca_file) == ("https://10.0.0.1:443", str(tmp_path / "ca.crt"))
    assert found.authorization() == "Bearer first"
    (tmp_path / "token").write_text("second")
    assert found.authorization() == "Bearer second", "the kubelet replaces it before it expires"
    assert (
        credentials.inside(variables | {"KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path).address
        == "https://[fd00::1]:443"
    )


@pytest.mark.parametrize("missing", ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "token"])
def test_elsewhere_there_is_no_such_way(tmp_path, missing):
    if missing != "token":
        (tmp_path / "token").write_text("x")
    variables = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    assert credentials.inside({key: value for key, value in variables.items() if key != missing}, tmp_path) is None


def test_a_kubeconfig_is_read_outside(tmp_path, monkeypatch):
    file = tmp_path / "config"
    file.write_text(
        """
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: one, user: me}}]
clusters: [{name: one, cluster: {server: "https://example.org:6443", insecure-skip-tls-verify: true}}]
users: [{name: me, user: {token: abc}}]
"""
    )
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    found = credentials.outside()
    assert (found.address, found.authorization(), found.verify) == ("https://example.org:6443", "Bearer abc", False)
    with pytest.raises(ConfigurationError, match="names no cluster to ask"):
        credentials.outside("elsewhere")
