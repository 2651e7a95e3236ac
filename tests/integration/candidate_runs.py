"""Runs as a trainer leaves them, without a trainer: what the registrar's tests decide on."""

import atexit
import shutil
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import mlflow
import pandas as pd
from mlflow.entities import Metric
from mlflow.models.signature import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, Schema
from sklearn.dummy import DummyClassifier

from ratchet.core.decision_section import open_section
from ratchet.core.rival import Rival
from ratchet.io import registry

SIGNATURE = ModelSignature(Schema([ColSpec(DataType.double, "hour")]), Schema([ColSpec(DataType.long)]))
EXAMPLE = pd.DataFrame({"hour": [7.0, 21.0]})
_OPTIONS = {"signature": SIGNATURE, "serialization_format": "cloudpickle", "pip_requirements": ["scikit-learn"]}
_begun = [int(time.time() * 1000) - 10**9]


def _model():
    return DummyClassifier(strategy="constant", constant=1).fit(EXAMPLE, [0, 1])


def experiment_of(client, settings):
    found = client.get_experiment_by_name(settings.experiment)
    if found is not None:
        return found.experiment_id
    place = settings.tracking.artifacts
    return client.create_experiment(settings.experiment, artifact_location=place and Path(place).as_uri())


def rival(version, f1, candidate_f1, basis="same_rows", note="", *, recorded_f1=None):
    recorded = f1 if recorded_f1 is None else recorded_f1
    return Rival(
        version, basis, f1, None, None, None, None, recorded, candidate_f1 - f1, None, champion=False, note=note
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
    tags=None,
    metrics=None,
    status="FINISHED",
    logged=False,
):
    """A run as a trainer leaves it; returns its id.

    rivals: F1 on the candidate's rows by version; None: that of all existing versions, as recorded. compared: whether
    there are such rows at all. logged: log the model as MLflow's own kind (`models:/m-…`), not as a folder of the run.
    """
    client = MlflowClient(settings.tracking.uri)
    experiment = experiment_of(client, settings)
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
    run_id = client.create_run(experiment, start_time=_begun[0], tags=own_tags | (tags or {})).info.run_id
    numbers = {"f1": f1, "f1_all_positive": 0.4, "precision": 0.5} | (metrics or {})
    logged_numbers = [Metric(name, value, 0, 0) for name, value in numbers.items() if value is not None]
    client.log_batch(run_id, metrics=logged_numbers)
    existing = registry.versions(client, settings.registered_name(engine))
    recorded = {version.number: version.f1 for version in existing}
    rows = [
        rival(number, value, f1, recorded_f1=recorded[number])
        for number, value in (rivals or recorded).items()
        if value is not None
    ]
    with TemporaryDirectory() as folder:
        (Path(folder) / "comparison.csv").write_text(Rival.to_csv(rows if compared else []))
        (Path(folder) / "report.html").write_text(f"<html><body>{open_section()}</body></html>")
        if not logged:
            shutil.copytree(_saved(), f"{folder}/model")
        client.log_artifacts(run_id, folder)
    client.set_tag(run_id, "ratchet.model_uri", _log(run_id, settings) if logged else f"runs:/{run_id}/model")
    client.set_terminated(run_id, status)
    return run_id


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
