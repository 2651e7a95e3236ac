"""Each S3 user may do what its service does, and nothing else."""

import fnmatch
import json
import re

import pytest

from ratchet.engines.base import LOGGED_AS
from tests.manifests.kustomize import ROOT
from tests.manifests.versitygw import program

FOLDER = ROOT / "k8s/components/object-store"
MINIO = ROOT / "k8s/components/minio/setup.sh"
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
SETUP = program("setup")
STATEMENTS = {path.stem: json.loads(path.read_text())["Statement"] for path in sorted((FOLDER / "policies").iterdir())}


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
    made = {line.split()[1] for line in MINIO.read_text().splitlines() if line.startswith("user ")}
    policies = {path.stem for path in (FOLDER / "policies").iterdir()}
    assert made == policies == RIGHTS.keys() == {*SETUP.ROLES, *SETUP.SHARED}


def test_buckets_keep_versions_but_not_the_scratch():
    assert 'for bucket in "$1-data" "$1-mlflow"; do\n    mc version enable' in MINIO.read_text()
    assert SETUP.VERSIONED == ("data", "mlflow")
    scratch = json.loads((FOLDER / "lifecycle/scratch.json").read_text())["Rules"]
    assert [rule["Expiration"] for rule in scratch] == [{"Days": 1}]


def test_what_versitygw_does_not_expire_itself_is_what_minio_is_told_to():
    told = dict(re.findall(r'ilm rule import --quiet "ratchet/\$(\S+?)" < (\w+)', MINIO.read_text()))
    assert told == {"bucket": "versioned", "1-scratch": "scratch"}
    assert {**dict.fromkeys(SETUP.VERSIONED, "versioned"), "scratch": "scratch"} == program("expiry").KINDS


@pytest.mark.parametrize("kind", ["data", "mlflow", "scores", "scratch"])
def test_a_bucket_of_versitygw_allows_each_user_what_its_policy_says(kind):
    """And the whole fits into an attribute of a file: ext4 keeps 4 KiB for all of a file's."""
    bucket = f"ratchet-{kind}"
    policy = SETUP.bucket_policy(bucket, STATEMENTS)
    for user, statements in STATEMENTS.items():
        own = [each for each in policy["Statement"] if user in each["Principal"]["AWS"]]
        assert rights_in(bucket, own) == rights_in(bucket, statements), user
    assert len(json.dumps(policy)) < 3000


def rights_in(bucket, statements):
    """Action, place within the bucket and condition, of what is about this bucket."""
    found = set()
    for each in statements:
        for resource in each["Resource"]:
            name, slash, objects = resource.removeprefix("arn:aws:s3:::").partition("/")
            if fnmatch.fnmatchcase(bucket, name) and (objects or not slash):
                found |= {(action, objects, json.dumps(each.get("Condition"))) for action in each["Action"]}
    return found
