"""The component `serving`: what a rollout relies on, and what keeps a trial and the servers alike."""

import pytest

from tests.manifests.kustomize import OVERLAYS

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
