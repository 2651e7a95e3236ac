"""Both stores of the cluster, each set up by its own program as `minio-setup` does it: who may do what, and who not."""

import json
import shutil

import pytest
import yaml

from ratchet.jobs import secrets
from tests.images.container import ROOT, docker, run, wait_until
from tests.wishes import DENIED, answers, asking

COMPONENTS = ROOT / "k8s/components"
STORES = ("minio", "versitygw")
ROOT_KEYS = ("root-key", "root-secret-of-the-test")
PLANNED = "ratchet-planned"
ENDPOINT = "http://127.0.0.1:9000"
MODEL, REPORT = "artifacts/1/models/m-1/artifacts/MLmodel", "artifacts/1/r/artifacts/report.html"
FIRST_USER = {
    "AWS_ENDPOINT_URL": ENDPOINT,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": ROOT_KEYS[0],
    "AWS_SECRET_ACCESS_KEY": ROOT_KEYS[1],
}
# In this order: what one writes the next one reads. user, what it may, what it may not
RIGHTS = (
    ("sample-data", ["put ratchet-data/flights/a"], ["list ratchet-mlflow/", "put ratchet-scores/a"]),
    (
        "trainer-sklearn",
        [
            *("list ratchet-data/flights/", "get ratchet-data/flights/a"),
            *(f"put ratchet-mlflow/{key}" for key in (MODEL, REPORT)),
        ],
        [
            *("put ratchet-data/flights/b", "delete ratchet-data/flights/a", f"delete ratchet-mlflow/{MODEL}"),
            *("put ratchet-scratch/a", "list ratchet-scores/", "make ratchet-more", f"list {PLANNED}-data/"),
        ],
    ),
    ("trainer-spark", ["put ratchet-scratch/a", "delete ratchet-scratch/a"], ["put ratchet-data/flights/b"]),
    ("registrar", [f"get ratchet-mlflow/{MODEL}"], [f"delete ratchet-mlflow/{MODEL}", "list ratchet-data/"]),
    (
        "server",
        [f"get ratchet-mlflow/{MODEL}", "list ratchet-mlflow/artifacts/1/models/m-1/"],
        [
            *(f"get ratchet-mlflow/{REPORT}", "list ratchet-mlflow/", "list ratchet-mlflow/artifacts/1/r/"),
            *("list ratchet-data/", "get ratchet-data/flights/a", f"put ratchet-mlflow/{MODEL}"),
        ],
    ),
    ("validator", [f"get ratchet-mlflow/{REPORT}"], ["put ratchet-mlflow/a", "get ratchet-data/flights/a"]),
    (
        "scorer-sklearn",
        ["put ratchet-scores/a", "delete ratchet-scores/a"],
        ["put ratchet-data/a", "put ratchet-mlflow/a"],
    ),
    (
        "backup",
        ["get ratchet-data/flights/a", f"list {PLANNED}-mlflow/"],
        ["put ratchet-data/a", "list ratchet-scratch/"],
    ),
    ("restore", ["put ratchet-data/flights/a", f"put {PLANNED}-mlflow/a"], ["delete ratchet-data/flights/a"]),
    ("mlflow", [f"get {PLANNED}-mlflow/a"], ["list ratchet-data/"]),
    (f"{PLANNED}-trainer-sklearn", [f"get {PLANNED}-mlflow/a"], ["list ratchet-data/", f"get ratchet-mlflow/{MODEL}"]),
    ("pruner", ["list ratchet-mlflow/", f"delete ratchet-mlflow/{REPORT}"], [f"get ratchet-mlflow/{MODEL}"]),
)


def keys():
    """Each user's, as `ratchet secrets` makes them."""
    made = secrets.contents() | {
        f"s3-{PLANNED}-{name.removeprefix('s3-')}": found
        for name, found in secrets.contents_of_model(PLANNED, "key").items()
    }
    return {name.removeprefix("s3-"): found for name, found in made.items() if "AWS_ACCESS_KEY_ID" in found}


def environment(variables):
    return [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]


class Store:
    """A store that runs in a container of its own, with the network of that container alone."""

    def __init__(self, name, started, folder):
        self.name, self.keys, self.setup = name, keys(), folder / "setup"
        self.setup.mkdir()
        for path in [*COMPONENTS.glob("object-store/*/*.json"), *COMPONENTS.glob(f"{name}/*.[ps][yh]")]:
            shutil.copy(path, self.setup)
        (folder / "data").mkdir()
        (folder / "data").chmod(0o777)
        first = dict(zip(("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"), ROOT_KEYS, strict=True))
        first |= dict(zip(("ROOT_ACCESS_KEY_ID", "ROOT_SECRET_ACCESS_KEY"), ROOT_KEYS, strict=True))
        server = yaml.safe_load((COMPONENTS / name / "statefulset.yaml").read_text())["spec"]["template"]["spec"]
        (container,) = server["containers"]
        entry, *words = [*container["command"], *container.get("args", ())]
        options = ("--volume", f"{folder}/data:/data", "--entrypoint", entry, *environment(first))
        self.container = started(name, *words, options=options)
        self.network = ("--network", f"container:{self.container}")

    def set_up(self, namespaces):
        variables = {"NAMESPACES": namespaces, "MODELS_KEY": "key"}
        variables |= {"MC_HOST_ratchet": ENDPOINT.replace("//", f"//{':'.join(ROOT_KEYS)}@"), **FIRST_USER}
        for user, found in self.keys.items():
            prefix = user.upper().replace("-", "_")
            variables |= {f"{prefix}_{name}": value for name, value in found.items()}
        self.run_program("setup.yaml", variables)

    def run_program(self, file, variables):
        """Run the program of a CronJob of the component."""
        job = yaml.safe_load((COMPONENTS / self.name / file).read_text())["spec"]["jobTemplate"]["spec"]
        (container,) = job["template"]["spec"]["containers"]
        entry, *words = container["command"]
        options = ("--volume", f"{self.setup}:/setup:ro", *environment(variables))
        image = container["image"].removeprefix("ratchet/")
        done = run(image, *words, entrypoint=entry, options=options, network=self.network)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def asked(self, user, wishes):
        options = environment({**self.keys[user], "AWS_ENDPOINT_URL": ENDPOINT})
        entry, *words = asking(wishes)
        done = run("control", *words, entrypoint=entry, options=options, network=self.network)
        assert done.returncode == 0, done.stderr
        return dict(zip(wishes, answers(done.stdout), strict=True))

    def answers(self):
        ask = f"import socket; socket.create_connection(('127.0.0.1', {ENDPOINT.rpartition(':')[2]}), 5)"
        return run("control", "-c", ask, entrypoint="python", network=self.network).returncode == 0


@pytest.fixture(params=STORES)
def store(request, started, tmp_path):
    found = Store(request.param, started, tmp_path)
    wait_until(found.answers)
    return found


def test_each_user_may_do_in_a_store_what_its_service_does_and_nothing_else(store):
    store.set_up(PLANNED)
    for user, may, may_not in RIGHTS:
        found = store.asked(user, (*may, *may_not))
        assert [found[wish] for wish in may if found[wish][0]] == [], user
        assert {wish: found[wish][0] for wish in may_not} == dict.fromkeys(may_not, DENIED), user
    # Again, without the further model: its users are gone, what is there stays.
    store.set_up("")
    assert store.asked("backup", (f"list {PLANNED}-mlflow/",)) == {f"list {PLANNED}-mlflow/": (None, ["a"])}
    gone = f"get {PLANNED}-mlflow/a"
    assert store.asked(f"{PLANNED}-trainer-sklearn", (gone,))[gone][0] == "InvalidAccessKeyId"


def test_what_a_store_has_acknowledged_is_there_after_it_was_killed(store):
    store.set_up("")
    wishes = tuple(f"put ratchet-data/killed/{number}" for number in range(50))
    assert {refusal for refusal, _ in store.asked("sample-data", wishes).values()} == {None}
    docker("kill", "--signal", "KILL", store.container)
    docker("start", store.container)
    wait_until(store.answers)
    (found,) = store.asked("sample-data", ("list ratchet-data/killed/",)).values()
    assert found == (None, sorted(f"killed/{number}" for number in range(50)))
    read = tuple(wish.replace("put", "get") for wish in wishes)
    assert {json.dumps(each) for each in store.asked("sample-data", read).values()} == {'[null, "put"]'}


PREPARE = """
import boto3
s3 = boto3.client("s3")
for body in "123":
    s3.put_object(Bucket="ratchet-mlflow", Key="replaced", Body=body.encode())
for key in ("old", "new"):
    s3.put_object(Bucket="ratchet-scratch", Key=key, Body=b"x")
    s3.create_multipart_upload(Bucket=f"ratchet-{dict(old='data', new='scores')[key]}", Key=key)
"""
LEFT = """
import boto3
s3 = boto3.client("s3")
name = dict(Bucket="ratchet-mlflow", Key="replaced")
versions = [each["VersionId"] for each in s3.list_object_versions(Bucket="ratchet-mlflow")["Versions"]]
print([s3.get_object(**name, VersionId=each)["Body"].read().decode() for each in versions])
print([each["Key"] for each in s3.list_objects_v2(Bucket="ratchet-scratch")["Contents"]])
for kind in ("data", "scores"):
    print([each["Key"] for each in s3.list_multipart_uploads(Bucket=f"ratchet-{kind}").get("Uploads", ())])
"""
# Objects are files, and their times those of the files.
AGE = """
find versions -type f -exec touch -d '91 days ago' {} +
touch -d '2 days ago' buckets/ratchet-scratch/old
find buckets/ratchet-data/.sgwtmp -exec touch -d '2 days ago' {} +
"""


@pytest.mark.parametrize("store", ["versitygw"], indirect=True)
def test_what_the_lifecycle_does_not_keep_goes_by_the_nightly_job(store):
    def python(script):
        options = environment(FIRST_USER)
        done = run("control", "-c", script, entrypoint="python", options=options, network=store.network)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    store.set_up("")
    python(PREPARE)
    assert python(LEFT) == ["['3', '2', '1']", "['new', 'old']", "['old']", "['new']"]
    docker("exec", "--workdir", "/data", store.container, "sh", "-euc", AGE)
    said = store.run_program("expiry.yaml", FIRST_USER)
    # The second version was replaced by the third just now, the first one long ago.
    assert python(LEFT) == ["['3', '2']", "['new']", "[]", "['new']"], said
    assert "ratchet-mlflow: 1 expired, 0 uploads given up" in said
