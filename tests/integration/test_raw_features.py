"""Dates, times and free text as features of a team's own estimator: trained, compared, served, scored, watched."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from ratchet.core.evaluation.counts import day_number
from ratchet.core.model_inputs import ModelInputs
from ratchet.engines.serving import loaded
from ratchet.errors import ConfigurationError
from ratchet.io.serving.requests import asked_of
from ratchet.jobs.checking.check import check
from ratchet.jobs.promotion.register import register
from ratchet.jobs.score import score
from ratchet.jobs.training.train import train
from ratchet.jobs.watch_step import watch
from ratchet.settings import Settings
from ratchet.settings.training import SklearnSettings
from tests.integration.small_tables import DAYS, FIRST, ROWS, events, written

RAW = ("joined_on", "seen_at", "note")
MODEL = '''
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


class Read(TransformerMixin, BaseEstimator):
    """Learns nothing."""

    def __init__(self, features):
        self.features = features

    def fit(self, rows, label=None):
        return self

    def transform(self, rows):
        joined, seen, note = (rows[name] for name in self.features)
        return pd.DataFrame({
            "usage": rows["usage"].fillna(0),
            "years": (pd.Timestamp("2026-01-01") - pd.to_datetime(joined)).dt.days.fillna(0) / 365,
            "hour": pd.to_datetime(seen, utc=True, format="ISO8601").dt.hour,
            "refund": note.fillna("").str.contains("refund"),
        }).astype(float)


def make(numeric, categorical, features, params, seed):
    return make_pipeline(Read(features), LogisticRegression())
'''


@dataclass
class World:
    folder: Any
    frame: pd.DataFrame

    def settings(self, uri, **changed):
        data = {
            "uri": uri,
            "timestamp": "happened_at",
            "label": {"column": "churned", "positive": "yes"},
            "numeric": ("usage", "age"),
            "categorical": ("plan",),
            "features": RAW,
        }
        return Settings.model_validate(
            {
                "model": "accounts",
                "data": data,
                "windows": {"test": "28d", "calibration": "28d"},
                "sklearn": {"estimator": "accounts.model:make"},
                "evaluation": {"bootstrap_samples": 200},
                "tracking": {"uri": f"sqlite:///{self.folder}/mlflow.db", "artifacts": f"{self.folder}/artifacts"},
                "retrain": {"engines": ("sklearn",)},
                **changed,
            }
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Half a year of events whose label follows all three: when a customer joined, was seen, and what was noted."""
    folder, random = tmp_path_factory.mktemp("accounts"), np.random.default_rng(2)
    (folder / "package" / "accounts").mkdir(parents=True)
    (folder / "package" / "accounts" / "model.py").write_text(MODEL)
    (folder / "package" / "accounts" / "__init__.py").touch()
    plain = events()
    joined = pd.Timestamp("2026-01-01") - pd.to_timedelta(random.integers(1, 2000, ROWS), "D")
    seen = (
        (pd.to_datetime(plain["happened_at"]) - timedelta(hours=3)).dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
    )
    refund = random.random(ROWS) < 0.3
    note = [f"call {row}: {'wants a refund' if wish else 'all is well'}" for row, wish in enumerate(refund)]
    score = 2 * plain["usage"] + 2 * refund + (joined > pd.Timestamp("2024-01-01")) - 2.5
    label = np.where(random.random(ROWS) < 1 / (1 + np.exp(-score)), "yes", "no")
    frame = plain.assign(joined_on=joined.date, seen_at=seen, note=note, churned=label)
    frame.loc[::11, ["joined_on", "note"]] = None
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder / "package"))
        yield World(folder, frame)


@pytest.fixture(scope="module")
def run(world):
    """The first cycle, three weeks before the table's end."""
    until = FIRST + timedelta(days=DAYS - 20)
    early = written(world.frame[world.frame["happened_at"] < until], world.folder / "early.parquet")
    settings = world.settings(early)
    run_id = train(settings, "sklearn", "one", None).run_id
    register(settings, "one")
    return MlflowClient(settings.tracking.uri).get_run(run_id)


def test_the_estimator_learns_from_them(run):
    assert run.data.tags["ratchet.decision"] == "promoted"
    assert run.data.params["data.features"] == str(RAW)
    assert run.data.metrics["roc_auc"] > 0.85
    inputs = ModelInputs.of(mlflow.models.Model.load(run.data.tags["ratchet.model_uri"]), "it")
    assert inputs.raw == {*RAW}
    assert inputs.kinds == {**dict.fromkeys(("usage", "age"), "double"), **dict.fromkeys(("plan", *RAW), "string")}


def test_only_whether_they_are_missing_is_counted(world, run):
    client = MlflowClient(world.settings("nowhere.parquet").tracking.uri)
    counts = pd.read_csv(client.download_artifacts(run.info.run_id, "feature_counts.csv", str(world.folder)))
    for name in RAW:
        own = counts[counts["feature"] == name]
        assert own["part"].tolist() == ["other", "missing"]
        assert (own["rows"].iloc[1] > 0) == (name != "seen_at")
    important = pd.read_csv(client.download_artifacts(run.info.run_id, "importance.csv", str(world.folder)))
    loss = important.set_index("feature")["f1"]
    assert loss["note"] > 0.05 > abs(loss["plan"])


def test_a_later_version_is_compared_with_it_and_the_watch_measures_it_on_the_new_days(world, run):
    settings = world.settings(written(world.frame, world.folder / "all.parquet"))
    client = MlflowClient(settings.tracking.uri)
    assert watch(settings, "sklearn").verdict.verdict == "fine"
    measured = {entry.step for entry in client.get_metric_history(run.info.run_id, "rolling_f1")}
    assert max(measured) == day_number((FIRST + timedelta(days=DAYS - 1)).date())
    run_id = train(settings, "sklearn", "two", None).run_id
    comparison = pd.read_csv(client.download_artifacts(run_id, "comparison.csv", str(world.folder)))
    assert comparison["basis"].tolist() == ["same_rows"]


def test_dates_of_a_table_and_text_of_a_request_give_the_same(world, run, tmp_path):
    settings = world.settings("nowhere.parquet")
    rows = world.frame.drop(columns=["churned", "happened_at"]).iloc[:200]
    score(settings, "sklearn", written(rows, tmp_path / "rows.parquet"), str(tmp_path / "of-dates"))
    in_csv = rows.assign(seen_at=rows["seen_at"].dt.tz_convert("UTC").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    score(settings, "sklearn", written(in_csv, tmp_path / "rows.csv"), str(tmp_path / "of-text"))
    of_dates, of_text = (pd.read_parquet(tmp_path / name)["probability"].to_numpy() for name in ("of-dates", "of-text"))
    assert of_dates.tolist() == of_text.tolist()
    folder = mlflow.artifacts.download_artifacts(run.data.tags["ratchet.model_uri"], dst_path=str(tmp_path))
    records = json.loads(in_csv.astype({"joined_on": "str"}).replace("None", None).to_json(orient="records"))
    with loaded("sklearn", settings, folder) as served:
        texts = dict.fromkeys(("plan", *RAW), False)
        asked = asked_of(json.dumps({"dataframe_records": records}).encode(), "application/json", texts)
        found = served.both.predict(pd.DataFrame(json.loads(asked.body)["dataframe_records"]).astype({"age": float}))
    assert np.abs(found["probability"].to_numpy() - of_dates).max() < 1e-12


def test_a_check_tries_it_too(world):
    settings = world.settings(written(world.frame, world.folder / "checked.parquet"))
    told = [str(finding) for finding in check(settings, None, ["sklearn"]) if finding.level != "ok"]
    assert told == []


def test_without_an_estimator_of_their_own_they_are_refused(world):
    with pytest.raises(
        ValueError, match=r"data\.features is for estimators of your own, and sklearn\.estimator is hist"
    ):
        world.settings("nowhere.parquet", sklearn={})
    settings = world.settings(written(world.frame, world.folder / "refused.parquet"))
    settings = settings.model_copy(update={"sklearn": SklearnSettings()})
    with pytest.raises(ConfigurationError, match=r"data\.features is for estimators of your own"):
        train(settings, "sklearn", "stock", None)
