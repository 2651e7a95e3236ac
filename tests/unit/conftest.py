"""What the tests of the coordinator's parts share: a cluster with nothing in it, and a clock that stands still."""

import socket
from urllib.request import urlopen

import pytest

from ratchet.io import prometheus
from ratchet.io.prometheus import Page
from tests.unit.cluster_server import Clock, Cluster


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def exposed():
    """The exporter's metrics with these samples, as a scrape gets them."""

    def page(samples):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        found = list(samples)
        stop = prometheus.serve("127.0.0.1", port, lambda: found, Page(lambda: "", ""))
        try:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:  # an address of ours
                return answer.read().decode()
        finally:
            stop()

    return page
