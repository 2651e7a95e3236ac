import pytest

from tests.manifests.kustomize import KUBECTL, MISSING, build, copy_tree, need_kubectl
from tests.manifests.own_overlay import overlay
from tests.manifests.promtool import MISSING as NO_PROMTOOL
from tests.manifests.promtool import PROMTOOL
from tests.manifests.releasing import HELM, Release
from tests.manifests.releasing import MISSING as NO_HELM


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """A copy of the manifests that has secrets."""
    need_kubectl()
    return copy_tree(tmp_path_factory.mktemp("manifests"))


@pytest.fixture(scope="session")
def overlays(tree):
    """The objects of every overlay, by its name."""
    return {folder.name: build(folder) for folder in sorted((tree / "k8s/overlays").iterdir())}


@pytest.fixture(scope="session")
def observed(tmp_path_factory):
    """The objects of an overlay with Grafana, an Alertmanager and servers."""
    need_kubectl()
    return overlay(tmp_path_factory.mktemp("observed"), ["monitoring", "grafana", "alertmanager"])


@pytest.fixture(scope="session")
def operated(tmp_path_factory):
    """The objects of an overlay for a cluster with the Prometheus operator, and servers."""
    need_kubectl()
    return overlay(tmp_path_factory.mktemp("operated"), ["monitoring-operator"])


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    """What `make release` makes without a registry, of a version with a suffix."""
    need_kubectl()
    made = Release(tmp_path_factory.mktemp("release"), version="-rc.1")
    for step in ("check", "pin", "render"):
        made.step(step)
    return made


def pytest_terminal_summary(terminalreporter):
    # A skip is a letter among thousands; nobody would see it.
    if KUBECTL is None:
        terminalreporter.write_line(MISSING, red=True, bold=True)
    if PROMTOOL is None:
        terminalreporter.write_line(NO_PROMTOOL, red=True, bold=True)
    if HELM is None:
        terminalreporter.write_line(NO_HELM, red=True, bold=True)
