"""The components by which a cluster tells the team: who knows the webhook, and that alerts arrive there, and end."""

import json
import os
import re
import socket
import subprocess
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
import yaml

from tests.manifests import rules
from tests.manifests.kustomize import REQUIRED, ROOT, need_kubectl
from tests.manifests.own_overlay import overlay
from tests.manifests.prometheus_rules import ALERTS
from tests.manifests.promtool import tool_at
from tests.receiver import SECRET_PATH, receiving

ALERTMANAGER = tool_at("alertmanager")
CONFIG = (ROOT / "k8s/components/alertmanager/alertmanager.yml").read_text()
README = (ROOT / "k8s/components/notify/README.md").read_text()
SECONDS = 60


@pytest.fixture(scope="module")
def telling(tmp_path_factory):
    """The objects of an overlay that tells the team of everything."""
    need_kubectl()
    return overlay(tmp_path_factory.mktemp("telling"), ["watch", "monitoring", "notify", "alertmanager"])


def by_kind(objects, kind):
    return {thing["metadata"]["name"]: thing for thing in objects if thing["kind"] == kind}


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_an_overlay_that_tells_the_team_follows_the_rules(rule, telling):
    assert list(rule(telling)) == []


def test_those_who_tell_know_the_address_and_the_key_and_nobody_else_does(telling):
    told = {}
    for name, job in by_kind(telling, "CronJob").items():
        (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        for variable in container.get("env", []):
            if "RATCHET__NOTIFY__" in variable["name"]:
                told.setdefault(name, {})[variable["name"]] = variable["valueFrom"]["secretKeyRef"]
    wanted = {
        f"RATCHET__NOTIFY__{key.upper()}": {"name": "ratchet-notify", "key": key, "optional": True}
        for key in ("url", "key")
    }
    assert told == dict.fromkeys(("retrain", "watch", "rollout"), wanted)
    assert "-n ratchet --from-literal url=" in README


def test_no_overlay_of_ours_tells_anybody_until_a_user_says_so(overlays):
    for name, objects in overlays.items():
        assert "ratchet-notify" not in yaml.safe_dump_all(objects), name
        assert "uses-webhook" not in yaml.safe_dump_all(rules._of_kind(objects, "CronJob")), name


def test_they_may_call_the_ports_of_the_web_and_no_others(telling):
    policy = by_kind(telling, "NetworkPolicy")["to-webhook"]["spec"]
    assert policy["podSelector"] == {"matchLabels": {"ratchet/uses-webhook": "true"}}
    assert policy["egress"] == [{"ports": [{"protocol": "TCP", "port": 443}, {"protocol": "TCP", "port": 80}]}]


def test_prometheus_finds_the_alertmanager(telling):
    maps = {rules.HASH.sub("", name): thing for name, thing in by_kind(telling, "ConfigMap").items()}
    (managers,) = yaml.safe_load(maps["prometheus"]["data"]["prometheus.yml"])["alerting"]["alertmanagers"]
    ((found,),) = managers.values()
    (port,) = by_kind(telling, "Service")[found["names"][0]]["spec"]["ports"]
    assert found["port"] == port["port"]


def test_the_address_is_a_file_of_the_secret_that_the_cycles_have(telling):
    spec = by_kind(telling, "Deployment")["alertmanager"]["spec"]["template"]["spec"]
    (mount,) = [each for each in spec["containers"][0]["volumeMounts"] if each["name"] == "webhook"]
    (volume,) = [each for each in spec["volumes"] if each["name"] == "webhook"]
    (item,) = volume["secret"]["items"]
    (sender,) = yaml.safe_load(CONFIG)["receivers"][0]["slack_configs"]
    assert sender["api_url_file"] == f"{mount['mountPath']}/{item['path']}"
    assert (volume["secret"]["secretName"], item["key"]) == ("ratchet-notify", "url")


@contextmanager
def alertmanager(folder, address):
    """The Alertmanager of the component, as its container starts it, but with short waits; yields its address."""
    if ALERTMANAGER is None:
        why = "alertmanager is not there, so NO ALERT WAS SENT; make test-manifests brings it"
        (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)(why)
    (folder / "url").write_text(address)
    config = CONFIG.replace("/etc/alertmanager-webhook/url", str(folder / "url"))
    config, waits = re.subn(r"(group_wait|group_interval): \w+", r"\1: 1s", config)
    assert waits == 2
    (folder / "alertmanager.yml").write_text(config)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    words = ["--config.file", folder / "alertmanager.yml", "--storage.path", folder / "data"]
    words += ["--cluster.listen-address=", "--web.listen-address", listen]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([ALERTMANAGER, *words], stdout=log, stderr=subprocess.STDOUT)
    try:
        until(lambda: answers(f"http://{listen}/-/ready"), folder / "log")
        yield f"http://{listen}"
    finally:
        process.terminate()
        process.wait(20)


def answers(address, alerts=None):
    body = None if alerts is None else json.dumps(alerts).encode()
    request = Request(address, body, {"Content-Type": "application/json"})  # noqa: S310  # an address of ours
    try:
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status == 200
    except (URLError, OSError):
        return False


def until(true, log):
    deadline = time.monotonic() + SECONDS
    while not true():
        if time.monotonic() > deadline:
            pytest.fail(log.read_text()[-3000:])
        time.sleep(0.1)


def alert(*, over=False):
    """An alert as Prometheus sends it: until when it holds, and which it is."""
    rule, now = ALERTS["RatchetValidationFailing"], datetime.now(UTC)
    begun, end = now - timedelta(hours=1), now + timedelta(minutes=-1 if over else 10)
    labels = {"alertname": rule["alert"], "model": "flights-sklearn", **rule["labels"]}
    notes = {name: text.replace("{{ $labels.model }}", labels["model"]) for name, text in rule["annotations"].items()}
    return {"labels": labels, "annotations": notes, "startsAt": begun.isoformat(), "endsAt": end.isoformat()}


def test_an_alert_arrives_and_its_end_does_and_then_no_more(tmp_path):
    with receiving() as receiver, alertmanager(tmp_path, receiver.address) as address:
        assert answers(f"{address}/api/v2/alerts", [alert()])
        until(lambda: len(receiver.messages) == 1, tmp_path / "log")
        assert answers(f"{address}/api/v2/alerts", [alert(over=True)])
        until(lambda: len(receiver.messages) == 2, tmp_path / "log")
        # Two more rounds of the group, in which a first word about another alert arrives and nothing about this one.
        other = alert()
        other["labels"] = {"alertname": "RatchetServerDown", "severity": "warning"}
        assert answers(f"{address}/api/v2/alerts", [other])
        until(lambda: len(receiver.messages) == 3, tmp_path / "log")
    (begun,), (ended,), (another,) = (message["attachments"] for message in receiver.messages)
    assert begun["title"] == "warning: RatchetValidationFailing"
    assert ended["title"] == "ended: RatchetValidationFailing"
    assert another["title"] == "warning: RatchetServerDown"
    assert "flights-sklearn" in begun["text"]
    assert "docs/operations.md#alerts" in begun["text"]
    assert (begun["color"], ended["color"]) == ("danger", "good")
    assert {request.path for request in receiver.requests} == {SECRET_PATH}
    assert SECRET_PATH not in (tmp_path / "log").read_text()
