"""An installation that has lost its database and its store says the same as before, once it was restored."""

import copy
import json
import secrets

import pytest

from tests import wishes
from tests.e2e import cycles, store, tracking
from tests.e2e.cluster import IN_CLUSTER, command, create, every, get, kubectl, logs, wait_until, wait_until_at_rest
from tests.e2e.cycles import BOTH
from tests.e2e.test_refused import image_of, pod

STORE = "elsewhere"
KEYS = {"user": "elsewhere", "password": secrets.token_hex(16)}
SECONDS = 300


@pytest.fixture
def elsewhere(system):
    """A store in a namespace of its own, and the Secret that names it."""
    namespace = f"ratchet-elsewhere-{secrets.token_hex(3)}"
    kubectl("create", "namespace", namespace)
    try:
        create(_store(), namespace)
        kubectl("expose", "pod", STORE, "--port=9000", namespace=namespace)
        kubectl("wait", "pod", STORE, "--for=condition=Ready", "--timeout=120s", namespace=namespace, seconds=150)
        _make_bucket(f"http://{STORE}.{namespace}:9000", namespace)
        given = {
            "BACKUP": "s3://backups/ratchet",
            "AWS_ENDPOINT_URL": f"http://{STORE}.{namespace}:9000",
            "AWS_ACCESS_KEY_ID": KEYS["user"],
            "AWS_SECRET_ACCESS_KEY": KEYS["password"],
        }
        create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "backup-store"}, "stringData": given})
        yield
    finally:
        kubectl("delete", "secret", "backup-store", "--ignore-not-found")
        kubectl("delete", "namespace", namespace, "--wait=false")


def _store():
    """The object store of the overlay as a pod, with a folder that goes with it."""
    spec = copy.deepcopy(get("statefulset", store.workload())["spec"]["template"]["spec"])
    spec.pop("serviceAccountName")
    spec.pop("serviceAccount", None)
    (container,) = spec["containers"]
    container.pop("envFrom", None)
    # What comes from the installation's own objects: the region, and the first user's keys by the names of both stores.
    given = {"VGW_REGION": "us-east-1", "MINIO_ROOT_USER": KEYS["user"], "MINIO_ROOT_PASSWORD": KEYS["password"]}
    given |= {"ROOT_ACCESS_KEY_ID": KEYS["user"], "ROOT_SECRET_ACCESS_KEY": KEYS["password"]}
    kept = [each for each in container["env"] if each["name"] not in given]
    container["env"] = kept + [{"name": name, "value": value} for name, value in given.items()]
    spec["volumes"].append({"name": "data", "emptyDir": {}})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": STORE, "labels": {"app": STORE}}, "spec": spec}


def _make_bucket(address, namespace):
    keys = {"AWS_ACCESS_KEY_ID": KEYS["user"], "AWS_SECRET_ACCESS_KEY": KEYS["password"], "AWS_ENDPOINT_URL": address}
    env = [{"name": name, "value": value} for name, value in keys.items()]
    create(
        pod("buckets", {"app": "buckets"}, image_of("retrain"), wishes.asking(("make backups",)), env=env), namespace
    )
    phase = "--for=jsonpath={.status.phase}=Succeeded"
    kubectl("wait", "pod", "buckets", phase, "--timeout=60s", namespace=namespace, seconds=90)
    assert wishes.answers(logs("buckets", namespace)) == [(None, None)]


@pytest.fixture
def ended():
    """Run a Job from a definition to its end; returns its exit code and the log of its last container."""
    made = []

    def run(definition):
        made.append(f"{definition}-{secrets.token_hex(3)}")
        create(cycles.job_from(definition, made[-1]))
        return cycles.job_end(made[-1], SECONDS), cycles.logs_of_job(made[-1])

    yield run
    for name in made:
        kubectl("delete", "job", name, "--ignore-not-found", "--timeout=60s", seconds=90)


def _lose():
    """The database and the store begin anew, with nothing in them, as in a new cluster."""
    lost = ("postgres", store.workload())
    for name in lost:
        kubectl("scale", "statefulset", name, "--replicas=0")
    for name in lost:
        wait_until(f"{name} is gone", lambda name=name: not every("pods", f"app.kubernetes.io/name={name}"), 120)
        kubectl("delete", "pvc", f"data-{name}-0", "--timeout=120s", seconds=150)
        kubectl("scale", "statefulset", name, "--replicas=1")
    wait_until_at_rest()
    _restart("mlflow")


def _restart(*names):
    for name in names:
        kubectl("rollout", "restart", f"deployment/{name}")
        kubectl("rollout", "status", f"deployment/{name}", "--timeout=240s", seconds=270)


def _shown(model):
    return command(*IN_CLUSTER, "show", "--set", f"model={model}", seconds=SECONDS)


def test_what_is_lost_is_restored(elsewhere, ended, first_cycle):
    before = _shown(first_cycle.model)
    versions = [tracking.versions(first_cycle.model, engine) for engine in BOTH]
    assert all(versions), before
    code, log = ended("backup")
    assert code == 0, log
    assert "s3://ratchet-mlflow to s3://backups/ratchet/ratchet-mlflow: " in log
    assert "/backup/mlflow.dump to s3://backups/ratchet/mlflow.dump: 1 file (" in log
    code, log = ended("backup")
    assert code == 0, log
    assert "s3://ratchet-mlflow to s3://backups/ratchet/ratchet-mlflow: 0 files (0.0 MB) copied" in log

    _lose()
    assert [tracking.versions(first_cycle.model, engine) for engine in BOTH] == [[], []]
    code, log = ended("minio-setup")
    assert code == 0, log
    code, log = ended("restore")
    assert code == 0, log
    assert json.loads(log.split()[1]) > 0
    _restart(
        "mlflow", *(each["metadata"]["name"] for each in every("deployments", "app.kubernetes.io/component=server"))
    )
    assert _shown(first_cycle.model) == before
