"""What the tests of the coordinator's parts share: a cluster with nothing in it, and a clock that stands still."""

import pytest

from tests.unit.cluster_server import Clock, Cluster


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def clock():
    return Clock()
