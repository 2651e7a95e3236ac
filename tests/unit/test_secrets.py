"""The Secrets of an installation: made where they are not, random, and left alone where they are."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from ratchet.cli import main
from ratchet.errors import ConfigurationError
from ratchet.jobs import secrets
from tests.manifests.versitygw import program
from tests.unit.cluster_server import Clock, Cluster, api_of, serving

ROOT = Path(__file__).parents[2]


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
    assert set(made) == {
        "minio-root",
        "grafana",
        "serving-tokens",
        "s3-models",
        *(f"mlflow-{account}" for account in secrets.MLFLOW_ACCOUNTS),
        *(f"s3-{user}" for user in secrets.S3_USERS),
    }
    assert secrets.make(api) == []


def test_each_has_its_own_random_values():
    values = [value for _ in range(2) for made in secrets.contents().values() for value in made.values()]
    random = [value for value in values if re.fullmatch(r"[0-9a-f]{40,}", value)]
    assert len(random) == len(set(random)) == 44


def test_outside_of_a_cluster_it_is_a_sentence():
    done = CliRunner().invoke(main, ["secrets"])
    assert done.exit_code == 2
    assert "runs only in a pod of the cluster" in done.output


def test_those_of_a_further_model_are_its_own_and_the_same_each_time(api):
    first, second = (secrets.contents_of_model(name, "key") for name in ("ratchet-a", "ratchet-b"))
    users = {*secrets.S3_USERS} - {"mlflow", "backup", "restore"}
    assert first.keys() == {"serving-tokens", *(f"s3-{user}" for user in users)}
    assert first["s3-server"]["AWS_ACCESS_KEY_ID"] == "ratchet-a-server"
    keys = [found[f"s3-{user}"]["AWS_SECRET_ACCESS_KEY"] for found in (first, second) for user in users]
    assert len(keys) == len(set(keys))
    again, other = (secrets.contents_of_model("ratchet-a", key) for key in ("key", "another"))
    assert again["s3-server"] == first["s3-server"] != other["s3-server"]
    assert set(secrets.make_of_model(api, "key")) == first.keys()
    assert secrets.make_of_model(api, "key") == []


def test_without_a_key_nothing_is_made(api, cluster):
    with pytest.raises(ConfigurationError, match="MODELS_KEY is not set"):
        secrets.make_of_model(api, "")
    assert cluster.requests == []


def test_the_store_derives_the_same_keys():
    script = (ROOT / "k8s/components/minio/setup.sh").read_text()
    digest = next(line for line in script.splitlines() if line.startswith("digest()"))
    derived = next(line for line in script.splitlines() if "$MODELS_KEY" in line).split('"$name" "$name" ')[1]
    words = f"{digest}\nprintf %s {derived.removesuffix(' /tmp/policy.json')}"
    variables = {"PATH": os.environ["PATH"], "MODELS_KEY": "key", "name": "ratchet-a-server"}
    done = subprocess.run(
        [shutil.which("sh"), "-euc", words], env=variables, capture_output=True, text=True, timeout=30, check=True
    )
    wanted = secrets.contents_of_model("ratchet-a", "key")["s3-server"]["AWS_SECRET_ACCESS_KEY"]
    assert done.stdout == program("setup").derived("key", "ratchet-a-server") == wanted
