"""Prometheus in the cluster: it finds everybody, rules and queries work on real data, the metrics say the truth."""

import time
from datetime import datetime

import pytest

from tests.e2e import prometheus, tracking
from tests.e2e.cluster import create, every, get, kubectl, wait_until
from tests.e2e.cycles import BOTH
from tests.e2e.newcomer import MODEL, must_serve
from tests.manifests.dashboards import queries
from tests.manifests.prometheus_rules import ALERTS, RECORDED
from tests.manifests.promtool import closed

# Prometheus asks the exporter twice a minute.
SEEN_SECONDS = 180


def of(engine):
    return f'{{model="{MODEL}-{engine}"}}'


@pytest.fixture
def champions(system, first_cycle):
    """Champions of the model that the exporter tells of."""
    for engine in BOTH:
        assert "champion" in tracking.aliases(MODEL, engine), (
            f"{MODEL}-{engine} has no champion; make retrain makes one"
        )
        prometheus.wait_for("the champion is told", f"ratchet_champion_version{of(engine)}", seconds=SEEN_SECONDS)


@pytest.mark.smoke
def test_prometheus_finds_the_exporter_and_each_pod_that_serves(system):
    def all_up():
        targets = prometheus.ask("targets")["activeTargets"]
        jobs = [each["labels"]["job"] for each in targets if each["health"] == "up"]
        return len(jobs) == len(targets) and jobs.count("ratchet-exporter") == 1 and jobs

    jobs = wait_until("all that is scraped answers", all_up, SEEN_SECONDS, pause=3)
    assert jobs.count("ratchet-servers") == len(every("pods", "app.kubernetes.io/component=server"))


@pytest.mark.smoke
def test_prometheus_has_loaded_every_rule_and_can_evaluate_it(system):
    def healthy():
        loaded = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        return loaded if all(rule["health"] == "ok" for rule in loaded) else None

    loaded = wait_until("every rule is healthy", healthy, SEEN_SECONDS, pause=3)
    assert {rule["name"] for rule in loaded} == ALERTS.keys() | RECORDED


@pytest.mark.smoke
def test_the_metrics_say_what_mlflow_and_the_cluster_say(champions):
    for engine in BOTH:
        versions = tracking.versions(MODEL, engine)
        champion = tracking.aliases(MODEL, engine)["champion"]
        told = f"ratchet_champion_version{of(engine)}"
        prometheus.wait_for("the newest champion is told", told, lambda found, champion=champion: found == champion)
        count = len(versions)
        told = f"ratchet_versions{of(engine)}"
        prometheus.wait_for("all versions are told", told, lambda found, count=count: found == count)
        f1 = next(float(each["tags"]["ratchet.f1"]) for each in versions if each["version"] == champion)
        assert prometheus.number(f"ratchet_champion_f1{of(engine)}") == pytest.approx(f1)
        day = prometheus.number(f"ratchet_rolling_day_timestamp_seconds{of(engine)}")
        assert day % 86_400 == 0
    assert get("cronjob", "retrain")["spec"]["schedule"].startswith("0 4 * * ")
    assert prometheus.number("ratchet_cycle_period_seconds") == 7 * 86_400
    assert set(prometheus.value("ratchet_exporter_source_up").values()) == {1.0}


@pytest.mark.smoke
def test_a_cycle_is_told_while_it_runs_and_when_it_is_done(second_cycle):
    # The coordinator sees the last pod end, and is done; the Jobs, the pod's and its own, are complete a little later.
    (status,) = second_cycle.pods_of("register")[-1]["status"]["containerStatuses"]
    last = datetime.fromisoformat(status["state"]["terminated"]["finishedAt"]).timestamp()
    success = "ratchet_cycle_last_success_timestamp_seconds"
    prometheus.wait_for("its success is told", success, lambda found: (found or 0) >= last, SEEN_SECONDS)
    steps = {dict(labels)["step"] for labels in prometheus.value("ratchet_cycle_step_seconds")}
    assert {"sklearn", "register"} <= steps


@pytest.mark.smoke
def test_every_query_of_the_dashboards_and_every_rule_returns_data(champions, second_cycle):
    must_serve()
    # No model of the cluster has another objective than F1.
    asked = {where: text for where, text in queries() if "_f1" in text or "_objective" not in text}

    def without():
        return sorted(
            where for where, text in asked.items() if not prometheus.ask("query", query=closed(text))["result"]
        )

    deadline = time.monotonic() + 420
    while (missing := without()) and time.monotonic() < deadline:
        time.sleep(5)
    assert missing == []
    assert [name for name in RECORDED if not prometheus.value(name)] == []


def test_what_is_away_is_told_and_the_last_values_stay(champions):
    """MLflow is taken away for some minutes; the alert is pending, and gone when it is back."""
    up, pending = 'ratchet_exporter_source_up{source="mlflow"}', 'count(ALERTS{alertname="RatchetExporterBlind"})'
    kubectl("scale", "deployment", "mlflow", "--replicas=0")
    try:
        prometheus.wait_for("MLflow is known to be away", up, lambda found: found == 0, 240)
        for engine in BOTH:
            assert prometheus.number(f"ratchet_champion_version{of(engine)}") is not None
        prometheus.wait_for("the alert is pending", pending, lambda found: found == 1, 120)
    finally:
        kubectl("scale", "deployment", "mlflow", "--replicas=1")
    prometheus.wait_for("MLflow is back", up, lambda found: found == 1, 300)
    prometheus.wait_for("the alert is gone", pending, lambda found: found is None, 120)


def test_prometheus_keeps_its_history_when_its_pod_goes(champions):
    told = f"count_over_time(ratchet_champion_version{of('sklearn')}[1h])"
    before = prometheus.number(told)
    kubectl("delete", "pod", "prometheus-0", "--wait=true", "--timeout=90s", seconds=100)
    wait_until(
        "Prometheus is ready", lambda: (get("statefulset", "prometheus")["status"]).get("readyReplicas") == 1, 180
    )
    assert prometheus.number(told) >= before


def test_the_exporter_comes_back_and_may_only_look(system):
    (pod,) = every("pods", "app.kubernetes.io/name=exporter")
    kubectl("delete", "pod", pod["metadata"]["name"], "--wait=true", "--timeout=60s", seconds=90)
    prometheus.wait_for("the exporter answers again", 'up{job="ratchet-exporter"}', lambda found: found == 1, 180)
    asked = {("list", "jobs"): True, ("get", "cronjobs"): True}
    asked |= dict.fromkeys([("create", "jobs"), ("get", "secrets"), ("list", "pods"), ("patch", "cronjobs")], False)
    assert {(verb, kind): may(verb, kind) for verb, kind in asked} == asked


def may(verb, kind):
    """Whether the exporter's account may do something, by the API server's word."""
    group = "batch" if kind in ("jobs", "cronjobs") else ""
    attributes = {"namespace": "ratchet", "verb": verb, "group": group, "resource": kind}
    spec = {"user": "system:serviceaccount:ratchet:exporter", "resourceAttributes": attributes}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return create(review)["status"]["allowed"]
