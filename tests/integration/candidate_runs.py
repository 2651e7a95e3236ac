"""Runs as a trainer leaves them, without a trainer: what the registrar's tests decide on."""

import atexit
import shutil
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import mlflow
import pandas as pd
from mlflow.entities import Metric, RunTag
from mlflow.models.signature import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, Schema
from sklearn.dummy import DummyClassifier

from ratchet.core.rival import Rival
from ratchet.io.records import registered_model
from ratchet.report.decision_section import open_section
from tests.integration.snapshots import folder_of

SIGNATURE = ModelSignature(Schema([ColSpec(DataType.double, "hour")]), Schema([ColSpec(DataType.long)]))
EXAMPLE = pd.DataFrame({"hour": [7.0, 21.0]})
_OPTIONS = {"signature": SIGNATURE, "serialization_format": "cloudpickle", "pip_requirements": ["scikit-learn"]}
_begun = [int(time.time() * 1000) - 10**9]


def _model():
    return DummyClassifier(strategy="constant", constant=1).fit(EXAMPLE, [0, 1])


@cache
def _experiment(uri, name, artifacts):
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(name)
    if found is not None:
        return found.experiment_id
    return client.create_experiment(name, artifact_location=artifacts and Path(artifacts).as_uri())


def rival(version, f1, candidate_f1, basis="same_rows", note="", *, recorded_f1=None, probability=None):
    recorded = f1 if recorded_f1 is None else recorded_f1
    return Rival(
        version, basis, f1, None, None, None, None, recorded, candidate_f1 - f1, probability, champion=False, note=note
    )


def compare(settings, run_id, rivals):
    """Write the run's comparison.csv."""
    MlflowClient(settings.tracking.uri).log_text(run_id, Rival.to_csv(rivals), "comparison.csv")


def add_run(
    settings,
    cycle,
    f1,
    *,
    engine="sklearn",
    rivals=None,
    compared=True,
    probability=None,
    tags=None,
    metrics=None,
    status="FINISHED",
    logged=False,
    begun=None,
):
    """A run as a trainer leaves it; returns its id.

    rivals: F1 on the candidate's rows by version; None: that of all existing versions, as recorded. compared: whether
    there are such rows at all. probability: that the candidate is better, in each row. logged: log the model as
    MLflow's own kind (`models:/m-…`), not as a folder of the run. begun: when it began, as a Unix time.
    """
    client = MlflowClient(settings.tracking.uri)
    own_tags = {
        "ratchet.model": settings.model,
        "ratchet.cycle": cycle,
        "ratchet.engine": engine,
        "ratchet.as_of": "2013-12-01",
        "ratchet.test_from": "2013-11-01",
        "ratchet.test_until": "2013-12-01",
        "ratchet.verified": "true",
        "ratchet.complete": "true",
    }
    _begun[0] += 1000
    experiment = _experiment(settings.tracking.uri, settings.experiment, settings.tracking.artifacts)
    start = _begun[0] if begun is None else int(begun * 1000)
    run = client.create_run(experiment, start_time=start, tags=own_tags | (tags or {})).info
    numbers = {"f1": f1, "f1_all_positive": 0.4, "precision": 0.5} | (metrics or {})
    logged_numbers = [Metric(name, value, 0, 0) for name, value in numbers.items() if value is not None]
    rows = []
    if compared:
        recorded = _recorded(client, settings.registered_name(engine))
        rows = [
            rival(number, value, f1, recorded_f1=recorded[number], probability=probability)
            for number, value in (rivals or recorded).items()
        ]
    with TemporaryDirectory() as folder:
        (Path(folder) / "comparison.csv").write_text(Rival.to_csv(rows))
        (Path(folder) / "report.html").write_text(f"<html><body>{open_section()}</body></html>")
        if not logged:
            shutil.copytree(_saved(), f"{folder}/model")
        place = folder_of(settings.tracking.uri, run.artifact_uri)
        if place is None:
            client.log_artifacts(run.run_id, folder)
        else:
            shutil.copytree(folder, place, dirs_exist_ok=True)
    model_uri = _log(run.run_id, settings) if logged else f"runs:/{run.run_id}/model"
    client.log_batch(run.run_id, metrics=logged_numbers, tags=[RunTag("ratchet.model_uri", model_uri)])
    client.set_terminated(run.run_id, status)
    return run.run_id


def _recorded(client, name):
    """The F1 of each version, by number, as the registrar has written it down."""
    found = {int(version.version): version.tags["ratchet.f1"] for version in registered_model.listed(client, name)}
    return {number: float(f1) for number, f1 in sorted(found.items())}


@cache
def _saved():
    folder = mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    mlflow.sklearn.save_model(_model(), f"{folder}/model", **_OPTIONS)
    return f"{folder}/model"


def _log(run_id, settings):
    mlflow.set_tracking_uri(settings.tracking.uri)
    with mlflow.start_run(run_id):
        return mlflow.sklearn.log_model(_model(), name="model", **_OPTIONS).model_uri


def read_artifact(settings, run_id, name):
    with TemporaryDirectory() as folder:
        return Path(MlflowClient(settings.tracking.uri).download_artifacts(run_id, name, folder)).read_text()
