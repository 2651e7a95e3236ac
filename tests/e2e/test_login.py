"""The component `mlflow-login` on the deployed overlay: without an account nothing answers, with them cycles run."""

import base64
import json
import shutil
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.e2e import exporter
from tests.e2e.cluster import kubectl, wait_until
from tests.e2e.gitops import applied, as_deployed
from tests.e2e.ports import forwarded
from tests.manifests.kustomize import ROOT, build

OVERLAY = "namespace: ratchet\nresources: [../local]\ncomponents: [../../components/mlflow-login]\n"
# Tried again while the server that was replaced is still known to the Service.
ANONYMOUS = """
import time, urllib.error, urllib.request
def status(path):
    for _ in range(20):
        try:
            return urllib.request.urlopen("http://mlflow:5000" + path, timeout=20).status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError as error:
            said = error
            time.sleep(1)
    return said
api = "/api/2.0/mlflow/"
for path in ("/", "/graphql", api + "experiments/search?max_results=1", api + "users/list"):
    print(path, status(path))
"""


@pytest.fixture(scope="module")
def locked(brisk, tmp_path_factory):
    """The deployed overlay with a login; as it was after the module."""
    folder = tmp_path_factory.mktemp("login")
    for name in ("k8s", "configs"):
        shutil.copytree(ROOT / name, folder / name)
    own = folder / "k8s/overlays/own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(OVERLAY)
    before, after = (as_deployed(build(folder / "k8s/overlays" / name)) for name in ("local", "own"))
    try:
        _apply(after)
        yield
    finally:
        _apply(before)


def _apply(objects):
    applied(objects, "login")
    for name in ("mlflow", "exporter", "server-sklearn"):
        kubectl("rollout", "status", f"deployment/{name}", "--timeout=240s", seconds=270)


def ask(account, path, body=None):
    """The status of an answer to an account, and the answer."""
    password = kubectl("get", "secret", f"mlflow-{account}", "-o", "jsonpath={.data.MLFLOW_TRACKING_PASSWORD}")
    known = base64.b64encode(f"{account}:{base64.b64decode(password).decode()}".encode()).decode()
    headers = {"Host": "mlflow:5000", "Content-Type": "application/json", "Authorization": f"Basic {known}"}
    data = None if body is None else json.dumps(body).encode()
    with forwarded("mlflow", 5000) as address:
        try:
            with urlopen(Request(f"{address}/api/2.0/mlflow/{path}", data, headers), timeout=30) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except HTTPError as error:
            return error.code, {}


def test_inside_the_namespace_too_nothing_answers_without_an_account(locked):
    said = kubectl("exec", f"deployment/{exporter.DEPLOYMENT}", "--", "python", "-c", ANONYMOUS)
    assert {line.partition(" ")[2] for line in said.splitlines()} == {"401"}, said


def test_a_cycle_runs_with_the_machines_account_and_the_readers_moves_no_alias(locked, start, model):
    start().must_complete()
    status, found = ask("machine", f"registered-models/get?name={model}-sklearn")
    aliases = found["registered_model"]["aliases"]
    assert (status, [each["alias"] for each in aliases]) == (200, ["champion"])
    moved = {"name": f"{model}-sklearn", "alias": "champion", "version": "1"}
    assert ask("reader", "registered-models/alias", moved)[0] == 403
    assert ask("reader", f"registered-models/get?name={model}-sklearn")[0] == 200


def test_the_exporter_reads_with_its_account(locked):
    def up():
        try:
            with forwarded(exporter.DEPLOYMENT, 9464) as address, urlopen(f"{address}/metrics", timeout=30) as answer:  # noqa: S310
                lines = answer.read().decode().splitlines()
        except (OSError, HTTPException):
            return False
        return [
            line for line in lines if line.startswith("ratchet_exporter_source_up") and 'source="mlflow"} 1' in line
        ]

    wait_until("the exporter has asked MLflow", up, 90, pause=1)
