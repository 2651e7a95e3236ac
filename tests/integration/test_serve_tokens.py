"""A server with tokens, as a process: who may ask for predictions, what stays open, and how tokens are replaced."""

import json
import os
import signal
import socket
from contextlib import contextmanager

import pytest
import urllib3
from mlflow.tracking import MlflowClient

from ratchet.io.records import samples
from tests.integration.conftest import free_port
from tests.integration.scoring_fixtures import like
from tests.integration.test_serve import MODEL, Asked
from tests.integration.verbs import Verb, ratchet

OLD, NEW = "old-" + "0123456789abcdef" * 2, "new-" + "fedcba9876543210" * 2


@pytest.fixture(scope="module")
def folder(registered, flights_slice, tmp_path_factory):
    """A working directory with one registered version of the scikit-learn model."""
    return like(registered, tmp_path_factory.mktemp("tokens"), flights_slice)


@pytest.fixture(scope="module")
def body(folder):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    return samples.read(client, client.get_model_version(MODEL, "1").run_id).request(0, 3)


@contextmanager
def locked(folder, file):
    port, words = free_port(), ("--set", f"serving.token_file={file}")
    with Verb(folder, "serve", "sklearn", "--env", "test", "--port", str(port), *words) as verb:
        verb.wait_for("serve.ready")
        yield verb, Asked(port)


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    file = tmp_path_factory.mktemp("secret") / "tokens"
    file.write_text(f"{OLD}\n{NEW}\n")
    with locked(folder, file) as (_, asked):
        yield asked


def status(asked, body, token):
    return asked.post(body, Authorization=f"Bearer {token}").status


def refused(answer):
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert json.loads(answer.data)["error_code"] == "UNAUTHENTICATED"
    return True


@pytest.mark.parametrize("token", [OLD, NEW])
def test_each_token_opens_it(server, body, token):
    answer = server.post(body, "?probabilities=true", Authorization=f"Bearer {token}")
    assert answer.status == 200
    assert len(json.loads(answer.data)["predictions"]) == 3
    assert server.post("{", Authorization=f"Bearer {token}").status == 400


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {OLD[:-1]}"},
        {"Authorization": f"Bearer {OLD}{NEW}"},
        {"Authorization": f"Basic {OLD}"},
        {"Authorization": OLD},
        {"X-Authorization": f"Bearer {OLD}"},
        {"Cookie": f"Authorization=Bearer {OLD}"},
    ],
)
def test_without_one_it_is_closed(server, body, headers):
    assert refused(server.post(body, **headers))
    assert refused(server.post(body, f"?access_token={OLD}", **headers))


@pytest.mark.parametrize("path", ["/ping", "/health", "/version", "/live", "/metrics"])
def test_what_probes_and_prometheus_ask_stays_open(server, path):
    assert server.get(path).status == 200


@pytest.mark.parametrize(
    "path", ["/invocations", "/invocations/", "//invocations", "/docs", "/openapi.json", "/", "/Ping"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD"])
def test_everything_else_is_closed(server, method, path):
    answer = server.pool.request(method, server.address + path, redirect=False)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_request_that_is_turned_away_is_not_received(server):
    """So nobody without a token takes the server's memory or time."""
    port = urllib3.util.parse_url(server.address).port
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Length: 50000000\r\n\r\n{")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer


def test_those_that_are_turned_away_are_counted(server, body):
    name = ("ratchet_server_requests_total", ("code", "401"))
    before = server.measures()[name]
    refused(server.post(body))
    server.get("/docs")
    assert server.measures()[name] == before + 1


def test_tokens_are_replaced_without_a_restart_and_none_is_in_the_log(folder, tmp_path, body):
    file = tmp_path / "tokens"

    def write(*tokens):
        """As a Secret changes: another file takes the place."""
        (tmp_path / "next").write_text("\n".join(tokens))
        os.replace(tmp_path / "next", file)  # noqa: PTH105

    write(OLD)
    with locked(folder, file) as (verb, asked):

        def statuses():
            return [status(asked, body, token) for token in (OLD, NEW)]

        assert statuses() == [200, 401]
        write(NEW, OLD)
        assert statuses() == [200, 200]
        write(NEW)
        assert statuses() == [401, 200]
        write("forgotten")
        assert statuses() == [401, 200]
        file.unlink()
        assert statuses() == [401, 200]
        told = [verb.wait_for("serve.tokens") for _ in range(2)]
        wrong = [verb.wait_for("serve.tokens_unchanged") for _ in range(2)]
        asked.post(json.dumps(body) + OLD, Authorization=f"Bearer {NEW}")
        verb.send(signal.SIGINT)
        code, errors = verb.end()
        left = [*iter(verb._events.get, None)]
    assert [each["accepted"] for each in told] == [2, 1]
    assert "line 1: the token has fewer than 16 characters" in wrong[0]["why"]
    assert "can't be read: No such file or directory" in wrong[1]["why"]
    assert code == 0
    written = errors + json.dumps([told, wrong, left])
    assert not [token for token in (OLD, NEW, "forgotten") if token in written]


@pytest.mark.parametrize("content", ["", "short", "two words are no token", None])
def test_a_file_that_is_none_of_tokens_is_a_sentence(folder, tmp_path, content):
    file = tmp_path / "tokens"
    if content is not None:
        file.write_text(content)
    done = ratchet(folder, "serve", "sklearn", "--env", "test", "--set", f"serving.token_file={file}")
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"ratchet: serving.token_file {file}")
    assert not content or content not in line


def test_check_serves_its_trial_without_the_tokens(folder):
    """It has no socket; the file is that of another machine."""
    done = ratchet(folder, "check", "--env", "test", "--set", "serving.token_file=/nowhere/tokens")
    assert done.returncode == 0, done.stdout + done.stderr
