"""The Spark engine on real files, with a real JVM: its rows, days and refusals beside scikit-learn's, its model."""

import gzip
import json
import os
import subprocess
import sys
from dataclasses import astuple
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.ml import PipelineModel
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from ratchet.core.evaluation.counts import Counts, day_number
from ratchet.core.evaluation.day_sums import MEASURES
from ratchet.core.evaluation.importance import importances, permutation
from ratchet.core.evaluation.metrics import metrics
from ratchet.core.evaluation.objective_values import best_constant, value_of
from ratchet.core.evaluation.score_grid import rounded
from ratchet.core.evaluation.threshold import choose
from ratchet.core.gate.own_bounds import OwnBounds, judge_own
from ratchet.core.gate.rules import judge
from ratchet.core.gate.weeks import Weeks
from ratchet.core.model_inputs import ModelInputs
from ratchet.core.objective import Objective
from ratchet.core.slices import ALL_ROWS, Slice
from ratchet.core.windows import Period, Window, Windows, windows_until
from ratchet.engines.sklearn import slicing
from ratchet.engines.sklearn.engine import ScikitLearn
from ratchet.engines.sklearn.features import copies, counted, hashes
from ratchet.engines.spark import features, own, reading, score_grid, window_facts
from ratchet.engines.spark.java import java_home
from ratchet.engines.spark.pipeline import threshold_of
from ratchet.errors import ConfigurationError, DataError, FailedError, TemporaryError
from ratchet.io.table import checks, inspection
from ratchet.io.table.labels.known import counted as counted_labels
from ratchet.io.table.labels.known import known_until
from ratchet.io.table.reader import WINDOW
from ratchet.settings import Label, Retrain
from ratchet.settings.search import Search
from ratchet.settings.training import SklearnSettings, SparkSettings
from tests.integration.trainer_fixtures import CATEGORICAL, FEATURES, NUMERIC, small_settings
from tests.unit.event_tables import DECEMBER, FIRST, NOVEMBER, ROWS, columns, csv, parquet, settings, unpacked
from tests.unit.strategies import awkward_scores, points

pytestmark = [
    # py4j leaves its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SLICES = (Slice("carrier"), Slice("hour"), Slice("distance", (500, 1000)), Slice("plane_manufacturer"))
PERIODS = [Period.parse("1mo")] * 2
EVENTS = Windows(
    Window("training", None, date(2023, 11, 21)),
    Window("calibration", date(2023, 11, 21), date(2023, 12, 1)),
    Window("test", date(2023, 12, 1), date(2024, 1, 1)),
)


EXAMPLE = Path(__file__).parents[2] / "examples" / "own-model"
# Of the flights, whose last month is the test window.
NONE = Window("unlabelled", date(2013, 6, 1), date(2013, 6, 1))
HALVES = (
    Window("newest", date(2013, 5, 1), date(2013, 5, 20)),
    Window("unlabelled", date(2013, 5, 20), date(2013, 6, 1)),
)


@pytest.fixture(scope="module")
def session(spark_session):
    return spark_session


@pytest.fixture(scope="module")
def engine(spark_engine, session):
    """Each test here may read another table with it."""
    return spark_engine


@pytest.fixture(scope="module")
def flight_settings(engine):
    return engine._settings


@pytest.fixture(scope="module")
def trained(engine, flight_settings, tmp_path_factory):
    """What a run on the flights leaves: summaries, counts of calibration and test, threshold, and the logged model."""
    table = inspection.inspect(flight_settings.data)
    windows = windows_until(table.end, *PERIODS, None)
    mlflow.set_tracking_uri(flight_settings.tracking.uri)
    artifacts = tmp_path_factory.mktemp("artifacts").as_uri()
    experiment = mlflow.create_experiment("spark", artifact_location=artifacts)
    with mlflow.start_run(experiment_id=experiment):
        summaries = engine.read(table, windows, ())
        parameters = engine.fit()
        calibration = engine.calibrate()
        threshold = choose(calibration).value
        engine.set_threshold(threshold)
        counts = engine.count_test()
        uri = engine.log_model()
        wrong = engine.mislabelled(uri)
        confusion = engine.confusion_of(uri)
        sliced, again = engine.count_slices(SLICES), engine.count_slices(SLICES, uri)
        features = engine.count_features()
        measured = engine.measure(uri, table, windows.test, NONE, 16_384, features[0])
        young = engine.measure(uri, _without_labels(table, tmp_path_factory), *HALVES, 16_384, features[0])
        last = {distance: _with_last_distance(table, tmp_path_factory, distance) for distance in (None, float("inf"))}
        last = [engine.measure(uri, each, *HALVES, 16_384, features[0]) for each in last.values()]
        flips = engine.refit()
        refitted_uri = engine.log_model("refitted")
        refitted_wrong = engine.mislabelled(refitted_uri, "refitted")
        refitted = engine.confusion_of(refitted_uri)
        drawn = engine.draw(300)
        shuffled = drawn.columns.iloc[permutation(300, 0)].reset_index(drop=True)
        permuted = [engine.score_permuted(drawn.columns, shuffled, version) for version in (None, uri)]
    return {
        "experiment": experiment,
        "table": table,
        "windows": windows,
        "summaries": summaries,
        "parameters": parameters,
        "calibration": calibration,
        "threshold": threshold,
        "counts": counts,
        "uri": uri,
        "wrong": wrong,
        "confusion": confusion,
        "sliced": (sliced, again),
        "features": features,
        "measured": measured,
        "young": young,
        "last_distance": last,
        "flips": flips,
        "refitted_wrong": refitted_wrong,
        "refitted": refitted,
        "drawn": drawn,
        "shuffled": shuffled,
        "permuted": permuted,
    }


def _with_last_distance(table, tmp_path_factory, distance):
    """The same table with half a month without labels, and this distance in the last row."""
    made = _without_labels(table, tmp_path_factory)
    file = max(Path(made.settings.uri).glob("*.parquet"))
    frame = pd.read_parquet(file).astype({"distance": "float64"})
    frame.loc[frame["scheduled_departure"].idxmax(), "distance"] = distance
    frame.to_parquet(file, index=False)
    return inspection.inspect(made.settings)


def _without_labels(table, tmp_path_factory):
    """The same table, without the labels of the second half of its last month."""
    folder = tmp_path_factory.mktemp("without-labels")
    for file in sorted(Path(table.settings.uri).glob("*/*.parquet")):
        frame = pd.read_parquet(file).astype({"late": "boolean"})
        frame.loc[frame["scheduled_departure"] >= "2013-05-20", "late"] = pd.NA
        frame.to_parquet(folder / f"{file.parent.name}.parquet", index=False)
    return inspection.inspect(table.settings.model_copy(update={"uri": str(folder)}))


def test_the_summaries_are_those_of_the_rows_that_scikit_learn_reads(trained):
    for window, summary in zip(trained["windows"], trained["summaries"], strict=True):
        facts = inspection.load(trained["table"], window, trained["table"].features).facts
        assert (summary.rows, summary.positives) == (facts.rows, facts.positives)
        assert summary.missing == {column.name: column.missing for column in facts.columns if column.missing}
        assert sum(month.rows for month in summary.months) == facts.rows
        assert sum(month.positives for month in summary.months) == facts.positives


def test_every_row_is_counted_once_at_a_point_of_the_grid(trained):
    _, calibration, test = trained["summaries"]
    assert trained["calibration"].total == calibration.rows
    assert trained["counts"].total == test.rows
    assert trained["counts"].positives == test.positives
    assert set(trained["counts"].score) <= set(points(16_384))


@pytest.mark.parametrize("levels", [64, 16_384, 1_048_576])
def test_both_engines_round_scores_to_the_same_points(session, levels):
    scores = awkward_scores(levels)
    frame = session.createDataFrame(pd.DataFrame({"score": scores}))
    found = frame.select("score", score_grid.rounded(frame["score"], levels).alias("point")).toPandas()
    assert np.array_equal(found["score"], scores)
    assert np.array_equal(found["point"], rounded(scores, levels))


def test_the_model_that_was_logged_labels_as_the_trainer_counted(trained):
    expected = trained["counts"].confusion(trained["threshold"])
    for name in ("day", "true_positive", "false_positive", "false_negative", "true_negative"):
        assert np.array_equal(getattr(trained["confusion"], name), getattr(expected, name)), name
    assert trained["wrong"] == 0


def test_the_threshold_follows_the_objective(trained):
    """All that the engine has to do with it: its counts, from which threshold and metrics are made for both engines."""
    f2, counts = Objective(beta=2.0), trained["counts"]
    chosen = choose(trained["calibration"], f2)
    assert chosen.value < trained["threshold"]
    assert chosen.achieved > chosen.f1
    by_f1, by_f2 = (metrics(counts, value) for value in (trained["threshold"], chosen.value))
    assert by_f2["recall"] > 0.8 > by_f1["recall"], "recall counts twice as much"
    assert value_of(f2, counts.confusion(chosen.value)) > best_constant(f2, counts) - 0.05


def test_the_refitted_model_has_learnt_from_all_rows_and_keeps_calibrator_and_threshold(trained, engine):
    assert trained["refitted_wrong"] == 0
    assert 0 < trained["flips"] < 0.4
    flipped = abs(trained["refitted"].true_positive.sum() - trained["confusion"].true_positive.sum())
    assert flipped <= trained["flips"] * trained["counts"].total
    measured, refitted = (engine._stages[role] for role in ("measured", "refitted"))
    assert [stage.uid for stage in measured[-2:]] == [stage.uid for stage in refitted[-2:]]
    estimators = [stages[engine._fitted_stages - 1] for stages in (measured, refitted)]
    assert estimators[0].coefficients != estimators[1].coefficients
    rows = sum(summary.rows for summary in trained["summaries"])
    texts = window_facts.texts(engine._rows, trained["table"], 1000, range(3), 2)
    assert sum(text.rows for text in texts["carrier"]) == rows


def test_both_engines_slice_the_test_rows_alike(trained):
    rows = inspection.load(trained["table"], trained["windows"].test, trained["table"].features).frame
    groupings = slicing.groupings(rows, SLICES)
    own = slicing.sums(rows, groupings, np.zeros(len(rows)), np.zeros(len(rows), dtype=bool))
    sliced, _ = trained["sliced"]
    assert sliced.groupings == groupings
    assert list(sliced.sums) == list(own)
    for group, sums in own.items():
        assert np.array_equal(sliced.sums[group].confusion.day, sums.confusion.day)
        assert (sliced.sums[group].confusion.rows, sliced.sums[group].positives) == (
            sums.confusion.rows,
            sums.positives,
        )


def test_the_sums_of_all_rows_and_of_each_slice_are_those_of_the_counts(trained):
    sliced, again = trained["sliced"]
    counts, threshold = trained["counts"], trained["threshold"]
    all_rows, expected = sliced.sums[ALL_ROWS], counts.confusion(threshold)
    for name in ("true_positive", "false_positive", "false_negative", "true_negative"):
        assert np.array_equal(getattr(all_rows.confusion, name), getattr(expected, name)), name
    measured = metrics(counts, threshold)
    assert {name: measure(all_rows).value for name, measure in MEASURES.items()} == pytest.approx(
        {name: measured[name] for name in MEASURES}, abs=1e-9
    )
    for place in range(len(SLICES)):
        parts = [sums for group, sums in sliced.sums.items() if group[0] == place]
        assert sum(part.confusion.rows for part in parts) == counts.total
        assert sum(part.squared_error.sum() for part in parts) == pytest.approx(all_rows.squared_error.sum())
    for group, sums in sliced.sums.items():
        assert np.array_equal(again.sums[group].confusion.true_positive, sums.confusion.true_positive)
        assert again.sums[group].log_loss == pytest.approx(sums.log_loss)


def test_drawn_rows_are_test_rows_and_each_copy_is_scored_with_one_feature_permuted(trained):
    drawn, (own, logged) = trained["drawn"], trained["permuted"]
    _, _, window = trained["windows"]
    rows = inspection.load(trained["table"], window, trained["table"].features).frame
    assert len(drawn.day) == 300
    assert set(drawn.day) <= set(rows[inspection.DAY])
    assert drawn.label.mean() == pytest.approx(rows[inspection.LABEL].mean(), abs=0.1)
    assert own.features == tuple(FEATURES)
    assert np.array_equal(own.scores, logged.scores)
    assert np.array_equal(own.labels, own.scores >= trained["threshold"])
    model = mlflow.pyfunc.load_model(trained["uri"])
    for name in ("hour", "carrier"):
        copy = drawn.columns.assign(**{name: trained["shuffled"][name]})
        assert model.predict(copy) == own.labels[1 + FEATURES.index(name)].astype(float).tolist()
    assert not np.array_equal(own.scores[0], own.scores[1])


def test_a_watch_scores_as_the_trainer_did_and_takes_the_threshold_from_the_model(trained):
    assert trained["measured"].counts.to_csv() == trained["counts"].to_csv()
    assert trained["measured"].threshold == trained["threshold"]
    assert as_sets(trained["measured"].features) == as_sets(trained["features"][1])
    assert trained["measured"].unlabelled.total == 0


def test_a_watch_scores_rows_without_labels_and_measures_only_those_before(trained):
    first, middle, last = (day_number(day) for day in (date(2013, 5, 1), date(2013, 5, 20), date(2013, 5, 31)))
    assert trained["young"].counts.to_csv() == trained["counts"].between(first, middle - 1).to_csv()
    later = trained["counts"].between(middle, last)
    unlabelled = Counts.from_table(later.day, later.score, np.zeros(len(later.day)), later.rows, 16_384)
    assert trained["young"].unlabelled.to_csv() == unlabelled.to_csv()
    assert sum(trained["young"].features[0].by_value.values()) < sum(trained["features"][1][0].by_value.values())


def test_a_watch_tells_of_an_infinite_number_on_a_day_without_labels_and_counts_it_as_missing(trained):
    missing, infinite = trained["last_distance"]
    assert infinite.unlabelled.to_csv() == missing.unlabelled.to_csv()
    assert infinite.unlabelled.total == trained["young"].unlabelled.total
    (warning,) = infinite.warnings
    assert "'distance'" in warning
    assert "is infinite in 1 row of the unlabelled window" in warning
    assert list(missing.warnings) == []


def test_a_model_without_the_trainers_last_stage_has_no_threshold(trained, engine):
    without = PipelineModel(engine._stages["measured"][:-1])
    with pytest.raises(FailedError, match="it has no threshold"):
        threshold_of(without, "models:/m/1")


def test_a_version_with_another_threshold_labels_by_its_own(trained, engine):
    binarizer = engine._stages["measured"].pop()
    try:
        engine.set_threshold(0.0)
        with mlflow.start_run(experiment_id=trained["experiment"]):
            confusion = engine.confusion_of(engine.log_model())
    finally:
        engine._stages["measured"][-1] = binarizer
    assert confusion.true_positive.sum() + confusion.false_positive.sum() == trained["counts"].total


def test_all_parameters_of_pipeline_and_estimator_are_told(trained):
    parameters = trained["parameters"]
    assert parameters["LogisticRegression.maxIter"] == "10", "of the settings"
    assert parameters["LogisticRegression.regParam"] == "0.0001", "by default"
    assert "plane_age" in parameters["SQLTransformer.statement"]
    assert "EWR" in parameters["StringIndexerModel.labels"]


def test_the_same_data_and_seed_give_the_same_model(trained, engine):
    stages = {**engine._stages}
    try:
        engine.read(trained["table"], trained["windows"], ())
        engine.fit()
        again = engine.calibrate()
    finally:
        engine._stages = stages
    for name in ("day", "score", "label", "rows"):
        assert np.array_equal(getattr(again, name), getattr(trained["calibration"], name)), name


def test_the_model_serves_gaps_unseen_categories_and_more_columns_in_a_fresh_process(trained, tmp_path):
    rows = pd.DataFrame({name: [700.0, 900.0, 1200.0] for name in NUMERIC} | {name: ["UA"] * 3 for name in CATEGORICAL})
    rows.loc[1, ["temperature", "plane_age"]] = np.nan
    rows.loc[1, "carrier"] = "unseen"
    rows.loc[2, list(CATEGORICAL)] = None
    rows.loc[0, "plane_manufacturer"] = None
    rows["prediction"] = rows["late"] = 7.0
    rows.to_json(tmp_path / "rows.json", orient="split")
    # Without Ratchet, and with the Java runtime from PyPI.
    program = (
        "import sys, json, mlflow, pandas as pd\n"
        "assert not any(name.startswith('ratchet') for name in sys.modules)\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "rows = pd.read_json(sys.argv[2], orient='split', dtype=False)\n"
        "print(json.dumps([list(model.predict(rows)), list(model.predict(rows[::-1]))]))\n"
    )
    java = java_home(tmp_path, {"PATH": "/nowhere"})
    done = subprocess.run(
        [sys.executable, "-c", program, trained["uri"], tmp_path / "rows.json"],
        env={
            **os.environ,
            "JAVA_HOME": str(java),
            "PYSPARK_PYTHON": sys.executable,
            "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(),
            "SPARK_LOCAL_IP": "127.0.0.1",
            # Neither the second compiler nor collecting in parallel is worth its start for six rows.
            "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    forwards, backwards = json.loads(done.stdout.splitlines()[-1])
    assert set(forwards) <= {0.0, 1.0}
    assert forwards == backwards[::-1]


def test_a_version_that_lacks_a_column_or_its_files_says_so(trained, engine, tmp_path):
    versions_rows = engine._versions_rows
    engine._versions_rows = versions_rows.drop("hour")
    engine._kept_version.cache_clear()
    try:
        with pytest.raises(DataError, match="the column 'hour' that it needs is not in the data"):
            engine.confusion_of(trained["uri"])
        with pytest.raises(DataError, match="the column 'hour' that it needs is not in the data"):
            engine.score_permuted(trained["drawn"].columns, trained["shuffled"], trained["uri"])
    finally:
        engine._versions_rows = versions_rows
    with pytest.raises(FailedError, match="it can't be loaded: "):
        engine.confusion_of(str(tmp_path / "gone"))


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"maxIterations": 5}, "spark.params.maxIterations is no parameter of logistic_regression; accepted are "),
        ({"labelCol": "x"}, "spark.params.labelCol is no parameter of logistic_regression"),
        ({"maxIter": "many"}, "spark.params.maxIter is 'many', which logistic_regression does not take"),
        ({"elasticNetParam": 7.0}, "spark.params has a value that Spark refuses: .*elasticNetParam"),
    ],
)
def test_a_parameter_that_the_estimator_does_not_take_is_refused(engine, trained, flight_settings, params, sentence):
    settings, stages, recipe = engine._settings, {**engine._stages}, engine._recipe
    spark = flight_settings.spark.model_copy(update={"params": params})
    engine._settings = flight_settings.model_copy(update={"spark": spark})
    try:
        with pytest.raises(ConfigurationError, match=sentence):
            read_and_fit(engine, trained)
    finally:
        engine._settings, engine._stages, engine._recipe = settings, stages, recipe


def read_and_fit(engine, trained):
    engine.read(trained["table"], trained["windows"], ())
    engine.fit()


AT = [FIRST + timedelta(hours=6 * row, minutes=29) for row in range(ROWS)]
INSTANTS = pa.array([at.replace(tzinfo=UTC) for at in AT], pa.timestamp("us", "UTC"))
EPOCHS = [int(at.replace(tzinfo=UTC).timestamp()) for at in AT]
OFFSETS = ("Z", "+05:30", "-0800", "+01", "")
TEXTS = [at.strftime("%Y-%m-%dT%H:%M:%S") + OFFSETS[row % 5] for row, at in enumerate(AT)]
TEXTS[:3] = ["2023-11-01", "2023-11-01 07:00", "2023-11-01T05:00:59,123Z"]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize(
    ("at", "unit"),
    [
        pytest.param(pa.array(AT, pa.timestamp("us")), None, id="local"),
        pytest.param(pa.array(AT, pa.timestamp("ns")), None, id="local nanoseconds"),
        pytest.param(pa.array(AT, pa.timestamp("ms")), None, id="local milliseconds"),
        pytest.param(INSTANTS, None, id="instants"),
        pytest.param(INSTANTS.cast(pa.timestamp("ns", "UTC")), None, id="instants in nanoseconds"),
        pytest.param(pa.array([at.date() for at in AT]), None, id="dates"),
        pytest.param(pa.array(EPOCHS), "s", id="seconds"),
        pytest.param(pa.array([epoch * 1000 for epoch in EPOCHS]), "ms", id="milliseconds"),
        pytest.param(pa.array([epoch + 0.5 for epoch in EPOCHS]), "s", id="fractional seconds"),
        pytest.param(pa.array(TEXTS), None, id="text"),
    ],
)
def test_both_engines_put_every_row_on_the_same_day(session, tmp_path, at, unit, zone):
    described = settings(parquet(tmp_path / "events.parquet", columns(at=at)), timestamp_unit=unit, timezone=zone)
    table = inspection.inspect(described)
    expected = [inspection.load(table, window, ()).frame for window in (NOVEMBER, DECEMBER)]
    days = [(place, day, late) for place, frame in enumerate(expected) for late, day in frame.to_numpy().tolist()]
    rows = reading.frame(session, table, [NOVEMBER, DECEMBER])
    found = rows.where(f"{WINDOW} >= 0").select(WINDOW, inspection.DAY, inspection.LABEL).collect()
    assert sorted(map(tuple, found)) == sorted(days)


def assert_same_rows(session, table):
    for window in (NOVEMBER, DECEMBER):
        expected = inspection.load(table, window, table.features)
        # In the cache, as the engine has them: without it, Spark works out their days anew wherever they are asked for.
        cached = reading.frame(session, table, [window]).persist()
        rows = cached.where(f"{WINDOW} >= 0")
        groups = window_facts.groups(rows, table)
        found = rows.toPandas()
        found[inspection.LABEL] = found[inspection.LABEL] == 1.0
        names = [*table.features, inspection.LABEL, inspection.DAY]
        assert plain(found[names]) == plain(expected.frame[names])
        (numeric,) = features.numbers(rows, table.numeric, (0,))
        facts = window_facts.facts(groups, numeric, 0, window, table)
        texts = window_facts.texts(rows, table, 1000, [0], 0)
        assert window_facts.with_distinct(facts, texts) == expected.facts
        cached.unpersist()


def plain(frame):
    """Rows as sorted tuples, in which nothing is missing in two ways."""
    columns = [[None if pd.isna(value) else value for value in frame[name]] for name in frame]
    return sorted(zip(*columns, strict=True), key=str)


def test_both_engines_read_missing_values_and_odd_names_alike(session, tmp_path):
    made = columns(
        speed=pa.array([None, float("nan"), 3.0, 4.0] * (ROWS // 4)),
        stops=pa.array([None, 1] * (ROWS // 2), pa.int16()),
        carrier=pa.array([None, "AA", "", "é 'q' `t`"] * (ROWS // 4)),
    )
    made["a.b `c`"] = pa.array([True, False] * (ROWS // 2))
    assert_same_rows(session, inspection.inspect(settings(parquet(tmp_path / "events.parquet", made))))


NAMES = ("score", "Score", "prediction", "probability", "features", "label", "level", "a.b", "c`d", "text0", "number0")


def test_a_feature_may_have_any_name(engine, tmp_path):
    """Also one that a stage of the model, or this engine, gives to a column of its own."""
    random = np.random.default_rng(0)
    made = columns(speed=None, stops=None, carrier=None)
    made |= {name: pa.array(random.random(ROWS)) for name in NAMES}
    made |= {"day": pa.array(["a", "b"] * (ROWS // 2)), "DAY": pa.array(["x", "y"] * (ROWS // 2))}
    engine.read(inspection.inspect(settings(parquet(tmp_path / "events.parquet", made))), EVENTS, ())
    engine.fit()
    engine.set_threshold(choose(engine.calibrate()).value)
    assert engine.count_test().rows.sum() == 124
    sample = engine.sample()
    assert list(sample.rows.columns) == [*NAMES, "day", "DAY"]
    assert set(sample.rows["DAY"]) == {"x", "y"}
    assert sample.rows["Score"].tolist() != sample.rows["score"].tolist()
    assert {one.feature for one in engine.count_features()[0]} == set(sample.rows.columns)
    drawn = engine.draw(50)
    scored = engine.score_permuted(drawn.columns, drawn.columns[::-1].reset_index(drop=True))
    assert set(scored.features) == set(drawn.columns.columns) == set(sample.rows.columns)
    assert scored.scores.shape == (len(scored.features) + 1, 50)
    assert 0 <= engine.refit() <= 1
    assert list(engine.sample("refitted").rows.columns) == list(sample.rows.columns)


class Margin(ClassifierMixin, BaseEstimator):
    """An estimator for scikit-learn whose only feature is its decision."""

    def fit(self, rows, labels):
        self.classes_ = np.unique(labels)
        return self

    def decision_function(self, rows):
        return rows[:, 0]

    def predict(self, rows):
        return self.classes_[(rows[:, 0] > 0).astype(int)]


@pytest.mark.parametrize("estimator", ["logistic_regression", "random_forest"])
def test_few_positives_are_calibrated_with_a_sigmoid_as_scikit_learn_does_it(engine, tmp_path, estimator):
    """In stages of Spark's own, which give the same scores when they are read back."""
    random = np.random.default_rng(0)
    speed = random.normal(size=ROWS)
    made = columns(speed=pa.array(speed), late=pa.array(speed + random.normal(size=ROWS) > 1.2))
    settings_before = engine._settings
    spark = settings_before.spark.model_copy(update={"estimator": estimator, "params": {}})
    engine._settings = settings_before.model_copy(update={"spark": spark})
    try:
        engine.read(inspection.inspect(settings(parquet(tmp_path / "events.parquet", made))), EVENTS, ())
        engine.fit()
        counts = engine.calibrate()
    finally:
        engine._settings = settings_before
    engine._model("measured").write().save(str(tmp_path / "model"))
    saved = PipelineModel.load(str(tmp_path / "model"))
    assert all(type(stage).__module__.startswith("pyspark.ml.") for stage in saved.stages)
    rows = saved.transform(engine._window(1)).select("probability", "score", inspection.LABEL).collect()
    probability = np.array([row["probability"][1] for row in rows])
    score, label = (np.array([row[name] for row in rows]) for name in ("score", inspection.LABEL))
    margin = (probability if estimator == "random_forest" else np.log(probability / (1 - probability)))[:, None]
    calibrated = CalibratedClassifierCV(FrozenEstimator(Margin().fit(margin, label)), method="sigmoid")
    assert score == pytest.approx(calibrated.fit(margin, label).predict_proba(margin)[:, 1], abs=2e-3)
    assert sorted(np.repeat(counts.score, counts.rows)) == sorted(rounded(score, 16_384))


@pytest.mark.parametrize(("replaced", "error"), [(False, DataError), (True, TemporaryError)])
def test_what_a_task_cannot_read_is_said_as_the_other_engine_says_it(engine, tmp_path, replaced, error):
    path = csv(tmp_path / "1.csv")
    good, bad = path.read_text(), path.read_text().replace(",3,", ",x,")
    path.write_text(good if replaced else bad)
    table = inspection.inspect(settings(tmp_path, numeric=("speed",), categorical=()))
    path.write_text(bad)
    with pytest.raises(error) as spark:
        engine.read(table, EVENTS, ())
    with pytest.raises(error) as sklearn:
        inspection.load(table, EVENTS.train, table.features)
    assert str(spark.value) == str(sklearn.value)


ODD = [0.0, -0.0, 5e-324, -1e-19, 2.0**-64, 1 / 3, -1 / 3, 31.5, 33.0, 34.5, 1e300, -1e300, 2.0**64, None, float("nan")]


def test_both_engines_count_features_alike(engine, tmp_path):
    random = np.random.default_rng(0)
    numbers = [*ODD, *(random.standard_normal(ROWS - len(ODD)) * 10.0 ** random.integers(-25, 25, ROWS - len(ODD)))]
    texts = [None, "", "é 'q' `t`", *(f"t{number % 140:03}" for number in range(ROWS - 3))]
    made = columns(speed=pa.array(numbers, pa.float64()), carrier=pa.array(texts))
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", made)))
    windows = windows_until(date(2024, 1, 1), Period.parse("5d"), Period.parse("5d"), None)
    engine.read(table, windows, ())
    then, now = engine.count_features()
    training, test = (inspection.load(table, window, table.features).frame for window in (windows.train, windows.test))
    expected = counted(training, table)
    assert as_sets(then) == as_sets(expected)
    assert as_sets(now) == as_sets(counted(test, table, expected))
    assert {one.rows for one in then} == {len(training)}
    assert then[-1].other > 0


def as_sets(features):
    """The counts without an order: of one text the engines may come upon it at different places."""
    return [(one.feature, one.kind, dict(one.by_value), one.other, one.missing) for one in features]


def test_both_engines_find_the_same_features_important(engine, tmp_path):
    """Within their intervals: they draw all rows of one test window, and shuffle them differently."""
    random = np.random.default_rng(0)
    rows = 8_000
    day = np.datetime64("2023-10-01") + np.sort(random.integers(0, 92, rows))
    speed, stops = random.normal(size=rows), random.integers(3, size=rows)
    carrier = np.array(["AA", "BB", "CC"])[random.integers(3, size=rows)]
    late = speed + 0.5 * stops + (carrier == "AA") + random.normal(size=rows) > 1.5
    frame = pd.DataFrame({"at": day, "speed": speed, "stops": stops, "noise": random.normal(size=rows),
                          "carrier": carrier, "late": late}).iloc[random.permutation(rows)]  # fmt: skip
    (tmp_path / "events").mkdir()
    for part in range(3):
        frame.iloc[part::3].to_parquet(tmp_path / "events" / f"{part}.parquet", index=False)
    theirs, drawn = importance_of(engine, tmp_path / "events")
    small = small_settings(str(tmp_path / "events"), tmp_path, sklearn={"estimator": "logistic_regression"})
    own, drawn_here = importance_of(ScikitLearn(small), tmp_path / "events")
    assert sorted(zip(drawn.day, drawn.columns["speed"], drawn.label, strict=True)) == sorted(
        zip(drawn_here.day, drawn_here.columns["speed"], drawn_here.label, strict=True)
    )
    assert own[0].feature == theirs[0].feature == "speed"
    for one in own:
        (other,) = (other for other in theirs if other.feature == one.feature)
        assert other.f1_interval.low <= one.f1 <= other.f1_interval.high, one.feature
        assert one.f1_interval.low <= other.f1 <= one.f1_interval.high, one.feature
        low, high = other.average_precision_interval.low, other.average_precision_interval.high
        assert low <= one.average_precision <= high, one.feature


def importance_of(engine, uri):
    """What an engine's model of a table of events rests on, and the rows on which that was measured."""
    table = inspection.inspect(settings(uri))
    engine.read(table, windows_until(table.end, *PERIODS, None), ())
    engine.fit()
    engine.set_threshold(choose(engine.calibrate()).value)
    drawn = engine.draw(4_000)
    pd.testing.assert_frame_equal(drawn.columns, engine.draw(4_000).columns)
    shuffled = drawn.columns.iloc[permutation(len(drawn.day), 0)].reset_index(drop=True)
    scored = engine.score_permuted(drawn.columns, shuffled)
    return importances(drawn.day, drawn.label, scored, 1_000, 0), drawn


def test_both_engines_read_csv_alike(session, tmp_path):
    made = columns(
        carrier=pa.array(['with "quotes", and comma', "NA", "é", "null"] * (ROWS // 4)),
        speed=pa.array([None, 1.5, -2.0, 1e300] * (ROWS // 4)),
    )
    text = csv(tmp_path / "events.csv", made).read_bytes()
    (tmp_path / "t").mkdir()
    header, *lines = text.splitlines(keepends=True)
    (tmp_path / "t" / "1.csv").write_bytes(b"".join([header, *lines[:100]]))
    (tmp_path / "t" / "2.csv.gz").write_bytes(gzip.compress(b"".join([header, *lines[100:]])))
    assert_same_rows(session, inspection.inspect(settings(tmp_path / "t")))


def test_both_engines_read_a_partitioned_folder_alike(session, tmp_path):
    made = pa.table(columns())
    for part in range(2):
        parquet(tmp_path / "t" / f"year=2023/part={part}" / "x=1 ä%20.parquet", made.slice(part * 122, 122))
    described = settings(tmp_path / "t", numeric=("speed",), categorical=("carrier", "part"))
    assert_same_rows(session, inspection.inspect(described))


@pytest.mark.parametrize("name", ["delta_vectors", "delta_renamed", "iceberg_places", "iceberg_vectors"])
def test_both_engines_read_tables_with_deleted_rows_and_other_names_alike(session, tmp_path, name):
    assert_same_rows(session, inspection.inspect(settings(unpacked(name, tmp_path))))


def test_both_engines_read_files_whose_columns_differ_in_type_alike(session, tmp_path):
    made = pa.table(columns())
    whole = made.set_column(2, "speed", made["speed"].cast(pa.int64())).slice(0, 100)
    parquet(tmp_path / "t" / "1.parquet", whole.drop_columns("carrier"))
    parquet(tmp_path / "t" / "2.parquet", made.slice(100, 100))
    nanoseconds = made.set_column(0, "at", made["at"].cast(pa.timestamp("ns")))
    parquet(tmp_path / "t" / "3.parquet", nanoseconds.slice(200))
    assert_same_rows(session, inspection.inspect(settings(tmp_path / "t")))


@pytest.mark.parametrize(("column", "positive"), [
    (pa.array([row % 4 == 0 for row in range(ROWS)]), 1),
    (pa.array([row % 4 == 0 for row in range(ROWS)]), False),
    (pa.array([int(row % 4 == 0) for row in range(ROWS)]), True),
    (pa.array([float(row % 4 == 0) for row in range(ROWS)]), 1),
    (pa.array(["yes" if row % 4 == 0 else "no" for row in range(ROWS)]), "yes"),
    (pa.array([str(row % 4 == 0) for row in range(ROWS)]), True),
])  # fmt: skip
def test_both_engines_see_the_same_positive_class(session, tmp_path, column, positive):
    path = parquet(tmp_path / "events.parquet", columns(late=column))
    assert_same_rows(session, inspection.inspect(settings(path, positive=positive)))


def third(values):
    return pa.array([values[2] if row == 230 else values[row % 2] for row in range(ROWS)])


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"late": pa.array([row % 4 == 0 or None for row in range(ROWS)])}, id="label missing"),
        pytest.param({"late": third([1, 0, 2])}, id="third label"),
        pytest.param({"late": third(["True", "no", "other"])}, id="third label in text"),
        pytest.param({"late": pa.array([True] * ROWS)}, id="one class"),
        pytest.param({"late": pa.array([row < 100 for row in range(ROWS)])}, id="one class in a window"),
        pytest.param(
            {"speed": pa.array([float("-inf") if row in (5, 9) else 1.0 for row in range(ROWS)])}, id="infinite"
        ),
        pytest.param({"at": pa.array([FIRST] * ROWS, pa.timestamp("us"))}, id="empty window"),
    ],
)
def test_both_engines_refuse_the_same_data_in_the_same_words(engine, tmp_path, changed):
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", columns(**changed))))
    with pytest.raises(DataError) as expected:
        judged([inspection.load(table, window, table.features).facts for window in EVENTS], table)
    with pytest.raises(DataError) as refused:
        engine.read(table, EVENTS, ())
    assert str(refused.value) == str(expected.value)


def judged(facts, table):
    warnings = [warning for one in facts for warning in checks.check(one, table)]
    checks.check_together(facts, table)
    return warnings


def test_both_engines_warn_of_the_same_columns_in_the_same_words(engine, tmp_path):
    made = columns(
        stops=pa.array([3] * ROWS),
        carrier=pa.array(["AA"] * ROWS),
        ticket=pa.array([f"T{row}" for row in range(ROWS)]),
        empty=pa.array([None] * ROWS, pa.float64()),
    )
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", made)))
    engine.read(table, EVENTS, ())
    expected = judged([inspection.load(table, window, table.features).facts for window in EVENTS], table)
    assert len(expected) == 5
    assert "has 10 positive rows" in expected[-1]
    assert list(engine.warnings) == expected


def test_both_engines_count_the_same_copies_of_earlier_rows(engine, session, tmp_path):
    made = columns(speed=pa.array([float(row) if row % 5 else None for row in range(ROWS)]))
    made = pa.table({name: pa.concat_arrays([column, column[:100]]) for name, column in made.items()})
    # The second half are copies of November's rows in December.
    again = [FIRST + timedelta(days=31, hours=row) for row in range(100)]
    at = pa.concat_arrays([made["at"].combine_chunks()[:ROWS], pa.array(again, pa.timestamp("us"))])
    made = made.set_column(made.schema.get_field_index("at"), "at", at)
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", made)))
    rows = reading.frame(session, table, list(EVENTS))
    frames = [inspection.load(table, window, table.features).frame for window in EVENTS]
    found = copies(hashes(frames, table.features))
    assert window_facts.equal_rows(rows, table, 2, 0).copies == found
    assert (found.test, found.before) == (len(frames[2]), len(frames[0]) + len(frames[1]))
    assert found.test_copies > found.test * 0.4
    engine.read(table, EVENTS, ())
    few_positives, *others = engine.warnings
    assert "positive rows" in few_positives
    assert others == checks.check_copies(found, table) != []


def test_both_engines_count_the_same_by_day_and_find_the_same(engine, tmp_path):
    made = columns(
        speed=pa.array([None if row > ROWS - 40 else (-1.0) ** row * row / 7 for row in range(ROWS)]),
        stops=pa.array([row % 3 * (100 if row > ROWS - 30 else 1) for row in range(ROWS)]),
        carrier=pa.array([None, "A'A", "B\\B", *("new" if row > ROWS - 50 else "CC" for row in range(3, ROWS))]),
    )
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", made)))
    own = ScikitLearn(engine._settings)
    counted_by = []
    for each in (own, engine):
        each.read(table, EVENTS, ())
        counted_by.append(each.count_days())
    one, other = counted_by
    for name in ("day", "rows", "positives", "distinct"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()
    for name in table.numeric:
        for here, there in zip(astuple(one.numbers[name]), astuple(other.numbers[name]), strict=True):
            assert here == pytest.approx(there, rel=1e-12, nan_ok=True)
    for name in table.categorical:
        for here, there in zip(astuple(one.texts[name]), astuple(other.texts[name]), strict=True):
            assert here.tolist() == there.tolist()
    weeks = [Weeks(counts, EVENTS) for counts in counted_by]
    bounds = {"carrier": OwnBounds(unseen=0.1), "speed": OwnBounds(min=-1, max=20, missing=0.5)}
    found = [[*judge_own(each, bounds), *judge(each)] for each in weeks]
    assert found[0] == found[1]
    assert {one.check for one in found[0]} >= {"range", "missing"}


@pytest.mark.parametrize("of_text", [True, False])
def test_both_engines_count_the_test_rows_of_known_entities(engine, tmp_path, of_text):
    # Half of the customers come back; the last row of the test window has none.
    numbers = [row % 90 if row < 200 else row for row in range(ROWS - 1)]
    customers = pa.array([*(map(str, numbers) if of_text else numbers), None])
    made = columns(customer=customers)
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet", made), entity="customer"))
    assert "customer" not in table.features
    own = ScikitLearn(engine._settings)
    own.read(table, EVENTS, ())
    engine.read(table, EVENTS, ())
    (told,), (also,) = ([one for one in read.warnings if "customer" in one] for read in (own, engine))
    first = 4 * (date(2023, 12, 1) - FIRST.date()).days
    before = set(numbers[:first])
    known = [number for number in numbers[first:] if number in before]
    assert told == also
    assert told.startswith(f"{len(known)} of {ROWS - 1 - first} rows of the test window")
    assert f"belong to {len(set(known))} values of 'customer' that also occur" in told


@pytest.mark.parametrize("missing", ["drop", "negative"])
def test_both_engines_count_the_rows_whose_label_was_known_in_time(engine, tmp_path, missing):
    at = [FIRST + timedelta(hours=6 * row) for row in range(ROWS)]
    known = pa.array([when + timedelta(days=row % 9) if row % 5 else None for row, when in enumerate(at)])
    late = pa.array([None if row % 7 == 3 else row % 4 == 0 for row in range(ROWS)])
    label = Label(column="late", positive=True, known_at="known", known_after="6d", missing=missing)
    described = settings(parquet(tmp_path / "events.parquet", columns(late=late, known=known)))
    table = inspection.inspect(described.model_copy(update={"label": label}))
    own = ScikitLearn(engine._settings)
    windows = windows_until(known_until(table), *[Period.parse("10d")] * 2, None, Period.parse("3d"))
    assert engine.read(table, windows, ()) == own.read(table, windows, ())
    assert counted_labels(table, windows).late > 0


def test_a_label_with_thousands_of_values_is_refused_without_bringing_them_here(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(window_facts, "_MOST_GROUPS", 100)
    path = parquet(tmp_path / "events.parquet", columns(late=pa.array(range(ROWS))))
    with pytest.raises(DataError, match=r"the label column 'late' .* has thousands of values besides the positive one"):
        engine.read(inspection.inspect(settings(path, positive=1)), EVENTS, ())


def test_a_file_that_is_damaged_where_its_footer_does_not_show_it_is_named(engine, tmp_path):
    path = parquet(tmp_path / "events.parquet", compression="gzip")
    table = inspection.inspect(settings(path))
    content = bytearray(path.read_bytes())
    content[4:400] = b"\xff" * 396
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"the file .*events\.parquet can't be read, it seems to be") as refused:
        engine.read(table, EVENTS, ())
    assert "\n" not in str(refused.value)
    assert "\tat " not in str(refused.value)


def test_text_in_a_column_of_numbers_is_refused(engine, tmp_path):
    made = columns(speed=pa.array(["1.0"] * 240 + ["fast"] * 4))
    path = csv(tmp_path / "events.csv", made)
    table = inspection.inspect(settings(path, numeric=("speed",), categorical=("carrier",)))
    with pytest.raises(DataError, match=r"events\.csv can't be read in the column 'speed': .*'fast'"):
        engine.read(table, EVENTS, ())


def test_columns_that_only_versions_need_are_read_for_the_test_window_alone(engine, tmp_path):
    table = inspection.inspect(settings(parquet(tmp_path / "events.parquet"), numeric=("speed",), categorical=()))
    engine.read(table, EVENTS, ("stops", "carrier"))
    assert {"stops", "carrier"} & set(engine._rows.columns) == set()
    rows = engine._versions_rows.toPandas()
    assert (rows["stops"].dtype, set(rows["carrier"])) == (np.float64, {"AA", "BB", "CC"})
    assert rows[inspection.DAY].between(day_number(date(2023, 12, 1)), day_number(date(2023, 12, 31))).all()
    assert len(rows) == 124


def test_the_days_of_a_row_at_the_change_of_the_clock_are_those_of_the_zone(session, tmp_path):
    at = [datetime(2013, 11, 3, 3, 59, 59, tzinfo=UTC), datetime(2013, 11, 4, 4, 59, tzinfo=UTC),
          datetime(2013, 11, 4, 5, 0, tzinfo=UTC), datetime(2013, 3, 11, 3, 59, tzinfo=UTC)]  # fmt: skip
    made = {"at": pa.array(at, pa.timestamp("us", "UTC")), "late": [True] * 4, "speed": [1.0] * 4}
    table = inspection.inspect(settings(parquet(tmp_path / "e.parquet", made), timezone="America/New_York"))
    rows = reading.frame(session, table, [Window("all", None, date(2014, 1, 1))]).toPandas()
    days = [date(2013, 11, 2), date(2013, 11, 3), date(2013, 11, 4), date(2013, 3, 10)]
    assert sorted(rows[inspection.DAY]) == sorted(day_number(day) for day in days)


def test_nothing_reaches_the_machine_from_outside(session):
    conf = session.sparkContext.getConf()
    assert conf.get("spark.driver.host") == conf.get("spark.driver.bindAddress") == "127.0.0.1"
    assert conf.get("spark.ui.enabled") == "false"
    assert session.sparkContext.master == "local[*]"


def test_the_features_are_those_of_the_settings(trained):
    assert list(trained["table"].features) == FEATURES


def test_a_search_scores_the_days_that_scikit_learns_does_and_the_fit_takes_what_it_found(
    engine, flight_settings, monkeypatch
):
    search = Search(trials=1, folds=2, space={"regParam": (0.01, 10.0)})
    spark = flight_settings.spark.model_copy(update={"search": search})
    sklearn = SklearnSettings(
        search=search.model_copy(update={"space": {"max_iter": (5, 10)}}), params={"max_depth": 3}
    )
    searching = flight_settings.model_copy(update={"spark": spark, "sklearn": sklearn})
    monkeypatch.setattr(engine, "_settings", searching)
    table = inspection.inspect(searching.data)
    windows = windows_until(table.end, *PERIODS, None)
    theirs = ScikitLearn(searching)
    for each in (engine, theirs):
        each.read(table, windows, ())
    configured, blind = engine.count_folds({}), engine.count_folds({"regParam": 10.0})
    for own_fold, their_fold in zip(configured, theirs.count_folds({"max_iter": 5}), strict=True):
        found = [np.bincount(counts.day - counts.day.min(), counts.rows).tolist() for counts in (own_fold, their_fold)]
        assert found[0] == found[1]
        assert own_fold.positives == their_fold.positives
    assert all(choose(one).f1 > choose(other).f1 for one, other in zip(configured, blind, strict=True))
    calibration, test = engine.count_untuned()
    engine.tune({"regParam": 0.5})
    assert engine.fit()["LogisticRegression.regParam"] == "0.5"
    assert engine.calibrate().total == calibration.total
    engine.set_threshold(0.3)
    assert engine.count_test().total == test.total


def test_a_search_of_a_parameter_that_is_none_is_refused(engine, trained, flight_settings, monkeypatch):
    search = Search(space={"regParm": (0.01, 10.0)})
    spark = flight_settings.spark.model_copy(update={"search": search})
    monkeypatch.setattr(engine, "_settings", flight_settings.model_copy(update={"spark": spark}))
    with pytest.raises(
        ConfigurationError, match=r"spark.search.space.regParm is no parameter of .*near it are regParam"
    ):
        engine.read(trained["table"], trained["windows"], ())


def test_a_teams_own_stages_are_trained_saved_and_read_back(engine, flight_settings, tmp_path, monkeypatch):
    """Those of the example, which are stages of Spark's own: the model needs no code to be loaded."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    spark = {"estimator": "our_models.spark_delays:stages", "params": {"maxIter": 5}}
    monkeypatch.setattr(engine, "_settings", flight_settings.model_copy(update={"spark": SparkSettings(**spark)}))
    table = inspection.inspect(flight_settings.data)
    engine.read(table, windows_until(table.end, *PERIODS, None), ())
    parameters = engine.fit()
    assert parameters["own.maxIter"] == "5"
    assert parameters["stage5.LogisticRegressionModel.maxIter"] == "5"
    engine.set_threshold(choose(engine.calibrate()).value)
    counts = engine.count_test()
    mlflow.set_tracking_uri(flight_settings.tracking.uri)
    experiment = mlflow.create_experiment("own", artifact_location=(tmp_path / "artifacts").as_uri())
    with mlflow.start_run(experiment_id=experiment):
        uri = engine.log_model()
    assert engine.mislabelled(uri) == 0
    assert engine.confusion_of(uri).rows == counts.rows.sum()
    assert not (Path(mlflow.artifacts.download_artifacts(uri, dst_path=tmp_path)) / "code").exists()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("return []", "returns []; a list of stages of pyspark.ml is accepted"),
        ("return [1]", "returns a int among its stages, which is none of pyspark.ml"),
        ("raise ValueError('no')", "fails in its call: ValueError: no (model.py, line 4)"),
        ("return [VectorAssembler(inputCols=['nowhere'], outputCol='features')]", "fails in fit: "),
        ("return [VectorAssembler(inputCols=['speed'], outputCol='features')]", "write no column 'probability'; they"),
    ],
)
def test_what_own_stages_do_wrong_has_its_sentence(engine, tmp_path, monkeypatch, body, sentence):
    (tmp_path / "wrong").mkdir()
    lines = (
        "from pyspark.ml.feature import VectorAssembler",
        "",
        "def stages(numeric, categorical, params, seed, label):",
    )
    (tmp_path / "wrong" / "model.py").write_text("\n".join([*lines, f"    {body}"]))
    monkeypatch.syspath_prepend(str(tmp_path))
    wrong = SparkSettings(estimator="wrong.model:stages")
    monkeypatch.setattr(engine, "_settings", engine._settings.model_copy(update={"spark": wrong}))
    engine.read(inspection.inspect(settings(parquet(tmp_path / "events.parquet", columns()))), EVENTS, ())
    with pytest.raises(ConfigurationError, match=r"^spark\.estimator wrong\.model:stages") as error:
        engine.fit()
    sys.modules.pop("wrong.model")
    sys.modules.pop("wrong")
    assert sentence in str(error.value)


def test_a_model_with_another_version_of_a_package_in_python_is_refused(tmp_path):
    for model, text in (("one", "1"), ("two", "2")):
        (tmp_path / model / "code").mkdir(parents=True)
        (tmp_path / model / "code" / "theirs.py").write_text(text)
    imported = {}
    for _ in range(2):
        own.check_code(str(tmp_path / "one"), imported)
    with pytest.raises(FailedError, match="it carries another version of the package 'theirs' than is in use here"):
        own.check_code(str(tmp_path / "two"), imported)


STAGES_IN_PYTHON = """
from pyspark.ml import Transformer
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.param.shared import HasInputCols
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql import functions as f


class Read(Transformer, HasInputCols, DefaultParamsReadable, DefaultParamsWritable):
    def _transform(self, rows):
        born, seen, note = map(f.col, self.getInputCols())
        age = f.coalesce(f.datediff(f.lit("2024-01-01"), f.to_date(born)), f.lit(0))
        refund = f.coalesce(note.like("%refund%"), f.lit(False)).cast("int")
        return rows.withColumns({"age": age, "hour": f.hour(seen), "refund": refund})


def stages(numeric, categorical, features, params, seed, label):
    names = [*numeric, "age", "hour", "refund"]
    assembled = VectorAssembler(inputCols=names, outputCol="features", handleInvalid="keep")
    return [Read()._set(inputCols=features), assembled, LogisticRegression(labelCol=label)]
"""
SERVED = """
import json, sys
import pandas
from ratchet.engines.serving import loaded
from ratchet.settings import Settings

with loaded("spark", Settings.model_validate_json(sys.stdin.read(), strict=False), sys.argv[1]) as served:
    print(json.dumps(served.both.predict(pandas.read_json(sys.argv[2], dtype=False)).to_dict("list")))
    print(sys.modules["stages_in_python"].__file__)
"""


@pytest.fixture
def with_raw_features(engine, tmp_path, monkeypatch):
    """The engine with a table that it has read, whose dates, times and notes are for stages in Python."""
    born = [None if row % 5 == 0 else date(2000, 1, 1) + timedelta(days=row) for row in range(ROWS)]
    seen = pa.array([FIRST + timedelta(minutes=7 * row) for row in range(ROWS)], pa.timestamp("ms", "Europe/Berlin"))
    note = [f"call {row}: {'refund' if row % 4 == 0 else 'fine'}" for row in range(ROWS)]
    made = parquet(
        tmp_path / "events.parquet", columns(born=pa.array(born, pa.date32()), seen=seen, note=pa.array(note))
    )
    (tmp_path / "package" / "stages_in_python").mkdir(parents=True)
    (tmp_path / "package" / "stages_in_python" / "__init__.py").touch()
    (tmp_path / "package" / "stages_in_python" / "model.py").write_text(STAGES_IN_PYTHON)
    monkeypatch.syspath_prepend(str(tmp_path / "package"))
    data = settings(made, numeric=("speed",), categorical=(), features=("born", "seen", "note"))
    stages = SparkSettings(estimator="stages_in_python.model:stages", conf=engine._settings.spark.conf)
    changed = {"data": data, "spark": stages, "retrain": Retrain(engines=("spark",))}
    monkeypatch.setattr(engine, "_settings", engine._settings.model_copy(update=changed))
    table = inspection.inspect(data)
    engine.read(table, EVENTS, ())
    return table


def test_both_engines_read_dates_times_and_notes_as_the_same_text(engine, with_raw_features):
    table, names = with_raw_features, with_raw_features.raw
    rows = reading.frame(engine.session.get(), table, [EVENTS.test]).where(f"{WINDOW} = 0").toPandas()
    ours = inspection.load(table, EVENTS.test, table.features).frame
    for name in names:
        theirs = sorted(rows[name].fillna("none"))
        assert theirs == sorted(text if isinstance(text, str) else "none" for text in ours[name].astype(object))
    assert {len(text) for text in rows["seen"]} == {len("2023-11-01 00:00:00.000000Z")}
    then, now = engine.count_features()
    assert then == counted(inspection.load(table, EVENTS.train, table.features).frame, table)
    assert now == counted(ours, table, then)
    days = engine.count_days().texts
    assert {name: int(days[name].known.sum()) for name in names} == dict.fromkeys(names, 0)
    assert days["born"].filled.sum() < days["note"].filled.sum()


def test_a_teams_stages_in_python_serve_where_their_package_is_not(engine, with_raw_features, tmp_path):
    engine.fit()
    threshold = choose(engine.calibrate()).value
    engine.set_threshold(threshold)
    assert metrics(engine.count_test(), threshold)["roc_auc"] == pytest.approx(1)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = mlflow.create_experiment("raw", artifact_location=(tmp_path / "artifacts").as_uri())
    with mlflow.start_run(experiment_id=experiment):
        uri = engine.log_model()
    assert engine.mislabelled(uri) == 0
    assert ModelInputs.of(mlflow.models.Model.load(uri), "it").raw == {*with_raw_features.raw}
    folder, sample = mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path)), engine.sample()
    sample.rows.to_json(tmp_path / "rows.json", orient="records")
    done = subprocess.run(
        [sys.executable, "-c", SERVED, folder, str(tmp_path / "rows.json")],
        input=engine._settings.model_dump_json(), capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    answers, code = done.stdout.splitlines()[-2:]
    assert json.loads(answers)["label"] == sample.labels
    assert json.loads(answers)["probability"] == pytest.approx(sample.probabilities)
    assert code == f"{folder.rstrip('/')}/code/stages_in_python/__init__.py"
