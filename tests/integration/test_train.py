"""The scikit-learn trainer on a slice of the flights: what it leaves in MLflow, and what its models do elsewhere."""

import html
import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from sklearn.base import clone
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from ratchet.core.evaluation.counts import Counts, day_number
from ratchet.core.evaluation.estimate import expected, expected_confusion
from ratchet.core.watch_estimate import BLIND_SPOT, ESTIMATED, ESTIMATED_ERROR
from ratchet.core.windows import Period, windows_until
from ratchet.engines.sklearn.engine import ScikitLearn
from ratchet.errors import ConfigurationError
from ratchet.io.table import inspection
from ratchet.jobs.training.train import train
from ratchet.settings.data import Checks
from tests.integration.conftest import free_port, stop_server
from tests.integration.trainer_fixtures import CATEGORICAL, FEATURES, small_settings, window
from tests.unit.event_tables import settings as event_settings

CYCLE = "retrain-one"
METRICS = {"accuracy", "precision", "recall", "f1", "roc_auc", "average_precision", "brier", "log_loss", "threshold"}
ROLLING = {"rolling_accuracy", "rolling_precision", "rolling_recall", "rolling_f1", "rolling_roc_auc"}
ESTIMATES = {"f1_estimated", ESTIMATED_ERROR, *ESTIMATED.values()}
FILES = {
    "confusion_matrix.png", "roc_curve.png", "pr_curve.png", "calibration_curve.png", "threshold_curve.png",
    "rolling_metrics.png", "classification_report.csv", "rolling_metrics.csv", "comparison.csv", "report.html",
    "counts.csv", "feature_counts.csv", "drift.csv", "importance.csv", "importance.png",
}  # fmt: skip


@pytest.fixture(scope="module")
def settings(flights_slice, tmp_path_factory):
    return small_settings(flights_slice, tmp_path_factory.mktemp("train"))


@pytest.fixture(scope="module")
def trained(settings):
    """The run of the default estimator, as MLflow has it."""
    trained = train(settings, "sklearn", CYCLE, None)
    return MlflowClient(settings.tracking.uri).get_run(trained.run_id)


@pytest.fixture(scope="module")
def test_rows(flights_slice):
    return window(flights_slice, "2013-05")


@pytest.fixture
def client(settings):
    return MlflowClient(settings.tracking.uri)


def labels_of(run, features, tag="ratchet.model_uri"):
    return np.asarray(mlflow.pyfunc.load_model(run.data.tags[tag]).predict(features))


def test_all_settings_and_all_parameters_of_the_pipeline_are_params(settings, trained):
    params = trained.data.params
    assert {key: params.get(key) for key in settings.flattened()} == settings.flattened()
    assert params["estimator__max_iter"] == "20"
    assert params["estimator__learning_rate"] == "0.1"
    assert params["preprocess__categorical__max_categories"] == "254"
    assert params["calibration.method"] == "isotonic"


def test_all_metrics_of_the_test_rows_are_logged_and_none_of_the_training_rows(trained):
    logged = set(trained.data.metrics)
    drift = {"drift_max", *(f"drift.{name}" for name in FEATURES)}
    assert (
        METRICS
        | ROLLING
        | ESTIMATES
        | {"f1_low", "f1_high", "f1_all_positive", "f1_calibration", "refit_flips", "rolling_f1_floor"}
        | drift
        == logged
    )
    assert trained.data.metrics["f1_low"] < trained.data.metrics["f1"] < trained.data.metrics["f1_high"]


def test_rolling_metrics_stand_at_the_number_and_the_time_of_their_day(trained, client):
    points = client.get_metric_history(trained.info.run_id, "rolling_f1")
    days = [date(2013, 5, day) for day in range(1, 32)]
    assert [point.step for point in sorted(points, key=lambda point: point.step)] == [day_number(day) for day in days]
    moments = sorted(datetime.fromtimestamp(point.timestamp / 1000, UTC) for point in points)
    assert [moment.date() for moment in moments] == days


def test_all_pictures_tables_and_the_report_are_artifacts_and_nothing_of_autologging_is(trained, client):
    logged = {file.path for file in client.list_artifacts(trained.info.run_id)}
    assert logged >= FILES
    assert not [name for name in logged if name.startswith("training_")]


def test_the_report_shows_the_run_and_loads_nothing(trained, client, tmp_path):
    page = Path(client.download_artifacts(trained.info.run_id, "report.html", tmp_path)).read_text()
    assert trained.info.run_id in page
    assert 'src="http' not in page
    assert page.count("data:image/png;base64,") == 7


def test_importance_is_what_each_feature_costs_the_model_on_the_test_rows(trained, client, test_rows, tmp_path):
    """The window has fewer rows than are drawn, so all of them are; the shuffles differ."""
    found = pd.read_csv(client.download_artifacts(trained.info.run_id, "importance.csv", tmp_path))
    assert sorted(found["feature"]) == sorted(FEATURES)
    assert set(found["model"]) == {"candidate"}
    features, late = test_rows
    measured = trained.data.metrics["f1"]
    random = np.random.default_rng(1)
    for line in found.itertuples():
        shuffled = features.assign(**{line.feature: random.permutation(features[line.feature].to_numpy())})
        predicted = labels_of(trained, shuffled, "ratchet.measured_model_uri")
        assert line.f1_low <= measured - f1_score(late, predicted) <= line.f1_high


def test_without_importance_there_is_neither_table_nor_picture(settings, client, tmp_path):
    evaluation = settings.evaluation.model_copy(update={"importance": False})
    found = train(settings.model_copy(update={"evaluation": evaluation}), "sklearn", "without-importance", None)
    files = {file.path for file in client.list_artifacts(found.run_id)}
    assert files & {"importance.csv", "importance.png"} == set()
    page = Path(client.download_artifacts(found.run_id, "report.html", tmp_path)).read_text()
    assert 'id="why"' not in page


def test_a_failure_of_importance_is_a_sentence_in_the_report_of_a_complete_run(settings, client, tmp_path, monkeypatch):
    def fails(*_args):
        message = "no memory is left"
        raise MemoryError(message)

    monkeypatch.setattr(ScikitLearn, "score_permuted", fails)
    found = train(settings, "sklearn", "importance-fails", None)
    assert client.get_run(found.run_id).data.tags["ratchet.complete"] == "true"
    page = Path(client.download_artifacts(found.run_id, "report.html", tmp_path)).read_text()
    assert "What the model rests on is not known: no memory is left." in page
    assert "importance.csv" not in {file.path for file in client.list_artifacts(found.run_id)}


def test_the_report_gives_what_the_scores_led_to_expect_beside_the_f1_and_what_they_can_not_see(
    trained, client, tmp_path
):
    page = Path(client.download_artifacts(trained.info.run_id, "report.html", tmp_path)).read_text()
    found = re.search(r'<div id="estimate">(.*?)</div>', page, re.DOTALL)[1]
    metrics = trained.data.metrics
    assert f"an F1 of <strong>{metrics['f1_estimated']:.4f}</strong>; it came to {metrics['f1']:.4f}." in found
    assert (
        f"it was off by {metrics[ESTIMATED_ERROR]:.3f} on average (estimated minus measured, mean of 2013-05: " in found
    )
    assert BLIND_SPOT in html.unescape(found)
    text = Path(client.download_artifacts(trained.info.run_id, "counts.csv", tmp_path)).read_text()
    counts = Counts.from_csv(text, 16_384)
    whole = expected(expected_confusion(counts, metrics["threshold"]))
    assert metrics["f1_estimated"] == pytest.approx(whole.f1, abs=1e-12)


def test_both_windows_are_inputs_with_source_schema_and_digest(trained, flights_slice):
    inputs = {entry.tags[0].value: entry.dataset for entry in trained.inputs.dataset_inputs}
    assert set(inputs) == {"training", "test"}
    assert inputs["training"].digest != inputs["test"].digest
    for dataset in inputs.values():
        assert flights_slice in dataset.source
        columns = {column["name"] for column in json.loads(dataset.schema)["mlflow_colspec"]}
        assert columns >= set(FEATURES)


def test_the_tags_name_cycle_engine_and_window_and_the_run_is_finished(trained):
    expected = {
        "ratchet.cycle": CYCLE,
        "ratchet.engine": "sklearn",
        "ratchet.as_of": "2013-06-01",
        "ratchet.test_from": "2013-05-01",
        "ratchet.test_until": "2013-06-01",
        "ratchet.verified": "true",
        "ratchet.complete": "true",
    }
    assert {key: trained.data.tags.get(key) for key in expected} == expected
    assert trained.info.status == "FINISHED"


def test_the_logged_model_has_signature_example_and_pinned_requirements(trained):
    info = mlflow.models.get_model_info(trained.data.tags["ratchet.model_uri"])
    assert set(info.signature.inputs.input_names()) == set(FEATURES)
    assert info.saved_input_example_info is not None
    folder = mlflow.artifacts.download_artifacts(trained.data.tags["ratchet.model_uri"])
    lines = (Path(folder) / "requirements.txt").read_text().split()
    assert any(line.startswith("scikit-learn==") for line in lines)
    assert all("==" in line for line in lines)


def test_the_same_data_and_settings_give_the_same_model(settings, trained, client, test_rows):
    again = client.get_run(train(settings, "sklearn", "retrain-two", None).run_id)
    assert again.info.run_id != trained.info.run_id
    for name in METRICS:
        assert again.data.metrics[name] == trained.data.metrics[name], name
    features, _ = test_rows
    assert (labels_of(again, features) == labels_of(trained, features)).all()
    digests = [{entry.dataset.digest for entry in run.inputs.dataset_inputs} for run in (trained, again)]
    assert digests[0] == digests[1]


def test_the_model_that_serves_has_learnt_from_the_rows_of_all_windows(settings, trained, flights_slice, test_rows):
    tags = trained.data.tags
    assert tags["ratchet.serves"] == "refitted"
    assert tags["ratchet.refit"] == "what serves is refitted on all rows before 2013-06-01"
    mlflow.set_tracking_uri(settings.tracking.uri)
    measured, refitted = (
        mlflow.sklearn.load_model(tags[tag]) for tag in ("ratchet.measured_model_uri", "ratchet.model_uri")
    )
    assert measured.threshold == refitted.threshold == trained.data.metrics["threshold"]
    months = [window(flights_slice, f"2013-{month:02}") for month in range(1, 6)]
    features, late = (pd.concat(parts, ignore_index=True) for parts in zip(*months, strict=True))
    expected = clone(refitted.estimator.estimator.estimator.estimator).fit(
        features.astype(dict.fromkeys(CATEGORICAL, "category")), late.astype(int)
    )
    inner = refitted.estimator.estimator.estimator.estimator
    scores = expected.predict_proba(features)[:, 1]
    assert np.abs(scores - inner.predict_proba(features)[:, 1]).mean() < 0.01
    assert np.abs(scores - measured.estimator.estimator.estimator.estimator.predict_proba(features)[:, 1]).mean() > 0.01
    different = labels_of(trained, test_rows[0]) != labels_of(trained, test_rows[0], "ratchet.measured_model_uri")
    assert different.mean() == pytest.approx(trained.data.metrics["refit_flips"])


@pytest.mark.parametrize(
    ("section", "serves", "why"),
    [
        ({"windows": {"refit": False}}, "measured", None),
        ({"promotion": {"refit_flips": 0.0}}, "measured", "the measured model serves: refitted, it labels "),
    ],
)
def test_the_measured_model_serves_where_no_other_is_wanted_or_it_differs_too_much(
    settings, client, section, serves, why
):
    ((name, change),) = section.items()
    chosen = settings.model_copy(update={name: getattr(settings, name).model_copy(update=change)})
    tags = client.get_run(train(chosen, "sklearn", f"retrain-{name}", None).run_id).data.tags
    assert tags["ratchet.serves"] == serves
    assert tags["ratchet.model_uri"] == tags["ratchet.measured_model_uri"]
    assert tags.get("ratchet.refit", "").startswith(why or "")
    assert ("ratchet.refit" in tags) == (why is not None)


def test_few_positives_are_calibrated_with_a_sigmoid_and_the_run_and_its_report_say_so(settings, client, tmp_path):
    windows = settings.windows.model_copy(update={"calibration": "3d"})
    chosen = settings.model_copy(update={"windows": windows})
    run = client.get_run(train(chosen, "sklearn", "retrain-few", None).run_id)
    assert run.data.params["calibration.method"] == "sigmoid"
    model = mlflow.sklearn.load_model(run.data.tags["ratchet.model_uri"])
    (calibrated,) = model.estimator_.calibrated_classifiers_
    assert calibrated.method == "sigmoid"
    page = Path(client.download_artifacts(run.info.run_id, "report.html", tmp_path)).read_text()
    (positives,) = re.findall(r"calibration window 2013-04-28 to 2013-04-30 of \S+ has (\d+) positive rows", page)
    assert 0 < int(positives) < 200
    assert re.search(r"calibration\.method\W.*?\Wsigmoid\W", page, re.DOTALL)


def test_the_same_rows_in_other_files_and_another_order_give_the_same_model(tmp_path):
    """More than 200,000 rows, of which boosting finds its bins in a sample by position."""
    random = np.random.default_rng(0)
    rows = 230_000
    speed, weight = random.normal(size=rows).round(3), random.normal(size=rows).round(3)
    late = speed * weight + random.normal(size=rows) > 1
    day = np.datetime64("2023-09-01") + np.sort(random.integers(0, 122, rows))
    frame = pd.DataFrame({"at": day, "speed": speed, "weight": weight, "late": late})
    frame.to_parquet(tmp_path / "one.parquet", index=False)
    (tmp_path / "many").mkdir()
    for part, place in enumerate(np.array_split(random.permutation(rows), 5)):
        frame.iloc[place].to_parquet(tmp_path / "many" / f"{part}.parquet", index=False)
    (scores, drawn), (again, drawn_again) = (scores_of(uri) for uri in (tmp_path / "one.parquet", tmp_path / "many"))
    assert len(np.unique(scores)) > 10
    assert np.array_equal(scores, again)
    assert (len(drawn.day), len(drawn.columns.drop_duplicates())) == (500, 500)
    pd.testing.assert_frame_equal(drawn.columns, drawn_again.columns)
    assert np.array_equal([drawn.day, drawn.label], [drawn_again.day, drawn_again.label])


def scores_of(uri):
    """The scores that a model trained on a table gives some rows, and rows drawn from its test window."""
    settings = small_settings(str(uri), uri.parent)
    sklearn = settings.sklearn.model_copy(update={"params": {"max_iter": 5}})
    chosen = settings.model_copy(update={"data": event_settings(uri), "sklearn": sklearn})
    table = inspection.inspect(chosen.data)
    engine = ScikitLearn(chosen)
    engine.read(table, windows_until(table.end, Period.parse("5d"), Period.parse("5d"), None), ())
    engine.fit()
    engine.calibrate()
    grid = np.linspace(-3, 3, 40)
    some = pd.DataFrame({"speed": np.repeat(grid, 40), "weight": np.tile(grid, 40)})
    return engine._calibrated.predict_proba(some[list(table.features)])[:, 1], engine.draw(500)


def test_a_cycle_that_has_its_run_is_not_trained_again(settings, trained, client):
    before = len(client.search_runs([trained.info.experiment_id]))
    found = train(settings, "sklearn", CYCLE, None)
    assert (found.run_id, found.already) == (trained.info.run_id, True)
    assert found.f1 == trained.data.metrics["f1"]
    assert len(client.search_runs([trained.info.experiment_id])) == before


def test_another_as_of_moves_all_windows(settings, client):
    run = client.get_run(train(settings, "sklearn", "retrain-april", date(2013, 5, 1)).run_id)
    assert run.data.tags["ratchet.test_from"] == "2013-04-01"
    points = client.get_metric_history(run.info.run_id, "rolling_f1")
    assert max(point.step for point in points) == day_number(date(2013, 4, 30))


@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        ("lightgbm", {"max_bin": 63}),
        ("logistic_regression", {"max_iter": 1000}),
        ("random_forest", {"n_estimators": 10, "n_jobs": 1}),
        ("xgboost", {"max_bin": 63}),
    ],
)
def test_every_estimator_trains_and_its_model_takes_what_it_never_saw(settings, client, test_rows, estimator, params):
    chosen = settings.model_copy(
        update={"sklearn": settings.sklearn.model_copy(update={"estimator": estimator, "params": params})}
    )
    cycle = f"retrain-{estimator.replace('_', '-')}"
    run = client.get_run(train(chosen, "sklearn", cycle, None).run_id)
    assert run.data.tags["ratchet.complete"] == "true"
    assert run.data.metrics["roc_auc"] > 0.55
    assert set(labels_of(run, strange(test_rows[0]))) <= {0, 1}


def strange(features):
    """Rows with a category that nobody saw, with every value missing, and with one more column."""
    rows = features.head(6).copy()
    rows.loc[rows.index[:2], "carrier"] = "??"
    rows.iloc[2:4] = None
    return rows.assign(one_more="x", another=1.5)


def test_an_unseen_category_a_missing_value_and_one_more_column_do_not_break_the_model(trained, test_rows):
    found = labels_of(trained, strange(test_rows[0]))
    assert set(found) <= {0, 1}
    assert found[4:].tolist() == labels_of(trained, test_rows[0].head(6))[4:].tolist()


@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        ("hist_gradient_boosting", {"max_iter": 5}),
        ("logistic_regression", {"max_iter": 1000}),
        ("random_forest", {"n_estimators": 5}),
    ],
)
def test_a_column_without_any_value_does_not_keep_a_model_from_being_trained(
    flights_slice, settings, client, tmp_path, estimator, params
):
    for month in ("2013-03", "2013-04", "2013-05"):
        frame = pd.read_parquet(Path(flights_slice) / f"year_month={month}" / "part-0.parquet")
        known = month == "2013-05"
        frame["temperature"] = frame["temperature"] if known else np.nan
        frame["plane_manufacturer"] = pd.array(["x" if known else None] * len(frame), dtype="string")
        (tmp_path / f"year_month={month}").mkdir()
        frame.to_parquet(tmp_path / f"year_month={month}" / "part-0.parquet", index=False)
    chosen = settings.model_copy(
        update={
            # The gate would refuse texts that training has never seen.
            "data": settings.data.model_copy(update={"uri": str(tmp_path), "checks": Checks(unseen="warn")}),
            "sklearn": settings.sklearn.model_copy(update={"estimator": estimator, "params": params}),
        }
    )
    trained = train(chosen, "sklearn", f"retrain-gap-{estimator.replace('_', '-')}", None)
    assert client.get_run(trained.run_id).data.tags["ratchet.complete"] == "true"


def test_a_parameter_that_the_estimator_does_not_have_fails_the_run(settings, client):
    chosen = settings.model_copy(update={"sklearn": settings.sklearn.model_copy(update={"params": {"bogus": 1}})})
    with pytest.raises(ConfigurationError, match=r"sklearn\.params\.bogus is no parameter of hist_gradient_boosting"):
        train(chosen, "sklearn", "retrain-bogus", None)
    (run,) = client.search_runs(
        [client.get_experiment_by_name("flights").experiment_id], "tags.`ratchet.cycle` = 'retrain-bogus'"
    )
    assert run.info.status == "FAILED"
    assert "ratchet.complete" not in run.data.tags


_FRESH = """
import sys, mlflow, numpy, pandas
mlflow.set_tracking_uri(sys.argv[1])
features = pandas.read_parquet(sys.argv[3])
numpy.save(sys.argv[4], numpy.asarray(mlflow.pyfunc.load_model(sys.argv[2]).predict(features)))
assert not [name for name in sys.modules if name.startswith("ratchet")]
"""


def test_a_model_that_a_fresh_process_loads_labels_each_test_row_as_the_trainer_did(
    settings, trained, test_rows, tmp_path
):
    features, late = test_rows
    features.to_parquet(tmp_path / "rows.parquet")
    uri, model_uri = settings.tracking.uri, trained.data.tags["ratchet.measured_model_uri"]
    command = [sys.executable, "-c", _FRESH, uri, model_uri, tmp_path / "rows.parquet", tmp_path / "labels.npy"]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=120)
    labels = np.load(tmp_path / "labels.npy")
    measures = {"f1": f1_score, "precision": precision_score, "recall": recall_score, "accuracy": accuracy_score}
    for name, measure in measures.items():
        assert trained.data.metrics[name] == pytest.approx(measure(late, labels), abs=1e-12), name


def test_a_served_model_labels_rows_as_the_trainer_did_with_nulls_too(settings, trained, test_rows, tmp_path):
    features = test_rows[0].head(300)
    assert features.isna().to_numpy().any()
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", trained.data.tags["ratchet.model_uri"]]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    # MLflow starts its server by name.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": settings.tracking.uri}
    with (tmp_path / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        body = json.dumps({"dataframe_split": json.loads(features.to_json(orient="split", index=False))})
        assert "null" in body
        served = json.loads(_answer(process, f"http://127.0.0.1:{port}", body, tmp_path / "serve.log"))
    finally:
        stop_server(process)
    assert served["predictions"] == labels_of(trained, features).tolist()


def _answer(process, address, body, log):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{address}/ping", timeout=5):  # noqa: S310  # an address of ours
                break
        except (URLError, OSError):
            time.sleep(0.3)
    else:
        pytest.fail(f"the model is not served:\n{log.read_text()[-3000:]}")
    request = Request(f"{address}/invocations", body.encode(), {"Content-Type": "application/json"})  # noqa: S310
    with urlopen(request, timeout=60) as answer:  # noqa: S310
        return answer.read()
