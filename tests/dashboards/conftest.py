"""The past that the dashboards show."""

import time
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.browser import chromium
from tests.dashboards import loads, months
from tests.dashboards.clock import Clock, ruled_by
from tests.dashboards.scraped import PROMETHEUS, prometheus, stamped, wait_for
from tests.integration.scoring_fixtures import like, registered  # noqa: F401  # a fixture
from tests.integration.trainer_fixtures import empty_mlflow, flights_slice  # noqa: F401  # a fixture
from tests.manifests.kustomize import ROOT
from tests.manifests.promtool import PROMTOOL

SERVING_SECONDS = 30  # between two scrapes, as in a cluster; they were taken faster


def pytest_collection_modifyitems(items):
    """MLflow's own imports warn, as in the integration tests."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(scope="session")
def all_is_there():
    """Skip where something is missing that `make dashboards` brings, or a Chromium."""
    if not (Path(__file__).parent / "built/page.js").is_file() or None in (PROMETHEUS, PROMTOOL):
        pytest.skip("the page, Prometheus or promtool is missing; make dashboards brings them")
    chromium()


@pytest.fixture(scope="session")
def exported(all_is_there, tmp_path_factory):
    """A month of two exporters, in OpenMetrics."""
    until = time.time() // months.HOUR * months.HOUR
    places = []
    for name in ("flights", "churn"):
        folder = tmp_path_factory.mktemp(name)
        empty_mlflow(folder)
        places.append((f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts")))
    lines = []
    with ExitStack() as stack:
        clock = stack.enter_context(ruled_by(Clock(until)))
        found = months.installations(places, stack, clock)
        for at, pages in months.live(found, clock, until):
            for number, page in enumerate(pages):
                instance = f"10.244.0.{20 + number}:9464"
                lines += stamped(page, at, job="ratchet-exporter", instance=instance)
    return lines


@pytest.fixture(scope="session")
def served(all_is_there, registered, flights_slice, tmp_path_factory):  # noqa: F811
    """Two hours of servers, in OpenMetrics, that end now."""
    folder = like(registered, tmp_path_factory.mktemp("served"), flights_slice)
    pages = list(loads.scraped(folder))
    first = time.time() - (len(pages) - 1) * SERVING_SECONDS
    lines = []
    for number, told in enumerate(pages):
        for instance, page in told.items():
            lines += stamped(page, first + number * SERVING_SECONDS, job="ratchet-servers", instance=instance)
    return first, lines


@pytest.fixture(scope="session")
def past(exported, served, tmp_path_factory):
    """The address of a Prometheus that has scraped all of it."""
    first, lines = served
    with prometheus(tmp_path_factory.mktemp("prometheus"), exported + lines, first) as address:
        wait_for(address, 'ALERTS{alertstate="firing"}')
        yield address


@pytest.fixture(scope="session")
def page():
    """The address at which the repository's files are."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=ROOT))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
