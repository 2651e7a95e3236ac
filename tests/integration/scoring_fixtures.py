"""What the tests of scoring stand on: a version of both engines' models, made by a whole cycle."""

import fcntl
import os

import mlflow
import pytest

from tests.integration.trainer_fixtures import write_configuration
from tests.integration.verbs import ratchet


@pytest.fixture(scope="session")
def registered(flights_slice, tmp_path_factory):
    """A working directory in whose MLflow `flights-sklearn` and `flights-spark` have a champion, version 1.

    Where tests run in several processes it is the same for all of them: who comes second waits.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "registered"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            write_configuration(folder, flights_slice, retrain={"engines": ["sklearn", "spark"]})
            done = ratchet(folder, "retrain", "--env", "test", seconds=280)
            assert done.returncode == 0, done.stderr[-2000:]
    return folder


def load(registered, engine):
    """Version 1 as MLflow loads it."""
    mlflow.set_tracking_uri(f"sqlite:///{registered}/mlflow.db")
    return mlflow.pyfunc.load_model(f"models:/flights-{engine}/1")
