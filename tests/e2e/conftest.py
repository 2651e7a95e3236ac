"""What the cluster tests stand on: a deployed Ratchet, cycles of their own, and what is kept of a failure.

Run by `make e2e` after `make deploy-local`; nothing here is used without being asked for.
"""

import re
import secrets
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from tests.e2e import cycles, exporter
from tests.e2e.cluster import ClusterError, get, kubectl, patching, wait_until_at_rest
from tests.e2e.evidence import save
from tests.e2e.newcomer import first_cycle, second_cycle  # noqa: F401  # fixtures

HERE = Path(__file__).parent
EVIDENCE = HERE.parents[1] / ".e2e"
# The cheapest first: what is wrong with all of it is told in the first minute.
ORDER = (
    "manifests",
    "refused",
    "admission",
    "reasons",
    "cycle",
    "labels",
    "score",
    "prune",
    "monitoring",
    "pods",
    "watch",
    "second_model",
    "serving",
    "login",
    "backup",
    "outages",
    "install",
)


def pytest_configure(config):
    config.addinivalue_line("markers", "smoke: of the half of the cluster tests that CI runs")


def pytest_collection_modifyitems(items):
    own = [item for item in items if HERE in item.path.parents]
    for item in own:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(cycles.CYCLE_SECONDS + 600))
    if len(own) == len(items):
        items.sort(key=lambda item: ORDER.index(item.path.stem.removeprefix("test_")))


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
    """Ratchet in the kind cluster; without it every test fails with what to do.

    Its weekly cycle comes three days from now: on a Monday it would take the tests' processors, and their model's name.
    """
    try:
        assert get("cronjob", "retrain"), "Ratchet is not deployed; make deploy-local does that"
    except ClusterError as error:
        pytest.fail(f"the cluster does not answer; make deploy-local starts it ({error})")
    day = (datetime.now(UTC).isoweekday() + 3) % 7
    with patching() as patch:
        patch("cronjob", "retrain", {"op": "replace", "path": "/spec/schedule", "value": f"0 4 * * {day}"})
        for job in get("cronjob", "retrain")["status"].get("active", ()):
            kubectl("delete", "job", job["name"], "--ignore-not-found", seconds=120)
        yield


@pytest.fixture(scope="session")
def brisk(deployed):
    """The exporter asks MLflow and the cluster every other second: whoever waits for what it tells waits for less."""
    with patching() as patch:
        patch("deployment", exporter.DEPLOYMENT, *exporter.asks_every(2))
        yield


@pytest.fixture
def system(brisk):
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
    with cycles.starting() as begin:
        yield partial(begin, model)


@pytest.fixture
def patch(system):
    """`patching`, until the test is over."""
    with patching() as change:
        yield change
