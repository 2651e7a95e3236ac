"""Rules, alerts and queries by Prometheus' own tools; what the operator gets is what Prometheus gets."""

import copy
import re

import pytest
import yaml

from ratchet.core.exported import METRICS
from tests.manifests import rules
from tests.manifests.dashboards import DASHBOARDS
from tests.manifests.kustomize import ROOT
from tests.manifests.prometheus_rules import ALERTS, EXPRESSIONS, FILE, GROUPS, RECORDED, RULES
from tests.manifests.promtool import BUILT_IN, closed, names_in, need_promtool, promtool

MONITORING = ROOT / "k8s/components/monitoring"
TESTS = yaml.safe_load((ROOT / "tests/manifests/alerts.yaml").read_text())["tests"]
DOCUMENT = (ROOT / "docs/monitoring.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
# What the servers tell stands in the document; the documents' own tests hold it to that.
OF_SERVERS = set(re.findall(r"^\| `(ratchet_server_\w+)` \|", DOCUMENT, re.MULTILINE))
HISTOGRAMS = {"ratchet_server_request_seconds"}
DECLARED = {metric.name for metric in METRICS} | OF_SERVERS | BUILT_IN | RECORDED
DECLARED |= {f"{name}_{part}" for name in HISTOGRAMS for part in ("bucket", "sum", "count")}


def by_kind(objects, kind):
    return {rules.HASH.sub("", thing["metadata"]["name"]): thing for thing in objects if thing["kind"] == kind}


@pytest.fixture
def tool():
    need_promtool()
    return promtool


def test_prometheus_accepts_the_rules(tool):
    code, said = tool("check", "rules", "--lint=all", "--lint-fatal", FILE)
    assert code == 0, said
    assert f"{len(RULES)} rules found" in said


def test_prometheus_accepts_its_configuration(tool, tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/ratchet.yaml").write_bytes(FILE.read_bytes())
    config = (MONITORING / "prometheus.yml").read_text()
    assert "/etc/prometheus-rules/*.yaml" in config
    (tmp_path / "prometheus.yml").write_text(config.replace("/etc/prometheus-rules", str(tmp_path / "rules")))
    code, said = tool("check", "config", "--lint=all", "--lint-fatal", tmp_path / "prometheus.yml")
    assert code == 0, said


def test_every_alert_fires_when_it_should_and_not_when_it_should_not(tool, tmp_path):
    (tmp_path / "ratchet.yaml").write_bytes(FILE.read_bytes())
    (tmp_path / "alerts.yaml").write_bytes((ROOT / "tests/manifests/alerts.yaml").read_bytes())
    code, said = tool("test", "rules", tmp_path / "alerts.yaml")
    assert code == 0, said


def test_an_alert_that_never_fires_would_be_found(tool, tmp_path):
    (tmp_path / "ratchet.yaml").write_text(FILE.read_text().replace("> 0.05", "> 0.5"))
    (tmp_path / "alerts.yaml").write_bytes((ROOT / "tests/manifests/alerts.yaml").read_bytes())
    code, said = tool("test", "rules", tmp_path / "alerts.yaml")
    assert code != 0
    assert "RatchetServingErrors" in said


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not(alert):
    played = [case for test in TESTS for case in test.get("alert_rule_test", []) if case["alertname"] == alert]
    assert {bool(case["exp_alerts"]) for case in played} == {True, False}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_it_is_and_where_to_go_on(alert):
    rule = ALERTS[alert]
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["for"]
    assert rule["annotations"]["runbook"] == "docs/operations.md#alerts"
    section = re.search(r"^## Alerts\n(.*?)(?=^## |\Z)", OPERATIONS, re.MULTILINE | re.DOTALL)[1]
    assert re.search(rf"^\| `{alert}` \|(?: [^|]+ \|){{3}}$", section, re.MULTILINE), "a row with look, cause, do"
    assert f"| `{alert}` |" in DOCUMENT


def test_no_document_tells_of_an_alert_that_there_is_not():
    assert set(re.findall(r"^\| `(Ratchet\w+)` \|", DOCUMENT + OPERATIONS, re.MULTILINE)) == ALERTS.keys()


def test_prometheus_accepts_every_query_of_the_dashboards(tool, tmp_path):
    group = [{"record": f"query{at}", "expr": closed(expression)} for at, expression in enumerate(EXPRESSIONS.values())]
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": group}]}))
    code, said = tool("check", "rules", tmp_path / "queries.yaml")
    assert code == 0, said
    assert f"{len(group)} rules found" in said


def test_a_model_is_drawn_by_what_decides_on_it(tool, tmp_path):
    told = {
        "a": {"rolling_f1": 0.5, "rolling_f1_floor": 0.4, "champion_f1": 0.6, "champion_f1_all_positive": 0.3},
        "b": {"rolling_f1": 0.5, "champion_f1": 0.6, "champion_f1_all_positive": 0.3}
        | {"rolling_objective": -2, "rolling_objective_floor": -3, "champion_objective": -1}
        | {"champion_objective_constant": -4},
    }
    # F1 has the left axis, an objective the right one.
    drawn = {"A": ("a", 0.5), "B": ("a", 0.4), "C": ("a", 0.6), "D": ("a", 0.3)}
    drawn |= {"E": ("b", -2), "F": ("b", -3), "G": ("b", -1), "H": ("b", -4)}
    case = {
        "input_series": [
            {"series": f'ratchet_{metric}{{model="{model}"}}', "values": f"{value}x5"}
            for model, metrics in told.items()
            for metric, value in metrics.items()
        ],
        "promql_expr_test": [
            {
                "expr": closed(EXPRESSIONS[f"ratchet: Rolling value and its floor {letter}"]),
                "eval_time": "2m",
                "exp_samples": [{"labels": f'{{model="{model}"}}', "value": value}],
            }
            for letter, (model, value) in drawn.items()
        ],
    }
    (tmp_path / "drawn.yaml").write_text(yaml.safe_dump({"tests": [case]}))
    code, said = tool("test", "rules", tmp_path / "drawn.yaml")
    assert code == 0, said


def test_prometheus_refuses_a_query_that_is_none(tool, tmp_path):
    wrong = {"groups": [{"name": "queries", "rules": [{"record": "query", "expr": "max by (model (up)"}]}]}
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump(wrong))
    assert tool("check", "rules", tmp_path / "queries.yaml")[0] != 0


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_an_expression_names_only_what_somebody_tells(where):
    found = names_in(closed(EXPRESSIONS[where]))
    assert found
    assert found <= DECLARED


def test_variables_of_dashboards_name_only_what_somebody_tells():
    asked = [
        each["definition"]
        for board in DASHBOARDS.values()
        for each in board["templating"]["list"]
        if "definition" in each
    ]
    names = {re.fullmatch(r"label_values\((\w+), model\)", definition)[1] for definition in asked}
    assert names <= DECLARED


def test_names_are_found_in_expressions():
    expression = 'sum by (a, b) (rate(x_total{code=~"5..|y"}[5m]) * on (job) group_left (model) up) or vector(0) > 1e3'
    assert names_in(expression) == {"x_total", "up"}
    assert names_in("histogram_quantile(0.9, sum by (le) (a:b_c:rate5m)) unless absent(z)") == {"a:b_c:rate5m", "z"}


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_grafana_and_servers_follow_the_rules(rule, observed):
    assert list(rule(observed)) == []


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_what_the_operator_gets_follows_the_rules(rule, operated):
    assert list(rule(operated)) == []


def test_a_workload_that_a_policy_calls_optional_is_one_that_there_can_be(observed, monkeypatch):
    monkeypatch.setattr(rules, "OPTIONAL", set())
    assert list(rules.policies_choose_pods(observed)) == []


def test_servers_are_scraped_through_the_closed_network(observed):
    broken = [thing for thing in copy.deepcopy(observed) if thing["metadata"]["name"] != "at-server-metrics"]
    assert list(rules.connections_have_two_ends(observed)) == []
    assert list(rules.connections_have_two_ends(broken)) != []


def test_grafana_asks_who_is_there_and_has_its_password_from_a_secret(observed):
    (container,) = by_kind(observed, "Deployment")["grafana"]["spec"]["template"]["spec"]["containers"]
    variables = {each["name"]: each for each in container["env"]}
    assert variables["GF_AUTH_ANONYMOUS_ENABLED"]["value"] == "false"
    assert variables["GF_SECURITY_ADMIN_PASSWORD"]["valueFrom"]["secretKeyRef"]["name"] == "grafana"


def test_grafana_has_every_dashboard_and_finds_prometheus(observed):
    maps = by_kind(observed, "ConfigMap")
    assert maps["dashboards"]["data"].keys() == {f"{name}.json" for name in DASHBOARDS}
    (source,) = yaml.safe_load(maps["grafana-provisioning"]["data"]["datasources.yaml"])["datasources"]
    host, _, port = source["url"].removeprefix("http://").partition(":")
    assert by_kind(observed, "Service")[host]["spec"]["ports"][0]["port"] == int(port)


def test_no_overlay_of_ours_needs_an_image_of_grafana(overlays):
    assert all("grafana" not in by_kind(objects, "Deployment") for objects in overlays.values())


def test_every_overlay_is_monitored(overlays):
    for name, objects in overlays.items():
        assert "exporter" in by_kind(objects, "Deployment"), name
        assert "prometheus" in by_kind(objects, "StatefulSet"), name


def test_prometheus_keeps_less_than_its_claim_holds(overlays):
    prometheus = by_kind(overlays["local"], "StatefulSet")["prometheus"]["spec"]
    words = prometheus["template"]["spec"]["containers"][0]["args"]
    assert {"--storage.tsdb.retention.time=30d", "--storage.tsdb.retention.size=1GB"} <= {*words}
    assert prometheus["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "2Gi"


def test_the_operator_gets_the_same_rules(operated):
    (rule,) = [thing for thing in operated if thing["kind"] == "PrometheusRule"]
    assert rule["spec"]["groups"] == GROUPS, "make docs"


def test_the_operator_scrapes_the_same_jobs(operated):
    own = {job["job_name"] for job in yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]}
    services, found = by_kind(operated, "Service"), set()
    for monitor in by_kind(operated, "ServiceMonitor").values():
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        (service,) = [each for each in services.values() if wanted <= each["metadata"]["labels"].items()]
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        found |= {each["replacement"] for each in endpoint["relabelings"] if each["targetLabel"] == "job"}
    assert found == own


def test_the_operators_prometheus_may_call_from_its_namespace(operated):
    for name, port in (("at-exporter", 9464), ("at-server-metrics", 8080)):
        ingress = by_kind(operated, "NetworkPolicy")[name]["spec"]["ingress"]
        selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
        assert {"from": [selector], "ports": [{"protocol": "TCP", "port": port}]} in ingress


def test_grafanas_sidecar_finds_the_dashboards(operated):
    assert by_kind(operated, "ConfigMap")["dashboards"]["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert not by_kind(operated, "StatefulSet")
