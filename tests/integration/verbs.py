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
from pathlib import Path

import pytest

from ratchet.cli import run

VERB_SECONDS = 420

# Forked from a server that has imported everything once; importing MLflow takes seconds.
children = multiprocessing.get_context("forkserver")
children.set_forkserver_preload(
    [
        "tests.integration.verbs",
        *(f"ratchet.jobs.{job}" for job in ("register", "retrain", "rollout", "score", "show", "train", "watch")),
        "ratchet.engines.sklearn.engine",
        "mlflow.sklearn",
    ]
)


def ratchet(folder, *arguments, environment=None, seconds=VERB_SECONDS):
    """Run a verb in a working directory to its end; returns the finished process."""
    with tempfile.TemporaryDirectory() as outputs:
        texts = [Path(outputs) / name for name in ("stdout", "stderr")]
        process = children.Process(target=_verb, args=(folder, arguments, _environment(environment), texts))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["ratchet", *arguments], seconds, *(text.read_bytes() for text in texts))
        return subprocess.CompletedProcess(arguments, process.exitcode, *(text.read_text("utf-8") for text in texts))


def _verb(folder, arguments, environment, texts):
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    # What `ratchet.cli` sets when it is imported, which was before; the steps that a verb starts set it themselves.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for number, name in enumerate([os.devnull, *texts]):
        file = os.open(name, os.O_RDWR | os.O_CREAT)
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
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ratchet", *arguments],
            cwd=folder,
            env=_environment(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
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
        self._process.send_signal(number)

    def end(self):
        """Wait for its end; returns the exit code and what it wrote to stderr."""
        code = self._process.wait(VERB_SECONDS)
        return code, self._process.stderr.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(20)
        self._reader.join(20)
        self._process.stdout.close()
        self._process.stderr.close()

    def _read(self):
        for line in self._process.stdout:
            if line.startswith("{"):
                self._events.put(json.loads(line))
        self._events.put(None)


def _environment(more):
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("RATCHET", "MLFLOW_", "PYTHONWARN"))
    }
    return {**inherited, "MLFLOW_DISABLE_TELEMETRY": "true", "RATCHET_CONFIGS": "configs", **(more or {})}
