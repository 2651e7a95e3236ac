"""The steps of `make release` on a copy of the tree, and Helm, which judges the chart."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.manifests import operator_config
from tests.manifests.kustomize import ROOT, copy_tracked
from tests.manifests.promtool import tool_at

HELM = tool_at("helm")
MISSING = "helm is not there, so NO CHART WAS TESTED; make .tools/helm brings it"
NUMBER = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


class Release:
    """A release of its own. version: a suffix to the version of pyproject.toml. registry: empty for none."""

    def __init__(self, folder: Path, version: str = "", registry: str = "") -> None:
        self.folder, self.dist, self.version = folder, folder / "dist", NUMBER + version
        copy_tracked(folder)
        shutil.copy(ROOT / "pyproject.toml", folder)
        config = folder / "config"
        config.mkdir()
        self.variables = {
            **os.environ,
            "REGISTRY": registry,
            "VERSION": self.version,
            "PYTHON": sys.executable,
            "SPARK_OPERATOR_CONFIG": str(operator_config.write(config)),
        }
        if oras := tool_at("oras"):
            (folder / ".tools").mkdir()
            (folder / ".tools/oras").symlink_to(oras)

    def attempt(self, name: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a step, whatever comes of it."""
        command = [self.folder / "k8s/release" / name, *words]
        environment = self.variables | variables
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)

    def step(self, name: str) -> None:
        """Run a step, which must succeed."""
        done = self.attempt(name)
        assert done.returncode == 0, done.stderr

    def objects(self) -> list[dict]:
        """The objects of the one YAML."""
        return list(yaml.load_all((self.dist / f"ratchet-{self.version}.yaml").read_text(), Loader=yaml.CSafeLoader))


def template(chart: Path | str, *words: str, namespace: str = "ratchet") -> subprocess.CompletedProcess[str]:
    """`helm template` of a chart."""
    if HELM is None:
        pytest.skip(MISSING)
    command = [HELM, "template", "ratchet", chart, "--namespace", namespace, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def templated(chart: Path | str, *words: str, namespace: str = "ratchet") -> dict[tuple[str, str], dict]:
    """The objects of a chart by kind and name."""
    done = template(chart, *words, namespace=namespace)
    assert done.returncode == 0, done.stderr
    return by_key(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))


def by_key(objects) -> dict[tuple[str, str], dict]:
    """Objects by kind and name."""
    return {(each["kind"], each["metadata"]["name"]): each for each in objects if each}
