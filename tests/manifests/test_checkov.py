"""checkov's opinion of every overlay; where it is wrong here, k8s/checkov.yaml says why."""

import copy
import json
import os
import shutil
import subprocess

import pytest
import yaml

from tests.manifests.kustomize import REQUIRED, ROOT

UV = shutil.which("uv") or str(ROOT / ".tools/bin/uv")
CHECKOV = (UV, "tool", "run", "--quiet", "--from", "checkov==3.3.30", "checkov")


@pytest.fixture
def failed(tmp_path):
    """Asks checkov: the checks that objects fail, and how many they passed."""
    if not os.environ.get(REQUIRED):
        pytest.skip(f"checkov comes from PyPI when it runs; {REQUIRED} asks for it")

    def ask(objects):
        (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all(objects))
        done = subprocess.run(
            [*CHECKOV, "--config-file", ROOT / "k8s/checkov.yaml", "--output", "json", "--directory", tmp_path],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.stdout, done.stderr
        found = json.loads(done.stdout)
        checks = [f"{each['check_id']} {each['resource']}" for each in found["results"]["failed_checks"]]
        return checks, found["summary"]["passed"]

    return ask


def test_checkov_accepts_every_overlay(failed, overlays, observed):
    objects = [thing for overlay in overlays.values() for thing in overlay]
    objects += [thing for thing in observed if thing["metadata"]["name"] == "grafana"]
    checks, passed = failed(objects)
    assert checks == []
    assert passed > 100


def is_mlflow(thing):
    return (thing["kind"], thing["metadata"]["name"]) == ("Deployment", "mlflow")


def test_checkov_refuses_a_privileged_container(failed, overlays):
    wrong = copy.deepcopy(next(thing for thing in overlays["local"] if is_mlflow(thing)))
    wrong["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    checks, _ = failed([wrong])
    assert "CKV_K8S_16 Deployment.ratchet.mlflow" in checks
