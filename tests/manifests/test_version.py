"""There is one version number, in pyproject.toml, and all that carries one says the same."""

import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from tests.manifests.kustomize import ROOT
from tests.manifests.pods import pods

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
LABEL = "app.kubernetes.io/version"


def output(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_command_says_it():
    said = output(sys.executable, "-m", "ratchet", "--version")
    assert said.endswith(f"ratchet, version {VERSION}\n"), "make setup"


def test_the_lock_says_it():
    (package,) = (
        each for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"] if each["name"] == "ratchet"
    )
    assert package["version"] == VERSION, "uv lock"


def test_make_images_tags_with_it_and_writes_it_into_each_image():
    planned = output(shutil.which("make") or "make", "--dry-run", "images")
    assert re.search(rf"--tag ratchet/\$name:{re.escape(VERSION)} ", planned)
    assert f"--label org.opencontainers.image.version={VERSION} " in planned


@pytest.mark.parametrize("overlay", ["local", "dev", "prod"])
def test_each_object_and_each_image_of_an_overlay_carries_it(overlay, overlays):
    objects = [each for each in overlays[overlay] if each["kind"] != "Secret"]  # those of `make secrets`
    assert {each["metadata"]["labels"].get(LABEL) for each in objects} == {VERSION}, "make docs"
    images = {container.get("image", "") for pod in pods(objects) for container in pod.containers}
    ours = {each for each in images if each.startswith("ratchet/")}
    assert len(ours) == 5
    assert {each.partition(":")[2] for each in ours} == {VERSION}, "make docs"


def test_a_pod_of_something_else_is_not_replaced_for_a_new_version(overlays):
    for pod in pods(overlays["prod"]):
        assert LABEL not in pod.labels, pod.where
