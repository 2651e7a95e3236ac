"""Ratchet's verbs as processes of their own: run to their end, or while something is done to them."""

import atexit
import json
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from mlflow.tracking.request_header import registry
from mlflow.tracking.request_header.databricks_request_header_provider import DatabricksRequestHeaderProvider

from ratchet.cli import run

VERB_SECONDS = 420

# Before each request it tries imports that fail everywhere but on Databricks: a quarter of the time of MLflow's client.
_providers = registry._request_header_provider_registry._registry
_providers[:] = [provider for provider in _providers if not isinstance(provider, DatabricksRequestHeaderProvider)]

# Forked from a server that has imported everything once; importing MLflow takes seconds.
children = multiprocessing.get_context("forkserver")
IMPORTED = [
    "tests.integration.verbs",
    *(f"ratchet.jobs.{job}" for job in ("promotion.register", "promotion.validate", "retrain", "score", "serve")),
    *(f"ratchet.jobs.{job}" for job in ("checking.check", "show", "training.train", "watch")),
    "ratchet.engines.sklearn.engine",
    "mlflow.sklearn",
]
# The server says nothing of a module that it does not find.
assert all(find_spec(name) for name in IMPORTED[1:])
children.set_forkserver_preload(IMPORTED)


def ratchet(folder, *arguments, environment=None, seconds=VERB_SECONDS):
    """Run a verb in a working directory to its end; returns the finished process."""
    with tempfile.TemporaryDirectory() as outputs:
        texts = [Path(outputs) / name for name in ("stdout", "stderr")]
        process = children.Process(target=_into_files, args=(texts, folder, arguments, _environment(environment)))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["ratchet", *arguments], seconds, *(text.read_bytes() for text in texts))
        return subprocess.CompletedProcess(arguments, process.exitcode, *(text.read_text("utf-8") for text in texts))


def _into_files(texts, *verb):
    _verb(*verb, [os.open(text, os.O_RDWR | os.O_CREAT) for text in texts])


def _in_a_group_of_its_own(pipes, *verb):
    os.setsid()
    _verb(*verb, [os.dup(pipe.fileno()) for pipe in pipes])


def _verb(folder, arguments, environment, outputs):
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    # What `ratchet.cli` sets when it is imported, which was before; the steps that a verb starts set it themselves.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for number, file in enumerate([os.open(os.devnull, os.O_RDWR), *outputs]):
        os.dup2(file, number)
        os.close(file)
    sys.argv = ["ratchet", *arguments]
    tempfile.tempdir = None  # a new interpreter would ask TMPDIR anew
    try:
        run()
    finally:
        # What an interpreter does at its end, and a forked child leaves out.
        threading._shutdown()
        atexit._run_exitfuncs()


def events(process):
    """The events that a finished verb wrote, by name; the last one of each."""
    lines = [line for line in process.stdout.splitlines() if line.startswith("{")]
    return {event["event"]: event for event in map(json.loads, lines)}


class Verb:
    """A verb that runs while the test does something to it. A context manager: leaving it kills the process."""

    def __init__(self, folder, *arguments, environment=None):
        (stdout, to_stdout), (stderr, to_stderr) = children.Pipe(duplex=False), children.Pipe(duplex=False)
        verb = (folder, arguments, _environment(environment))
        self._process = children.Process(target=_in_a_group_of_its_own, args=((to_stdout, to_stderr), *verb))
        self._process.start()
        self._stdout, self._stderr = (os.fdopen(os.dup(pipe.fileno()), encoding="utf-8") for pipe in (stdout, stderr))
        for pipe in (stdout, to_stdout, stderr, to_stderr):
            pipe.close()
        self._events = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, name):
        """Wait until it has told of an event, and return that."""
        deadline = time.monotonic() + VERB_SECONDS
        while (event := self._events.get(timeout=max(deadline - time.monotonic(), 0.01))) is not None:
            if event["event"] == name:
                return event
        pytest.fail(f"it ended without {name}: {self.end()}")

    def send(self, number):
        os.kill(self._process.pid, number)

    def end(self):
        """Wait for its end; returns the exit code and what it wrote to stderr."""
        self._process.join(VERB_SECONDS)
        if self._process.exitcode is None:
            pytest.fail(f"it has not ended after {VERB_SECONDS} s")
        return self._process.exitcode, self._stderr.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.exitcode is None:
            with suppress(ProcessLookupError):  # it has no group yet
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
        self._process.join(20)
        self._reader.join(20)
        self._stdout.close()
        self._stderr.close()

    def _read(self):
        for line in self._stdout:
            if line.startswith("{"):
                self._events.put(json.loads(line))
        self._events.put(None)


def _environment(more):
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("RATCHET", "MLFLOW_", "PYTHONWARN"))
    }
    return {**inherited, "MLFLOW_DISABLE_TELEMETRY": "true", "RATCHET_CONFIGS": "configs", **(more or {})}
