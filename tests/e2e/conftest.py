"""What the cluster tests stand on: a deployed Ratchet, cycles of their own, and what is kept of a failure.

Run by `make e2e` after `make deploy-local`; nothing here is used without being asked for.
"""

import copy
import json
import re
import secrets
from pathlib import Path

import pytest

from tests.e2e import cycles
from tests.e2e.cluster import KubectlError, get, kubectl, wait_until_at_rest
from tests.e2e.evidence import save

EVIDENCE = Path(__file__).parents[2] / ".e2e"


def pytest_configure(config):
    config.addinivalue_line("markers", "telling: of the half of the cluster tests that CI runs")


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(900))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep logs and descriptions where a test failed, before its fixtures remove what it made."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and report.when in ("setup", "call"):
        folder = EVIDENCE / re.sub(r"\W+", "-", item.name).strip("-")
        report.sections.append(("evidence", save(folder, report.longreprtext)))


@pytest.fixture(scope="session")
def deployed():
    """Ratchet in the kind cluster; without it every test fails with what to do."""
    try:
        assert get("cronjob", "retrain"), "Ratchet is not deployed; make deploy-local does that"
    except KubectlError as error:
        pytest.fail(f"the cluster does not answer; make deploy-local starts it ({error})")


@pytest.fixture
def system(deployed):
    """The system with every service ready, before the test and after it."""
    wait_until_at_rest()
    yield
    wait_until_at_rest()


@pytest.fixture
def model(request):
    """The name of a model that no other test uses."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())
    return f"{words[:28].strip('-')}-{secrets.token_hex(3)}"


@pytest.fixture
def start(system, model):
    """Start cycles of the test's model (`cycles.start`); they are removed after the test."""
    started = []

    def begin(*settings, **options):
        started.append(cycles.start(options.pop("of", model), *settings, **options))
        return started[-1]

    yield begin
    for cycle in started:
        cycle.remove()


@pytest.fixture
def patch(system):
    """Change an object by a JSON patch (`patch(kind, name, operation, …)`); what it was is put back after the test."""
    before = []

    def change(kind, name, *operations):
        thing = get(kind, name)
        before.append((kind, name, copy.deepcopy(thing["spec"])))
        kubectl("patch", kind, name, "--type=json", "-p", json.dumps(operations))

    yield change
    for kind, name, spec in reversed(before):
        # Not by `kubectl replace`: it takes its input for what was applied, and the next apply stumbles over that.
        back = [{"op": "replace", "path": "/spec", "value": spec}]
        kubectl("patch", kind, name, "--type=json", "-p", json.dumps(back))
