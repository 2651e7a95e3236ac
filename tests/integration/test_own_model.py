"""A team's own estimator through three cycles in which its package moves on: trained, compared, served, scored."""

import importlib
import json
import multiprocessing.forkserver
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from ratchet.errors import ConfigurationError
from ratchet.io.records import candidates
from ratchet.io.records.candidates import Candidates
from ratchet.jobs.promotion.register import register
from ratchet.jobs.training.train import train
from tests.integration import verbs  # noqa: F401  # names what the processes of models are forked with
from tests.integration.trainer_fixtures import empty_mlflow, small_settings, window

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "own-model" / "our_models"
PARAMS = {"max_iter": 40, "early_stopping": False}
ELSEWHERE = """
import json, sys
import mlflow, pandas
from ratchet.engines.serving import loaded
from ratchet.jobs.score import score
from ratchet.settings import Settings

settings = Settings.model_validate_json(sys.stdin.read(), strict=False)
mlflow.set_tracking_uri(settings.tracking.uri)
folder = mlflow.artifacts.download_artifacts(sys.argv[1])
rows = pandas.read_parquet(sys.argv[2])
plain = mlflow.pyfunc.load_model(folder).predict(rows[:200].astype({"hour": "float64"}))
with loaded("sklearn", settings, folder) as served:
    both = served.both.predict(rows[:200])
print(score(settings, "sklearn", sys.argv[2], sys.argv[3]).sentence)
answers = {"plain": plain.tolist(), "label": both["label"].tolist(), "probability": both["probability"].tolist()}
print(json.dumps({**answers, "code": sys.modules["our_models"].__file__}))
"""


def own_settings(uri, folder, **changed):
    sklearn = {"estimator": "our_models.delays:make", "params": PARAMS, **changed}
    return small_settings(uri, folder, sklearn=sklearn, evaluation={"bootstrap_samples": 200, "importance": False})


class Package:
    """The package of the example on Python's path, for as long as it is open; it may move on."""

    def __init__(self, folder):
        self.folder, self._path, self._needed = folder / "package", sys.path[:], folder / "needed"
        shutil.copytree(EXAMPLE, self.folder / "our_models", ignore=shutil.ignore_patterns("__pycache__"))
        sys.path.insert(0, str(self.folder))

    def change(self, *changes):
        """Replace texts of its module, as if another version had been installed."""
        file = self.folder / "our_models" / "delays.py"
        for before, after in changes:
            text = file.read_text()
            assert before in text
            file.write_text(text.replace(before, after))
        self.forget()

    def install(self):
        """An installed package that it may need."""
        (about := self._needed / "needed_here-1.5.dist-info").mkdir(parents=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: needed-here\nVersion: 1.5\n")
        (about / "top_level.txt").write_text("needed_here\n")
        (self._needed / "needed_here.py").write_text("DEGREES = 15\n")
        sys.path.insert(0, str(self._needed))
        importlib.invalidate_caches()

    def uninstall(self):
        sys.path.remove(str(self._needed))
        self.forget()

    def forget(self):
        for name in [name for name in sys.modules if name.partition(".")[0] in ("our_models", "needed_here")]:
            del sys.modules[name]
        shutil.rmtree(self.folder / "our_models" / "__pycache__", ignore_errors=True)
        importlib.invalidate_caches()

    def close(self):
        self.forget()
        sys.path[:] = self._path


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    multiprocessing.forkserver.ensure_running()
    package = Package(tmp_path_factory.mktemp("own"))
    yield package
    package.close()


@pytest.fixture(scope="module")
def cycles(package, flights_slice, tmp_path_factory):
    """The settings, and the runs of three cycles: a poor version, a better one, and then the package without both."""
    folder = tmp_path_factory.mktemp("cycles")
    settings = own_settings(flights_slice, folder)
    runs = [cycle(own_settings(flights_slice, folder, params={**PARAMS, "max_iter": 3}), "one")]
    package.install()
    package.change(
        ("class Features(", "class Places("),
        ("Features()", "Places()"),
        ("import numpy as np\n", "import needed_here\nimport numpy as np\n"),
        ("(2 * np.pi / 24)", "np.deg2rad(needed_here.DEGREES)"),
    )
    runs.append(cycle(settings, "two"))
    package.change(("import needed_here\n", ""), ("needed_here.DEGREES", "15"), ("Places", "Moved"))
    package.uninstall()
    runs.append(cycle(settings, "three"))
    return settings, runs


def cycle(settings, name):
    run_id = train(settings, "sklearn", name, None).run_id
    register(settings, name)
    return MlflowClient(settings.tracking.uri).get_run(run_id)


def rivals_of(settings, name):
    client = MlflowClient(settings.tracking.uri)
    found = Candidates(client, settings.experiment, settings.model).newest("sklearn", name)
    return {rival.version: rival for rival in candidates.rivals(client, found)}


def test_its_first_version_is_promoted_with_all_its_parameters_its_code_and_what_it_needs(cycles):
    settings, (first, second, _) = cycles
    assert first.data.tags["ratchet.decision"] == "promoted"
    params = second.data.params
    assert {key: params.get(key) for key in settings.flattened()} == settings.flattened()
    assert params["histgradientboostingclassifier__max_iter"] == "40"
    assert params["histgradientboostingclassifier__random_state"] == "0"
    assert params["own.max_iter"] == "40"
    mlflow.set_tracking_uri(settings.tracking.uri)
    files = Path(mlflow.artifacts.download_artifacts(second.data.tags["ratchet.model_uri"]))
    assert (files / "code" / "our_models" / "delays.py").read_text().startswith('"""Delays of flights')
    assert "needed-here==1.5" in (files / "requirements.txt").read_text().splitlines()


def test_each_version_is_compared_with_the_code_that_it_was_logged_with(cycles):
    settings, (first, second, _) = cycles
    rival = rivals_of(settings, "two")[1]
    assert rival.basis == "same_rows"
    assert rival.f1 == pytest.approx(first.data.metrics["f1"], abs=1e-12)
    assert second.data.tags["ratchet.decision"] == "promoted"
    assert rivals_of(settings, "three")[1].f1 == rival.f1


def test_a_version_that_lacks_a_package_is_named_and_stops_nothing(cycles):
    settings, (_, _, third) = cycles
    rival = rivals_of(settings, "three")[2]
    assert rival.basis == "recorded"
    assert rival.note == "it can't be loaded: it needs the package 'needed_here', which is not installed here"
    assert third.data.tags["ratchet.complete"] == "true"
    assert "ratchet.decision" in third.data.tags


def test_it_serves_and_scores_where_its_package_is_not(cycles, flights_slice, tmp_path):
    settings, (first, _, _) = cycles
    rows, _ = window(flights_slice, "2013-05")
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    settings = settings.model_copy(update={"score": settings.score.model_copy(update={"version": 1})})
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            ELSEWHERE,
            first.data.tags["ratchet.model_uri"],
            tmp_path / "rows.parquet",
            tmp_path / "scored",
        ],
        input=settings.model_dump_json(),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    assert answers["plain"] == answers["label"]
    assert 0 < sum(answers["label"]) < 200
    assert answers["code"].endswith("code/our_models/__init__.py")
    scored = pd.concat(map(pd.read_parquet, sorted((tmp_path / "scored").rglob("*.parquet"))))
    assert len(scored) == len(rows)
    assert np.abs(scored["probability"].to_numpy()[:200] - answers["probability"]).max() < 1e-12


def test_a_wrong_one_ends_before_the_fit_and_registers_nothing(package, flights_slice, tmp_path):
    settings = small_settings(flights_slice, tmp_path, sklearn={"estimator": "our_models.delays:Moved"})
    with pytest.raises(ConfigurationError, match="Moved can't be called with numeric, categorical, params, seed"):
        train(settings, "sklearn", "wrong", None)
    client = MlflowClient(settings.tracking.uri)
    assert Candidates(client, settings.experiment, settings.model).newest("sklearn", "wrong") is None


def test_the_page_runs_as_it_stands(flights_slice, tmp_path):
    """Its commands for one machine, in a folder with what they name; the sample is a slice of it."""
    page = (ROOT / "docs" / "own-model.md").read_text()
    (block,) = re.findall(r"^```bash\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert re.search(r"^def make.*\n.*\n", page, re.MULTILINE)[0] in (EXAMPLE / "delays.py").read_text()
    for name in ("configs", "examples", "images/own"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "flights").symlink_to(flights_slice)
    (tmp_path / ".ratchet").mkdir()
    empty_mlflow(tmp_path / ".ratchet")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "ratchet"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT}/src:$PYTHONPATH exec {sys.executable} -m ratchet "$@"\n')
    program.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RATCHET", "MLFLOW_"))}
    environment |= {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "RATCHET__EVALUATION__IMPORTANCE": "false"}
    environment |= {"RATCHET__EVALUATION__BOOTSTRAP_SAMPLES": "200", "RATCHET__WINDOWS__REFIT": "false"}
    done = subprocess.run(
        ["/bin/bash", "-euc", block], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "promoted" in done.stdout
