"""Each S3 user may do what its service does, and nothing else."""

import json

import pytest

from ratchet.engines.base import LOGGED_AS
from tests.manifests.kustomize import ROOT

FOLDER = ROOT / "k8s/components/minio"
READ = {"s3:GetObject"}
WRITE = {"s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"}
ERASE = {"s3:DeleteObject"}
# user → bucket → what it may do with objects
RIGHTS = {
    # MLflow and backups are of all models
    "mlflow": {"*-mlflow": READ | WRITE | ERASE},
    "trainer-sklearn": {"ratchet-data": READ, "ratchet-mlflow": READ | WRITE},
    "trainer-spark": {
        "ratchet-data": READ,
        "ratchet-mlflow": READ | WRITE,
        "ratchet-scratch": READ | WRITE | ERASE,
    },
    "registrar": {"ratchet-mlflow": READ | WRITE},
    "sample-data": {"ratchet-data": READ | WRITE | ERASE},
    # the models alone, as both kinds of MLflow's artifacts
    "server": {
        "ratchet-mlflow/artifacts/*/models": READ,
        **{f"ratchet-mlflow/artifacts/*/artifacts/{name}": READ for name in LOGGED_AS.values()},
    },
    "validator": {"ratchet-mlflow": READ},
    "pruner": {"ratchet-mlflow": ERASE},
    "backup": {"*-data": READ, "*-mlflow": READ, "*-scores": READ},
    "restore": dict.fromkeys(("*-data", "*-mlflow", "*-scores"), READ | WRITE),
    "scorer-sklearn": {"ratchet-data": READ, "ratchet-mlflow": READ, "ratchet-scores": READ | WRITE | ERASE},
    "scorer-spark": {
        "ratchet-data": READ,
        "ratchet-mlflow": READ,
        "ratchet-scores": READ | WRITE | ERASE,
        "ratchet-scratch": READ | WRITE | ERASE,
    },
}


@pytest.mark.parametrize("user", RIGHTS)
def test_a_user_may_do_what_its_service_does(user):
    statements = json.loads((FOLDER / "policies" / f"{user}.json").read_text())["Statement"]
    assert all(statement["Effect"] == "Allow" for statement in statements)
    objects = {
        resource.removeprefix("arn:aws:s3:::").removesuffix("/*"): {*statement["Action"]}
        for statement in statements
        for resource in statement["Resource"]
        if resource.endswith("/*")
    }
    assert objects == RIGHTS[user]
    assert "*" not in {action for statement in statements for action in statement["Action"]}


def test_every_user_is_made_and_every_policy_is_somebodys():
    script = (FOLDER / "setup.sh").read_text()
    made = {line.split()[1] for line in script.splitlines() if line.startswith("user ")}
    policies = {path.stem for path in (FOLDER / "policies").iterdir()}
    assert made == policies == RIGHTS.keys()


def test_buckets_keep_versions_but_not_the_scratch():
    script = (FOLDER / "setup.sh").read_text()
    assert 'for bucket in "$1-data" "$1-mlflow"; do\n    mc version enable' in script
    scratch = json.loads((FOLDER / "lifecycle/scratch.json").read_text())["Rules"]
    assert [rule["Expiration"] for rule in scratch] == [{"Days": 1}]
