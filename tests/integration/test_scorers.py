"""Labels and probabilities in one pass are those that the registered model itself gives, with both engines."""

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from sklearn.dummy import DummyRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier

from ratchet.engines.sklearn.scorer import ScikitLearnScorer
from ratchet.engines.spark.pipeline import SCORE
from ratchet.engines.spark.scorer import SparkScorer, outcome
from ratchet.errors import FailedError
from tests.integration.scoring_fixtures import load
from tests.integration.trainer_fixtures import CATEGORICAL, NUMERIC, window

pytestmark = [
    # py4j leaves its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def rows(flights_slice):
    """May, with gaps, a category that training never saw, and a column that no model asks for."""
    features, _ = window(flights_slice, "2013-05")
    features = features.reset_index(drop=True)
    features.loc[:20, "plane_age"] = np.nan
    features.loc[5:30, "carrier"] = "unseen"
    features.loc[10:40, "plane_manufacturer"] = None
    return features.assign(prediction=7.0)


@pytest.fixture(scope="module")
def sklearn_model(registered):
    return load(registered, "sklearn")


@pytest.fixture(scope="module")
def spark_model(registered, spark_session):
    return load(registered, "spark")


def test_scikit_learn_labels_as_the_model_and_gives_its_probabilities(sklearn_model, rows):
    scored = ScikitLearnScorer(sklearn_model).score(rows)
    expected = sklearn_model.predict(rows)
    assert scored.labels.dtype == expected.dtype
    assert np.array_equal(scored.labels, expected)
    raw = sklearn_model.get_raw_model()
    assert np.array_equal(scored.probabilities, raw.predict_proba(rows[[*NUMERIC, *CATEGORICAL]])[:, 1])
    assert 0 < scored.labels.mean() < 1


def test_spark_labels_as_the_model_and_gives_its_probabilities(spark_model, spark_session, rows):
    scored = SparkScorer(spark_model).score(rows)
    assert list(scored.labels) == list(spark_model.predict(rows))
    frame = spark_session.createDataFrame(rows[[*NUMERIC, *CATEGORICAL]])
    expected = [row[0] for row in spark_model.get_raw_model().transform(frame).select(SCORE).collect()]
    assert list(scored.probabilities) == expected
    assert 0 < scored.labels.mean() < 1


def test_spark_scores_a_row_in_which_everything_is_missing(spark_model, rows):
    empty = rows.iloc[:1].astype(dict.fromkeys(CATEGORICAL, object)).copy()
    empty[list(NUMERIC)], empty[list(CATEGORICAL)] = np.nan, None
    scored = SparkScorer(spark_model).score(empty)
    assert 0 <= scored.probabilities[0] <= 1


@pytest.mark.parametrize("engine", ["sklearn", "spark"])
def test_a_missing_column_is_refused_in_the_words_of_mlflow(engine, sklearn_model, spark_model, rows):
    model, kind = (sklearn_model, ScikitLearnScorer) if engine == "sklearn" else (spark_model, SparkScorer)
    few = rows.drop(columns="hour")
    with pytest.raises(MlflowException) as expected:
        model.predict(few)
    with pytest.raises(MlflowException) as refused:
        kind(model).score(few)
    assert str(refused.value) == str(expected.value)


def saved(model, tmp_path):
    mlflow.sklearn.save_model(model, tmp_path / "model", serialization_format="cloudpickle", pip_requirements=[])
    return mlflow.pyfunc.load_model(str(tmp_path / "model"))


@pytest.mark.parametrize("positive", [0, 1])
def test_at_the_threshold_itself_scikit_learn_says_positive(tmp_path, positive):
    features = pd.DataFrame({"x": np.arange(20.0)})
    inner = LogisticRegression().fit(features, features["x"] > 10)
    inner.classes_ = np.array([0, 1])
    threshold = inner.predict_proba(features)[12, positive]
    fixed = FixedThresholdClassifier(
        FrozenEstimator(inner), threshold=threshold, pos_label=positive, response_method="predict_proba"
    )
    model = saved(fixed.fit(features.iloc[:2], [0, 1]), tmp_path)
    scored = ScikitLearnScorer(model).score(features)
    assert scored.probabilities[12] == threshold
    assert scored.labels[12] == positive
    assert np.array_equal(scored.labels, model.predict(features))
    assert set(scored.labels) == {0, 1}


def test_a_model_that_somebody_else_registered_labels_by_its_own_predict(tmp_path):
    features = pd.DataFrame({"x": np.arange(20.0)})
    model = saved(LogisticRegression().fit(features, features["x"] > 15), tmp_path)
    scored = ScikitLearnScorer(model).score(features)
    assert np.array_equal(scored.labels, model.predict(features))
    assert np.array_equal(scored.labels, scored.probabilities > 0.5)


def test_a_model_without_probabilities_is_refused(tmp_path, spark_session):
    model = saved(DummyRegressor().fit([[0.0]], [0.0]), tmp_path)
    with pytest.raises(FailedError, match="the model, a DummyRegressor, gives no probabilities of two classes"):
        ScikitLearnScorer(model)
    with pytest.raises(FailedError, match=r"it writes the columns id$"):
        outcome(spark_session.range(1))
