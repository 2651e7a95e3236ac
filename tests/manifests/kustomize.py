"""Builds kustomizations as a user does, by `kubectl kustomize`, from a copy of the tree with secrets of its own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
KUBECTL = shutil.which("kubectl")
REQUIRED = "RATCHET_KUBECTL_REQUIRED"
MISSING = (
    "kubectl is not on the PATH, so NO MANIFEST WAS TESTED; https://kubernetes.io/docs/tasks/tools/ says how to get it"
)

OVERLAYS = sorted(path.parent.name for path in (ROOT / "k8s/overlays").glob("*/kustomization.yaml"))


def need_kubectl() -> None:
    """Skip without kubectl, which `make test` does not ask for; fail where the variable says that it must be there."""
    if KUBECTL is None:
        (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)(MISSING)


def copy_tracked(folder: Path) -> None:
    """The manifests in a folder of their own, without what git ignores."""
    hidden = shutil.ignore_patterns("secrets", ".local")
    shutil.copytree(ROOT / "k8s", folder / "k8s", ignore=hidden)
    shutil.copytree(ROOT / "configs", folder / "configs")


def copy_tree(folder: Path) -> Path:
    """The same with the secrets of `local` as `make secrets` writes them."""
    copy_tracked(folder)
    subprocess.run([folder / "k8s/write-secrets", "local"], check=True, capture_output=True, timeout=30)
    return folder


def build(folder: Path | str) -> list[dict]:
    """The objects of a kustomization, by its folder or address. A build that says anything more fails."""
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), f"{folder}: {done.stderr}"
    return [thing for thing in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if thing]
