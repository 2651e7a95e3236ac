"""The Spark operator: pinned, acting in our namespace, small; from its address or from a folder."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.manifests import operator_config
from tests.manifests.kustomize import KUBECTL, ROOT, build, need_kubectl


def render(tree, folder):
    variables = {**os.environ, "SPARK_OPERATOR_CONFIG": str(folder)}
    command = [tree / "k8s/operator/render"]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The folder that SPARK_OPERATOR_CONFIG names, where it is set; otherwise one with the objects that are patched."""
    need_kubectl()
    if real := os.environ.get("SPARK_OPERATOR_CONFIG"):
        return real
    return operator_config.write(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module")
def objects(tree, config):
    done = render(tree, config)
    assert (done.returncode, done.stderr) == (0, "")
    return [thing for thing in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if thing]


def test_its_images_are_pinned(objects):
    images = {
        container["image"]
        for thing in objects
        if thing["kind"] == "Deployment"
        for container in thing["spec"]["template"]["spec"]["containers"]
    }
    assert images == {"ghcr.io/kubeflow/spark-operator/controller:v2.5.1"}


def test_its_webhooks_act_in_namespaces_with_the_label_of_ours(objects, tree):
    webhooks = {
        webhook["name"]: webhook["namespaceSelector"]
        for thing in objects
        if thing["kind"].endswith("WebhookConfiguration")
        for webhook in thing["webhooks"]
        if "sparkconnect" not in webhook["name"]
    }
    assert len(webhooks) == 5
    (namespace,) = build(tree / "k8s/namespace")
    (wanted,) = {json.dumps(selector) for selector in webhooks.values()}
    assert json.loads(wanted).keys() == {"matchLabels"}
    assert json.loads(wanted)["matchLabels"].items() <= namespace["metadata"]["labels"].items()


def test_it_watches_every_namespace(objects):
    for thing in objects:
        if thing["kind"] == "Deployment":
            assert "--namespaces=" in thing["spec"]["template"]["spec"]["containers"][0]["args"]


def test_it_asks_for_little(objects):
    requests = [
        container["resources"]["requests"]
        for thing in objects
        if thing["kind"] == "Deployment"
        for container in thing["spec"]["template"]["spec"]["containers"]
    ]
    assert sum(int(each["cpu"].removesuffix("m")) for each in requests) <= 100
    assert sum(int(each["memory"].removesuffix("Mi")) for each in requests) <= 256


def test_no_tracked_file_changes_by_the_folder(tree, objects):
    files = {path.relative_to(tree): path for path in (tree / "k8s/operator").rglob("*") if path.is_file()}
    ours = {name: path for name, path in files.items() if ".local" not in name.parts}
    assert all(path.read_bytes() == (ROOT / name).read_bytes() for name, path in ours.items())
    assert {name.name for name in files.keys() - ours.keys()} == {"kustomization.yaml"}


def test_a_folder_that_is_none_is_refused(tree, tmp_path):
    need_kubectl()
    done = render(tree, tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(r"operator: SPARK_OPERATOR_CONFIG is .* is accepted\n", done.stderr)


def test_without_a_folder_it_comes_from_its_address(tree, tmp_path):
    """kustomize hands the address to git: a git that only writes down what it is asked for shows it."""
    need_kubectl()
    git = tmp_path / "git"
    git.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n[ "$1" != fetch ]\n')
    git.chmod(0o755)
    variables = {key: value for key, value in os.environ.items() if key != "SPARK_OPERATOR_CONFIG"}
    variables["PATH"] = f"{tmp_path}:{Path(KUBECTL).parent}:/usr/bin:/bin"
    done = subprocess.run(
        [tree / "k8s/operator/render"], env=variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "https://github.com/kubeflow/spark-operator" in (tmp_path / "asked").read_text()
    assert "v2.5.1" in (tmp_path / "asked").read_text()
