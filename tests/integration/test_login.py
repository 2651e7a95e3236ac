"""MLflow behind its own login, with the accounts that `k8s/components/mlflow-login` writes before each server."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from mlflow.tracking import MlflowClient

from tests.integration.conftest import free_port, start_server, stop_server, wait_until_up
from tests.integration.trainer_fixtures import empty_mlflow, write_configuration
from tests.integration.verbs import ratchet

ROOT = Path(__file__).parents[2]
PASSWORDS = {"admin": "a" * 24, "machine": "m" * 24, "reader": "r" * 24}
# What answers without a login: probes, whether MLflow has workspaces, and the files of its page, without content.
OPEN = {
    "/health",
    "/static-files/<path:path>",
    "/api/3.0/mlflow/server-info",
    "/ajax-api/3.0/mlflow/server-info",
}
WRITE = """
import json, sys
from accounts import configure, write
uri, path, passwords = json.load(sys.stdin)
configure(uri, path)
write(uri, passwords)
"""
ROUTES = """
import json
from mlflow.server.auth import create_app
from mlflow.server.fastapi_app import create_fastapi_app
flask = create_app()
routes = {(rule.rule, method) for rule in flask.url_map.iter_rules() for method in rule.methods}
for route in create_fastapi_app(flask).routes:
    routes |= {(route.path, method) for method in getattr(route, "methods", None) or ()}
print(json.dumps(sorted(routes)))
"""


def python(code, stdin="", **environment):
    """What a new interpreter prints, which finds the scripts of MLflow's pod."""
    places = [ROOT / "k8s/components/mlflow-login", ROOT / "k8s/base/mlflow", *filter(None, sys.path)]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places)), **environment}
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=stdin,
        capture_output=True,
        text=True,
        env=variables,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A database with the accounts, and the file that a server reads."""
    made = tmp_path_factory.mktemp("login")
    empty_mlflow(made)
    write(made, PASSWORDS)
    return made


def write(folder, passwords):
    """As the container does it that migrates the database, whose environment names the file before it is there."""
    given = json.dumps([f"sqlite:///{folder}/mlflow.db", str(folder / "login.ini"), passwords])
    python(WRITE, given, **variables(folder))


def variables(folder):
    return {"MLFLOW_AUTH_CONFIG_PATH": f"{folder}/login.ini", "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "s" * 32}  # fmt: skip


@pytest.fixture(scope="module")
def server(folder):
    """The address of an MLflow with a login."""
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables(folder).items():
            patch.setenv(name, value)
        process, uri = start_server(folder, port, "--app-name", "basic-auth"), f"http://127.0.0.1:{port}"
    try:
        wait_until_up(process, uri, folder / "server.log")
        yield uri
    finally:
        stop_server(process)


def of(account):
    return {"MLFLOW_TRACKING_USERNAME": account, "MLFLOW_TRACKING_PASSWORD": PASSWORDS[account]}


def test_nothing_answers_without_a_login(server, folder):
    """Every path of this MLflow with every method, by what it says that it has."""
    routes = json.loads(python(ROUTES, **variables(folder)).splitlines()[-1])
    assert len(routes) > 300
    answered = set()
    for path, method in routes:
        address = re.sub(r"[<{][^>}]*[>}]", "1", path)
        answer = requests.request(method, server + address, json={}, timeout=30)
        if answer.status_code != 401:
            answered.add(path)
    assert answered == OPEN


@pytest.fixture(scope="module")
def work(server, flights_slice, tmp_path_factory):
    """A working directory whose first version was trained and registered by the account of the machines."""
    made = tmp_path_factory.mktemp("work")
    write_configuration(made, flights_slice, tracking={"uri": server})
    for verb in (("train", "sklearn"), ("register",)):
        done = ratchet(made, *verb, "--env", "test", environment=of("machine"))
        assert done.returncode == 0, done.stderr
    return made


def test_the_machines_account_records_runs_and_moves_aliases(work, server):
    done = ratchet(work, "show", "--env", "test", "--json", environment=of("reader"))
    assert done.returncode == 0, done.stderr
    assert '"champion"' in done.stdout


@pytest.mark.parametrize(
    "verb",
    [
        ("train", "sklearn"),
        ("promote", "flights-sklearn", "1", "--because", "mine"),
        ("rollback", "flights-sklearn", "--because", "mine"),
    ],
    ids=lambda verb: verb[0],
)
def test_the_readers_account_changes_nothing(work, server, monkeypatch, verb):
    before = _state(server, monkeypatch)
    done = ratchet(work, *verb, "--env", "test", environment=of("reader"))
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ratchet: ")
    assert "reader" in last
    assert _state(server, monkeypatch) == before


def _state(server, monkeypatch):
    for name, value in of("machine").items():
        monkeypatch.setenv(name, value)
    client = MlflowClient(server)
    model = client.get_registered_model("flights-sklearn")
    runs = client.search_runs([client.get_experiment_by_name("flights").experiment_id])
    return dict(model.aliases), dict(model.tags), [(run.info.run_id, dict(run.data.tags)) for run in runs]


@pytest.mark.parametrize("account", [{}, {**of("machine"), "MLFLOW_TRACKING_PASSWORD": "wrong"}], ids=["none", "wrong"])
def test_without_the_right_password_a_verb_says_so(work, account):
    done = ratchet(work, "show", "--env", "test", environment=account)
    assert done.returncode == 2, done.stderr
    assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in done.stderr.splitlines()[-1]


def test_a_password_that_was_changed_is_the_one_after_the_next_start(tmp_path):
    empty_mlflow(tmp_path)
    write(tmp_path, PASSWORDS)
    write(tmp_path, {**PASSWORDS, "reader": "n" * 24})
    known = python(
        "import sys; from mlflow.server.auth import store; store.init_db(sys.stdin.read());"
        "print([store.authenticate_user('reader', each * 24) for each in 'rn'])",
        f"sqlite:///{tmp_path}/mlflow.db",
    )
    assert known.splitlines()[-1] == "[False, True]"
