"""What the integration tests stand on: a real MLflow server, and an MLflow without one."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import requests

from ratchet.settings import Settings
from tests.integration.scoring_fixtures import registered  # noqa: F401  # a fixture
from tests.integration.snapshots import server_folders
from tests.integration.spark_fixtures import spark_engine, spark_session  # noqa: F401  # fixtures
from tests.integration.trainer_fixtures import empty_mlflow, flights_slice  # noqa: F401  # a fixture

SERVER_SECONDS = 120


def pytest_collection_modifyitems(items):
    """MLflow's own imports warn; what Ratchet does must not."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::UserWarning:mlflow"))
            item.add_marker(pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning"))


def settings_for(uri, model="flights", artifacts=None, **sections):
    """Settings of a model on an MLflow; sections: parts of the tree, as they stand in a file."""
    tree = {
        "model": model,
        "data": {"uri": "data/none", "timestamp": "at", "label": {"column": "late", "positive": True}},
        "tracking": {"uri": uri, "artifacts": artifacts},
        **sections,
    }
    return Settings.model_validate(tree)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_server(folder, port, *options):
    """An MLflow server as a process group of its own, with SQLite and a folder behind it."""
    empty_mlflow(folder)
    server_folders[f"http://127.0.0.1:{port}"] = folder
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        f"{folder}/artifacts",
        *options,
    ]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def wait_until_up(process, uri, log):
    deadline = time.monotonic() + SERVER_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urlopen(f"{uri}/health", timeout=5) as answer:  # noqa: S310  # an address of ours
                if answer.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the MLflow server is not up (exit {process.poll()}):\n{log.read_text()[-3000:]}")


def stop_server(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory):
    """The address of a real MLflow server."""
    folder = tmp_path_factory.mktemp("mlflow-server")
    port = free_port()
    # With gunicorn it takes two thirds of the CPU for a request; the servers that come and go are MLflow's default.
    gunicorn = ("--gunicorn-opts", "--threads 4 --keep-alive 120 --graceful-timeout 1")
    process, uri = start_server(folder, port, *gunicorn), f"http://127.0.0.1:{port}"
    try:
        wait_until_up(process, uri, Path(folder) / "server.log")
        yield uri
    finally:
        stop_server(process)


@pytest.fixture(scope="session")
def mlflow_file(tmp_path_factory):
    """The address of an MLflow without a server, and the folder of its artifacts."""
    folder = tmp_path_factory.mktemp("mlflow-file")
    empty_mlflow(folder)
    return f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts")


@pytest.fixture
def asked(monkeypatch):
    """What MLflow's client asks the server for."""
    found, request = [], requests.Session.request

    def counted(self, method, url, **options):
        found.append(url.rpartition("/mlflow/")[2])
        return request(self, method, url, **options)

    monkeypatch.setattr(requests.Session, "request", counted)
    return found
