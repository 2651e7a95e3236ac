"""Slices and guardrails in a cycle of the scikit-learn engine: first version, held, promoted beside a champion."""

import csv
import io
from datetime import date
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from sklearn.metrics import f1_score

from ratchet.engines.sklearn import logged_model
from ratchet.errors import ConfigurationError, DataError
from ratchet.jobs.promotion.register import register
from ratchet.jobs.training.train import train
from tests.integration.trainer_fixtures import FEATURES, NUMERIC, small_settings

# The type of a plane is not among the features.
SLICES = ("origin", "plane_type", {"distance": (500.0, 1000.0)})
HARMLESS = {"metric": "f1", "slice": "origin", "not_worse_by": 0.9}
STRICT = {"metric": "recall", "at_least": 0.999}


@pytest.fixture(scope="module")
def base(flights_slice, tmp_path_factory):
    return flights_slice, tmp_path_factory.mktemp("guarding")


def with_guardrails(base, *guardrails, slices=SLICES):
    return small_settings(
        *base, evaluation={"bootstrap_samples": 200, "slices": slices}, promotion={"guardrails": guardrails}
    )


def cycle(settings, name, as_of):
    trained = train(settings, "sklearn", name, as_of)
    return trained, *register(settings, name)


@pytest.fixture(scope="module")
def held(base):
    return cycle(with_guardrails(base, STRICT, HARMLESS), "held", date(2013, 5, 1))


@pytest.fixture(scope="module")
def first(base, held):
    return cycle(with_guardrails(base, HARMLESS), "first", date(2013, 5, 1))


@pytest.fixture(scope="module")
def loaded():
    """The versions that the second cycle has loaded beside its candidate."""
    return []


@pytest.fixture(scope="module")
def second(base, first, loaded):
    whole = logged_model.logged_model
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(logged_model, "logged_model", lambda uri: loaded.append(uri) or whole(uri))
        return cycle(with_guardrails(base, HARMLESS), "second", date(2013, 6, 1))


def table(base, trained, name, folder):
    client = MlflowClient(small_settings(*base).tracking.uri)
    text = Path(client.download_artifacts(trained.run_id, name, folder)).read_text()
    return list(csv.DictReader(io.StringIO(text)))


def test_a_first_version_that_does_not_meet_a_guardrail_is_held_with_that_sentence(held):
    _, result = held
    assert (result.outcome, result.version) == ("held", None)
    recall = f"{result.metrics['recall']:.3f}"
    assert f"but a guardrail is broken: recall, {recall}, is below the least allowed, 0.999" in result.reason


def test_beside_no_champion_only_the_candidates_own_numbers_are_told(base, held, first, tmp_path):
    assert first[1].outcome == "promoted"
    rows = table(base, first[0], "slices.csv", tmp_path)
    assert {row["champion_f1"] for row in rows} == {""}
    (result,) = table(base, first[0], "guardrails.csv", tmp_path)
    assert (result["broken"], result["note"]) == ("False", "there is no champion")


def test_the_champion_is_loaded_once_for_all_rows_slices_and_importance(base, first, second, loaded, tmp_path):
    assert {row["model"] for row in table(base, second[0], "importance.csv", tmp_path)} == {"candidate", "champion"}
    assert len(loaded) == 1, loaded


def test_every_group_has_the_numbers_that_the_logged_models_give(base, first, second, tmp_path):
    frame = pd.read_parquet(Path(base[0]) / "year_month=2013-05" / "part-0.parquet")
    features = frame[FEATURES].astype(dict.fromkeys(NUMERIC, "float64"))
    client = MlflowClient(small_settings(*base).tracking.uri)
    mlflow.set_tracking_uri(small_settings(*base).tracking.uri)
    uris = [client.get_run(one.run_id).data.tags["ratchet.measured_model_uri"] for one, _ in (second, first)]
    own, theirs = (np.asarray(mlflow.pyfunc.load_model(uri).predict(features)) for uri in uris)
    groups = {f"origin = {name}": frame["origin"] == name for name in frame["origin"].unique()}
    groups |= {f"plane_type = {name}": frame["plane_type"] == name for name in frame["plane_type"].dropna().unique()}
    groups["plane_type missing"] = frame["plane_type"].isna()
    groups["500 ≤ distance < 1000"] = frame["distance"].between(500, 999)
    rows = {row["group"]: row for row in table(base, second[0], "slices.csv", tmp_path)}
    assert set(groups) <= set(rows)
    for name, inside in groups.items():
        row, label = rows[name], frame["late"][inside]
        assert (int(row["rows"]), int(row["positives"])) == (inside.sum(), label.sum())
        if row["f1"]:
            assert float(row["f1"]) == pytest.approx(f1_score(label, own[inside]))
            assert float(row["champion_f1"]) == pytest.approx(f1_score(label, theirs[inside]))
            assert float(row["difference_low"]) <= float(row["difference"]) <= float(row["difference_high"])
    assert rows["origin = EWR"]["f1"]


def test_of_a_candidate_that_is_held_anyway_no_guardrail_is_told(base, second):
    _, result = second
    assert result.outcome == "held"
    assert result.reason.startswith("F1 ")
    assert "guardrail" not in result.reason


def test_the_report_has_them(base, second, tmp_path):
    client = MlflowClient(small_settings(*base).tracking.uri)
    page = Path(client.download_artifacts(second[0].run_id, "report.html", tmp_path)).read_text()
    assert "f1 by origin not worse by 0.9" in page
    assert "500 ≤ distance &lt; 1000" in page
    assert "too few rows to know" in page


@pytest.mark.parametrize(
    ("slices", "error", "sentence"),
    [
        (("carier",), DataError, "the column 'carier' is not in .*; similar names: carrier"),
        (({"carrier": (1.0,)},), ConfigurationError, "gives ranges for 'carrier', which holds text"),
    ],
)
def test_a_slice_that_the_table_does_not_have_is_refused(base, slices, error, sentence):
    with pytest.raises(error, match=sentence):
        train(with_guardrails(base, slices=slices), "sklearn", "refused", None)
