"""What the tests of scoring stand on: a version of both engines' models, made by a whole cycle."""

import shutil
from functools import cache

import mlflow
import pytest

from tests.integration.snapshots import copy_database
from tests.integration.trainer_fixtures import made_once, write_configuration
from tests.integration.verbs import ratchet


@pytest.fixture(scope="session")
def registered(flights_slice, tmp_path_factory):
    """A working directory in whose MLflow `flights-sklearn` and `flights-spark` have a champion, version 1.

    It is the same for all workers. Beside it lie the files of `Cycle`.
    """

    def make(folder):
        write_configuration(folder, flights_slice, retrain={"engines": ["sklearn", "spark"]})
        Cycle(folder).run()
        copy_database(folder / "mlflow.db", folder / "at-first.db")

    return made_once(tmp_path_factory, "registered", make)


def like(registered, folder, uri, **sections):
    """`write_configuration` in a folder whose MLflow has the champions of `registered`, whose artifacts they share."""
    copy_database(registered / "at-first.db", folder / "mlflow.db")
    return write_configuration(folder, uri, **sections)


class Cycle:
    """The cycle that made `registered`, as it was seen from outside: what was written, and its temporary files."""

    id = "made"

    def __init__(self, registered):
        self._beside = registered.with_name(f"{registered.name}-cycle")
        self._folder = registered
        self.temporary = self._beside / "temporary"

    def run(self):
        shutil.rmtree(self._beside, ignore_errors=True)  # where an attempt before has failed
        self.temporary.mkdir(parents=True)
        (self._beside / "python").mkdir()
        (self._beside / "python" / "sitecustomize.py").write_text(_TEE.format(str(self._text("train"))))
        environment = {"TMPDIR": str(self.temporary), "PYTHONPATH": str(self._beside / "python")}
        call = ("retrain", "--env", "test", "--cycle", self.id)
        done = ratchet(self._folder, *call, environment=environment, seconds=400)
        self._text("stdout").write_text(done.stdout)
        self._text("stderr").write_text(done.stderr)
        assert done.returncode == 0, done.stderr[-2000:]

    def written(self, where):
        """The lines of the cycle's own "stdout" and "stderr", or of the Spark trainer's stdout: "train"."""
        return self._text(where).read_text().splitlines()

    def _text(self, name):
        return self._beside / f"{name}.txt"


# A cycle passes on only the events of what its trainers write; here the whole of it is kept.
_TEE = """\
import os, subprocess, sys
if sys.orig_argv[2:5] == ["ratchet", "train", "spark"]:
    os.dup2(subprocess.Popen(["tee", {!r}], stdin=subprocess.PIPE).stdin.fileno(), 1)
"""


@cache
def load(registered, engine):
    """Version 1 as MLflow loads it; Spark's needs the session that was there at first."""
    mlflow.set_tracking_uri(f"sqlite:///{registered}/mlflow.db")
    return mlflow.pyfunc.load_model(f"models:/flights-{engine}/1")
