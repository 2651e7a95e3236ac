import pytest

from tests.manifests.kustomize import KUBECTL, MISSING, build, copy_tree, need_kubectl


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """A copy of the manifests that has secrets."""
    need_kubectl()
    return copy_tree(tmp_path_factory.mktemp("manifests"))


@pytest.fixture(scope="session")
def overlays(tree):
    """The objects of every overlay, by its name."""
    return {folder.name: build(folder) for folder in sorted((tree / "k8s/overlays").iterdir())}


def pytest_terminal_summary(terminalreporter):
    # A skip is a letter among thousands; nobody would see it.
    if KUBECTL is None:
        terminalreporter.write_line(MISSING, red=True, bold=True)
