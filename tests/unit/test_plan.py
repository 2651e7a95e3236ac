"""A plan gives the labels and probabilities of the model that it is made from, to the last bit, or there is none."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.engines.sklearn import calibration
from ratchet.engines.sklearn.pipeline import pipeline
from ratchet.engines.sklearn.plan import Coded, Plan, UnplannedError, proven
from ratchet.engines.sklearn.refitting import with_threshold
from ratchet.engines.sklearn.scorer import OnePass

ROWS = 3000


def rows(texts=("carrier", "plan"), numbers=("speed", "age")):
    """Features with gaps: one text has more values than codes, some of them rare."""
    random = np.random.default_rng(0)
    values = {
        "carrier": np.array([f"c{int(each)}" for each in random.exponential(60, ROWS)], dtype=object),
        "plan": random.choice(np.array(["true", "false", None], dtype=object), ROWS),
        "speed": np.where(random.random(ROWS) < 0.1, np.nan, random.normal(size=ROWS)),
        "age": random.integers(18, 80, ROWS).astype(float),
    }
    return pd.DataFrame({name: values[name] for name in (*texts, *numbers)})


def model(frame, texts, numbers, estimator="hist_gradient_boosting", positives=1000, **params):
    """A model in the form in which it is registered. positives: how many calibrate it; few make it a sigmoid."""
    random = np.random.default_rng(1)
    score = frame[list(numbers)].fillna(0).sum(axis=1) + sum(40 * frame[name].isin(["c1", "true"]) for name in texts)
    label = (score + random.normal(size=ROWS) > score.median()).astype(np.int64)
    fitted = pipeline(estimator, params, numbers, texts, seed=0).fit(frame, label)
    kept = np.concatenate([np.flatnonzero(label == 0), np.flatnonzero(label == 1)[:positives]])
    return with_threshold(calibration.fitted(fitted, frame.iloc[kept], label.iloc[kept]), 0.4, frame.iloc[:2])


KINDS = {
    "isotonic": (1000, "hist_gradient_boosting", {"max_iter": 30}),
    "sigmoid": (100, "hist_gradient_boosting", {"max_iter": 30}),
    "xgboost": (1000, "xgboost", {"n_estimators": 30}),
    "lightgbm": (1000, "lightgbm", {"n_estimators": 30}),
}


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def planned(request):
    positives, estimator, params = request.param
    made = model(rows(), ["carrier", "plan"], ["speed", "age"], estimator, positives, **params)
    return made, Plan(made)


def as_model(made, columns):
    frame = pd.DataFrame({name: pd.Series(columns[name], dtype=object) for name in ("carrier", "plan")})
    return OnePass(made).score(
        frame.assign(**{name: np.array(columns[name], dtype=float) for name in ("speed", "age")})
    )


TEXTS = st.sampled_from([None, "true", "false", "c0", "c7", "c250", "c999", "", "nan", "1"])
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)


@given(st.lists(st.tuples(TEXTS, TEXTS, NUMBERS, NUMBERS), min_size=1, max_size=20))
def test_whatever_the_rows_its_numbers_are_the_models(planned, given_rows):
    made, plan = planned
    columns = dict(zip(("carrier", "plan", "speed", "age"), map(list, zip(*given_rows, strict=True)), strict=True))
    own, found = as_model(made, columns), plan.score(columns)
    assert found.probabilities.tolist() == own.probabilities.tolist()
    assert found.labels.tolist() == own.labels.tolist()


def test_texts_by_their_place_and_frames_give_the_same(planned):
    made, plan = planned
    frame = rows().astype({"carrier": object, "plan": object}).replace({np.nan: None})
    own = OnePass(made).score(rows())
    coded = {name: frame[name].astype("category") for name in plan.texts}
    columns = {name: Coded(list(each.cat.categories), each.cat.codes.to_numpy()) for name, each in coded.items()}
    found = plan.score(columns | {name: rows()[name].to_numpy() for name in plan.numbers})
    assert found.probabilities.tolist() == own.probabilities.tolist()
    nothing = {name: Coded([], np.array([-1])) for name in plan.texts} | {key: [None] for key in plan.numbers}
    assert (
        plan.score(nothing).probabilities.tolist()
        == as_model(made, {key: [None] for key in columns | nothing}).probabilities.tolist()
    )


def test_it_is_proven_on_what_training_never_saw(planned):
    made, plan = planned
    assert proven(plan, OnePass(made).score, rows().iloc[:5]) is None
    generated = plan.generated(200)
    assert None in generated["carrier"]
    assert {None, 1e300, -1e300} < {*generated["speed"]}
    assert len({*generated["carrier"]} - {*rows()["carrier"]}) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan._codes["carrier"][0].update(c1=plan._codes["carrier"][0]["c2"]),
        lambda plan: setattr(plan, "_threshold", 0.0),
        lambda plan: plan._estimator._trees.pop(),
        lambda plan: setattr(plan._estimator, "_baseline", plan._estimator._baseline + 1e-9),
    ],
    ids=["codes", "threshold", "trees", "baseline"],
)
def test_one_that_differs_is_told_by_its_first_row(change):
    made = model(rows(), ["carrier", "plan"], ["speed", "age"], positives=100, max_iter=5)
    plan = Plan(made)
    change(plan)
    assert re.match(
        r"row \d+ has the label [01] and the probability 0\.\d+, not ", proven(plan, OnePass(made).score, None)
    )


@pytest.mark.parametrize(("texts", "numbers"), [([], ["speed", "age"]), (["carrier", "plan"], [])])
def test_a_model_of_texts_or_of_numbers_alone_has_one(texts, numbers):
    made = model(rows(texts, numbers), texts, numbers, max_iter=5)
    assert proven(Plan(made), OnePass(made).score, None) is None


def test_other_models_have_none():
    frame = rows()
    made = model(frame, ["carrier", "plan"], ["speed", "age"], "logistic_regression")
    with pytest.raises(UnplannedError, match="it has a LogisticRegression; there are plans for HistGradientBoosting"):
        Plan(made)
    with pytest.raises(UnplannedError, match="where a FixedThresholdClassifier is planned for"):
        Plan(made.estimator_)
