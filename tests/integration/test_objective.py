"""Another objective than F1, from the threshold to the watch: versions on which F1 and the cost disagree."""

import csv
import io
import json
from datetime import date

import pytest
from mlflow.tracking import MlflowClient

from ratchet.core import exported
from ratchet.core.evaluation.counts import Counts
from ratchet.core.evaluation.f1 import f1_of
from ratchet.core.evaluation.objective_values import best_constant, value_of
from ratchet.core.objective import Objective
from ratchet.errors import ConfigurationError
from ratchet.io.records.model_facts import Models
from ratchet.jobs.promotion.register import register
from ratchet.jobs.show import show
from ratchet.jobs.training.train import train
from ratchet.jobs.watch_step import watch
from tests.integration.candidate_runs import read_artifact
from tests.integration.trainer_fixtures import empty_mlflow, small_settings

AS_OF = date(2013, 4, 1)
WINDOWS = {"train": "1mo", "calibration": "1mo", "test": "1mo"}
COST = Objective(cost=(1.0, 3.0))
MODEL = "flights-sklearn"
NAMES = {"objective", "objective_low", "objective_high", "objective_constant", "objective_calibration"}


class World:
    """An MLflow with a version trained for F1, and one trained for a cost on the same rows."""

    def __init__(self, uri, folder):
        empty_mlflow(folder)
        self.by_f1 = small_settings(uri, folder, windows=WINDOWS)
        self.by_cost = small_settings(uri, folder, windows=WINDOWS, promotion={"objective": COST.form})
        self.client = MlflowClient(self.by_f1.tracking.uri)
        self.first = train(self.by_f1, "sklearn", "first", AS_OF).run_id
        register(self.by_f1, "first")
        self.second = train(self.by_cost, "sklearn", "second", AS_OF).run_id
        self.results = register(self.by_cost, "second")

    def run(self, run_id):
        return self.client.get_run(run_id).data

    def champion(self):
        return self.client.get_model_version_by_alias(MODEL, "champion")

    def counts(self, run_id):
        return Counts.from_csv(read_artifact(self.by_f1, run_id, "counts.csv"), 16_384)


@pytest.fixture(scope="module")
def world(flights_slice, tmp_path_factory):
    return World(flights_slice, tmp_path_factory.mktemp("disagree"))


def test_the_version_that_costs_less_is_promoted_although_its_f1_is_lower(world):
    (result,) = world.results
    metrics = world.run(world.second).metrics
    (row,) = csv.DictReader(io.StringIO(read_artifact(world.by_cost, world.second, "comparison.csv")))
    assert float(row["f1"]) > metrics["f1"], "by F1 it would have been held"
    assert float(row["objective"]) < metrics["objective"]
    assert float(row["difference"]) == pytest.approx(metrics["objective"] - float(row["objective"]))
    assert result.outcome == "promoted"
    cost, other = -metrics["objective"], -float(row["objective"])
    assert result.reason.startswith(
        f"cost {cost:.3f} a row beats version 1 on the same rows ({other:.3f}, difference -"
    )
    assert world.champion().version == 2
    decision = json.loads(read_artifact(world.by_cost, world.second, "decision.json"))
    assert (decision["objective"], decision["objective_value"]) == (COST.form, metrics["objective"])
    assert decision["f1"] == metrics["f1"]


def test_the_threshold_and_the_metrics_follow_the_cost(world):
    first, second = world.run(world.first), world.run(world.second)
    assert second.metrics["threshold"] > first.metrics["threshold"], "where a cost of 1 to 3 says so"
    counts = world.counts(world.second)
    confusion = counts.confusion(second.metrics["threshold"])
    assert second.metrics["objective"] == value_of(COST, confusion)
    assert second.metrics["objective_constant"] == best_constant(COST, counts)
    assert second.metrics["f1"] == f1_of(confusion)
    assert second.metrics["objective_low"] <= second.metrics["objective"] <= second.metrics["objective_high"]
    assert json.loads(second.tags["ratchet.objective"]) == COST.form
    assert world.champion().tags["ratchet.objective_value"] == repr(second.metrics["objective"])
    assert second.params["promotion.objective.cost.false_negative"] == "3.0"


def test_a_run_by_f1_has_nothing_of_an_objective(world):
    data = world.run(world.first)
    assert not [name for name in data.metrics if "objective" in name]
    assert "ratchet.objective" not in data.tags
    assert {name for name in world.run(world.second).metrics if name not in data.metrics} == {
        *NAMES,
        "rolling_objective",
        "rolling_objective_floor",
        "probability_better",
    }
    assert not [tag for tag in world.client.get_model_version(MODEL, "1").tags if "objective" in tag]
    for name in ("comparison.csv", "rolling_metrics.csv", "report.html", "decision.json"):
        text = read_artifact(world.by_f1, world.first, name)
        assert "objective" not in text.replace("promotion.objective", "").replace('"objective": "f1"', ""), name


def test_the_tables_and_the_report_show_the_objective_and_f1(world):
    rolling = list(csv.DictReader(io.StringIO(read_artifact(world.by_cost, world.second, "rolling_metrics.csv"))))
    assert all(float(day["objective"]) <= 0 <= float(day["f1"]) for day in rolling)
    full = [day for day in rolling if day["objective_floor"]]
    assert len(full) == 25
    assert not any(day["f1_floor"] for day in rolling)
    report = read_artifact(world.by_cost, world.second, "report.html")
    assert "cost of the best constant labelling" in report
    assert "it decides" in report


def test_show_tells_the_cost_beside_f1_where_the_settings_name_one(world):
    first, second = show(world.by_cost)
    metrics = world.run(world.second).metrics
    (rival,) = csv.DictReader(io.StringIO(read_artifact(world.by_cost, world.second, "comparison.csv")))
    assert (second.objective, second.objective_value) == ("cost", -metrics["objective"])
    assert second.objective_today == second.objective_value
    assert (first.objective_value, first.objective_today) == (None, -float(rival["objective"]))
    assert {(row.objective, row.objective_value) for row in show(world.by_f1)} == {(None, None)}


def test_a_registrar_with_another_objective_than_the_trainer_refuses_the_run(world):
    train(world.by_f1, "sklearn", "third", AS_OF)
    with pytest.raises(ConfigurationError, match="was measured by f1; train again"):
        register(world.by_cost, "third")


def test_the_watch_and_the_exporter_go_by_what_the_version_was_trained_for(world):
    steps = len(world.client.get_metric_history(world.second, "rolling_objective"))
    verdict = watch(world.by_f1, "sklearn").verdict
    assert (verdict.objective, verdict.verdict in ("low", "fine")) == (COST.form, True)
    assert verdict.value < 0 < verdict.f1
    assert len(world.client.get_metric_history(world.second, "rolling_objective")) == steps + 61
    assert len(world.client.get_metric_history(world.second, "rolling_f1")) == steps + 61
    (facts,) = Models(world.by_f1)()
    own, told = (MODEL,), {(name, labels): value for name, labels, value in exported.of_model(facts)}
    metrics = world.run(world.second).metrics
    assert told["ratchet_champion_objective", own] == metrics["objective"]
    assert told["ratchet_champion_objective_constant", own] == metrics["objective_constant"]
    assert told["ratchet_rolling_objective", own] == verdict.value
    assert told["ratchet_rolling_objective_floor", own] == verdict.floor
    assert ("ratchet_rolling_f1_floor", own) not in told
    assert told["ratchet_rolling_f1", own] == verdict.f1
