"""The programs of the component versitygw, which are files of a ConfigMap and no package."""

import importlib.util
from types import ModuleType

from tests.manifests.kustomize import ROOT


def program(name: str) -> ModuleType:
    """`setup` or `expiry`."""
    path = ROOT / f"k8s/components/versitygw/{name}.py"
    spec = importlib.util.spec_from_file_location(f"versitygw_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
