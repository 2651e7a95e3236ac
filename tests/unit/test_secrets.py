"""The Secrets of an installation: made where they are not, random, and left alone where they are."""

import re

import pytest
from click.testing import CliRunner

from ratchet.cli import main
from ratchet.jobs import secrets
from tests.unit.cluster_server import Clock, Cluster, api_of, serving


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def api(cluster):
    clock = Clock()
    with serving(cluster) as address:
        yield api_of(address, clock)


def test_what_is_missing_is_made_and_what_is_there_stays(api, cluster):
    own = {"stringData": {"POSTGRES_PASSWORD": "mine", "MLFLOW_PASSWORD": "mine"}}
    cluster.add("secrets", "postgres", own)
    made = secrets.make(api)
    assert set(made) == {"minio-root", "grafana", "serving-tokens", *(f"s3-{user}" for user in secrets.S3_USERS)}
    assert secrets.make(api) == []


def test_each_has_its_own_random_values():
    values = [value for _ in range(2) for made in secrets.contents().values() for value in made.values()]
    random = [value for value in values if re.fullmatch(r"[0-9a-f]{40,}", value)]
    assert len(random) == len(set(random)) == 34


def test_outside_of_a_cluster_it_is_a_sentence():
    done = CliRunner().invoke(main, ["secrets"])
    assert done.exit_code == 2
    assert "runs only in a pod of the cluster" in done.output
