"""The component `serving`: what a rollout relies on, and what keeps a trial and the servers alike."""

import pytest
import yaml

from tests.manifests import rules
from tests.manifests.kustomize import OVERLAYS, need_kubectl
from tests.manifests.own_overlay import overlay as own_overlay

ENGINES = ("sklearn", "spark")


def named(objects, kind, name):
    return next(thing for thing in objects if (thing["kind"], thing["metadata"]["name"]) == (kind, name))


def container(objects, kind, name):
    spec = named(objects, kind, name)["spec"]
    spec = spec["jobTemplate"]["spec"] if kind == "CronJob" else spec
    (found,) = spec["template"]["spec"]["containers"]
    return found


def bytes_of(text):
    number, unit = text.removesuffix("B")[:-2], text.removesuffix("B")[-2:]
    return int(number) * {"Mi": 2**20, "Gi": 2**30}[unit]


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_version_is_tried_within_the_memory_that_its_server_will_have(overlays, overlay, engine):
    server = container(overlays[overlay], "Deployment", f"server-{engine}")
    trial = container(overlays[overlay], "CronJob", f"validate-{engine}")
    told = {each["name"]: each.get("value") for each in trial["env"]}["RATCHET__SERVING__MEMORY_LIMIT"]
    assert bytes_of(told) == bytes_of(server["resources"]["limits"]["memory"])
    room = bytes_of(trial["resources"]["limits"]["memory"]) - bytes_of(told)
    assert room >= 2**29, "what is beside the server in the trial's container has too little left"


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_version_is_tried_and_served_by_the_image_that_trained_it(overlays, overlay, engine):
    image = container(overlays[overlay], "Deployment", f"server-{engine}")["image"]
    assert container(overlays[overlay], "CronJob", f"validate-{engine}")["image"] == image
    assert image.startswith(f"ratchet/trainer-{engine}:")


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("engine", ENGINES)
def test_no_manifest_has_the_version(overlays, overlay, engine):
    """Applying it again would take every server to that."""
    template = named(overlays[overlay], "Deployment", f"server-{engine}")["spec"]["template"]
    assert "ratchet/version" not in template["metadata"].get("annotations", {})


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_rollout_takes_no_pod_away_before_another_is_ready(overlays, overlay, engine):
    spec = named(overlays[overlay], "Deployment", f"server-{engine}")["spec"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    pod = spec["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > 5 + 20, "longer than the server drains and finishes"
    assert pod["containers"][0]["readinessProbe"]["httpGet"]["path"] == "/ping"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_rollout_may_change_the_servers_alone(overlays, overlay):
    rules = named(overlays[overlay], "Role", "rollout")["rules"]
    writing = [rule for rule in rules if not set(rule["verbs"]) <= {"get", "list", "watch"}]
    assert [(rule["resources"], rule["resourceNames"], rule["verbs"]) for rule in writing] == [
        (["deployments"], ["server-sklearn", "server-spark"], ["get", "patch"])
    ]


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """The objects of an overlay whose servers have tokens."""
    need_kubectl()
    return own_overlay(tmp_path_factory.mktemp("locked"), ["serving-token"])


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_an_overlay_whose_servers_have_tokens_follows_the_rules(rule, locked):
    assert list(rule(locked)) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_a_server_reads_its_tokens_from_a_folder_that_follows_the_secret(locked, engine):
    server = container(locked, "Deployment", f"server-{engine}")
    (path,) = (each["value"] for each in server["env"] if each["name"] == "RATCHET__SERVING__TOKEN_FILE")
    (mount,) = (each for each in server["volumeMounts"] if each["name"] == "tokens")
    assert (path, mount["readOnly"], mount.keys() & {"subPath", "subPathExpr"}) == (
        f"{mount['mountPath']}/tokens",
        True,
        set(),
    )
    volumes = named(locked, "Deployment", f"server-{engine}")["spec"]["template"]["spec"]["volumes"]
    (secret,) = (each["secret"] for each in volumes if each["name"] == "tokens")
    # Not optional: without it no server starts, rather than an open one.
    assert secret == {"secretName": "serving-tokens", "items": [{"key": "tokens", "path": "tokens"}]}


def test_nobody_but_the_servers_has_the_tokens(locked):
    others = [thing for thing in locked if not thing["metadata"]["name"].startswith("server-")]
    assert "serving-tokens" not in yaml.safe_dump_all(others)
    assert "TOKEN_FILE" not in yaml.safe_dump_all(others)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_overlay_of_ours_locks_its_servers(overlays, overlay):
    used = [thing for thing in overlays[overlay] if thing["kind"] != "Secret"]
    assert "serving-tokens" not in yaml.safe_dump_all(used)
