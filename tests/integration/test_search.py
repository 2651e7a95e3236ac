"""A search for parameters in the scikit-learn trainer: what it leaves in MLflow, and that a killed one goes on."""

import csv
import json
import re
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from ratchet.engines.sklearn.engine import ScikitLearn
from ratchet.errors import DataError, Interrupted
from ratchet.jobs.training.train import train
from ratchet.settings.training import SklearnSettings
from tests.integration.trainer_fixtures import small_settings

SPACE = {"learning_rate": {"low": 0.02, "high": 0.5, "log": True}, "max_leaf_nodes": (4, 8, 16)}
SEARCH = {"trials": 4, "folds": 2, "space": SPACE}


def searching(settings, **search):
    content = {"params": {"max_iter": 5}, "search": {**SEARCH, **search}}
    return settings.model_copy(update={"sklearn": SklearnSettings.model_validate(content)})


@pytest.fixture(scope="module")
def settings(flights_slice, tmp_path_factory):
    return searching(small_settings(flights_slice, tmp_path_factory.mktemp("search")))


@pytest.fixture(scope="module")
def client(settings):
    return MlflowClient(settings.tracking.uri)


@pytest.fixture(scope="module")
def trained(settings, client):
    return client.get_run(train(settings, "sklearn", "retrain-whole", None).run_id)


def trials_of(client, run):
    """The children of a run: number, parameters and value, sorted."""
    parent = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    children = client.search_runs([run.info.experiment_id], parent)
    assert {child.info.status for child in children} == {"FINISHED"}
    records = [json.loads(child.data.tags["ratchet.trial"]) for child in children]
    for child, (_, params, value, _) in zip(children, records, strict=True):
        assert child.data.params == {name: str(at) for name, at in params.items()}
        assert child.data.metrics["search_value"] == value
    return sorted(record[:3] for record in records)


def test_trials_are_child_runs_and_the_best_parameters_are_those_of_the_model(client, trained, tmp_path):
    trials = trials_of(client, trained)
    assert [number for number, *_ in trials] == [0, 1, 2, 3, 4]
    number, params, value = max(trials, key=lambda trial: trial[2])
    assert number > 0
    found = trained.data.metrics
    assert (found["search_value"], found["search_value_untuned"]) == (value, trials[0][2])
    assert found["search_trials"] == 4
    assert found["untuned_f1"] != found["f1"]
    for name, at in params.items():
        assert trained.data.params[f"search.best.{name}"] == trained.data.params[f"estimator__{name}"] == str(at)
    text = Path(client.download_artifacts(trained.info.run_id, "search.csv", tmp_path)).read_text()
    table = list(csv.DictReader(text.splitlines()))
    assert [float(row["value"]) for row in table] == [trial[2] for trial in trials]
    page = Path(client.download_artifacts(trained.info.run_id, "report.html", tmp_path)).read_text()
    assert re.search(rf"Trial {number} is the best: F1 \d.*untuned \d", page)
    assert "The value of each trial" in page


def test_the_untuned_f1_is_that_of_a_trainer_that_does_not_search(settings, client, trained):
    plain = settings.model_copy(update={"sklearn": settings.sklearn.model_copy(update={"search": None})})
    run = client.get_run(train(plain, "sklearn", "retrain-plain", None).run_id)
    assert run.data.metrics["f1"] == trained.data.metrics["untuned_f1"]
    assert "untuned_f1" not in run.data.metrics


def test_a_search_that_is_killed_goes_on_and_ends_the_same(settings, client, trained, monkeypatch):
    whole, fits = ScikitLearn.count_folds, []

    def killed(engine, params):
        if len(fits) == 3:
            raise Interrupted(15)
        fits.append(params)
        return whole(engine, params)

    with monkeypatch.context() as patched:
        patched.setattr(ScikitLearn, "count_folds", killed)
        with pytest.raises(Interrupted):
            train(settings, "sklearn", "retrain-killed", None)
        patched.setattr(ScikitLearn, "count_folds", lambda *given: fits.append(given[1]) or whole(*given))
        again = client.get_run(train(settings, "sklearn", "retrain-killed", None).run_id)
    assert len(fits) == 5
    assert trials_of(client, again) == trials_of(client, trained)
    assert again.data.metrics["f1"] == trained.data.metrics["f1"]


def test_no_trial_begins_after_its_minutes(settings, client):
    run = client.get_run(train(searching(settings, minutes=1e-6), "sklearn", "retrain-short", None).run_id)
    assert run.data.metrics["search_trials"] == 0
    assert run.data.metrics["untuned_f1"] == run.data.metrics["f1"]


def test_a_training_window_too_short_for_the_folds_is_refused(settings):
    with pytest.raises(DataError, match=r"the training window has 90 days, too few for 20 folds"):
        train(searching(settings, folds=20), "sklearn", "retrain-folds", None)
