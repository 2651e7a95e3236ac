import numpy as np
import pandas as pd
import pytest

from ratchet.engines.sklearn import boosting
from ratchet.engines.sklearn.pipeline import pipeline
from ratchet.errors import ConfigurationError

ESTIMATORS = ("hist_gradient_boosting", "lightgbm", "logistic_regression", "random_forest", "xgboost")
QUICK = {
    "hist_gradient_boosting": {"max_iter": 5},
    "lightgbm": {"n_estimators": 5},
    "logistic_regression": {},
    "random_forest": {"n_estimators": 5, "n_jobs": 1},
    "xgboost": {"n_estimators": 5},
}
ROWS = 400


def rows(categories=3):
    """Two numbers, one of them sometimes missing, and a category, missing here and there too."""
    random = np.random.default_rng(0)
    number = random.normal(size=ROWS)
    gaps = np.where(np.arange(ROWS) % 7 == 0, np.nan, random.normal(size=ROWS))
    text = pd.Series([f"c{row % categories}" for row in range(ROWS)], dtype=object)
    text[np.arange(ROWS) % 11 == 0] = np.nan
    frame = pd.DataFrame({"number": number, "gaps": gaps, "text": pd.Categorical(text)})
    return frame, (number + (frame["text"] == "c1") > 0.5).astype(np.int64)


def fitted(name, numeric=("number", "gaps"), categorical=("text",), params=None, **options):
    frame, label = rows(**options)
    model = pipeline(name, QUICK[name] | (params or {}), numeric, categorical, 0)
    return model.fit(frame[[*numeric, *categorical]], label), frame


@pytest.mark.parametrize("name", ESTIMATORS)
def test_unseen_and_missing_values_are_scored(name):
    model, frame = fitted(name)
    strange = frame.astype({"text": object}).head(4)
    strange.loc[0, "text"] = "never seen"
    strange.loc[1, "text"] = None
    strange.loc[2, ["number", "gaps"]] = np.nan
    scores = model.predict_proba(strange)[:, 1]
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_categories_score_the_same_as_text_as_they_do_as_codes(name):
    model, frame = fitted(name)
    as_text = frame.astype({"text": object})
    assert (model.predict_proba(frame) == model.predict_proba(as_text)).all()


@pytest.mark.parametrize("missing", [None, np.nan])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_missing_text_is_the_same_however_it_is_written(name, missing):
    model, frame = fitted(name)
    one = frame.astype({"text": object}).head(1)
    one.loc[0, "text"] = missing
    assert model.predict_proba(one)[0, 1] == model.predict_proba(frame.head(1))[0, 1]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_numbers_alone_and_categories_alone_train(name):
    for numeric, categorical in ((("number",), ()), ((), ("text",))):
        model, frame = fitted(name, numeric, categorical)
        assert len(model.predict(frame[[*numeric, *categorical]])) == ROWS


@pytest.mark.parametrize("name", ESTIMATORS)
def test_more_categories_than_bins_train(name):
    model, frame = fitted(name, categories=350)
    assert len(model.predict(frame)) == ROWS


@pytest.mark.parametrize("name", ["hist_gradient_boosting", "lightgbm", "random_forest", "xgboost"])
def test_one_seed_is_one_model_and_settings_go_over_the_defaults(name):
    first, frame = fitted(name)
    second, _ = fitted(name)
    assert (first.predict_proba(frame) == second.predict_proba(frame)).all()
    params = first.get_params()
    for key, value in QUICK[name].items():
        assert params[f"estimator__{key}"] == value
    assert params["estimator__random_state"] == 0


def test_a_parameter_that_the_estimator_does_not_have_is_refused_with_those_it_has():
    with pytest.raises(ConfigurationError, match=r"sklearn\.params\.numTrees is no .* accepted are .*n_estimators"):
        pipeline("random_forest", {"numTrees": 3}, ("number",), (), 0)


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_trees_split_by_sets_of_categories(name):
    """The label depends on which of twenty categories a row has, in no order that a threshold on codes would find."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"text": pd.Categorical([f"c{code:02}" for code in random.integers(0, 20, 2000)])})
    label = frame["text"].cat.codes % 2
    shallow = {
        "lightgbm": {"num_leaves": 2, "min_data_per_group": 1, "cat_smooth": 1},
        "xgboost": {"max_leaves": 2, "max_cat_to_onehot": 1},
    }[name]
    model = pipeline(name, {"n_estimators": 1, "learning_rate": 1, **shallow}, (), ("text",), 0).fit(frame, label)
    assert (model.predict(frame) == label).all()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_the_number_of_threads_does_not_change_the_model(name, threads):
    model, frame = fitted(name, params={"n_jobs": threads})
    default, _ = fitted(name)
    assert (model.predict_proba(frame) == default.predict_proba(frame)).all()


def days_of_noise(later):
    """Rows of twenty days, in order: a number that says all, and one that misleads from day 18 if `later` says so."""
    random = np.random.default_rng(0)
    day, number = np.repeat(np.arange(20), 100), random.normal(size=2000)
    label = pd.Series(number + random.normal(size=2000) > 0).astype(np.int64)
    if later == "reversed":
        label[day >= 18] = 1 - label[day >= 18]
    if later == "one class":
        label[day >= 18] = 1
    return pd.DataFrame({"number": number}), label, day


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_trees_are_counted_on_the_last_days_alone(name):
    def found(later):
        return boosting.trees(pipeline(name, {}, ("number",), (), 0), *days_of_noise(later))

    assert found("reversed") == {"n_estimators": 1}
    assert 5 < found("as before")["n_estimators"] < 200
    assert found("one class") == {}


def test_other_estimators_and_boosting_that_can_not_be_stopped_count_no_trees():
    rows = days_of_noise("as before")
    assert boosting.trees(pipeline("hist_gradient_boosting", {}, ("number",), (), 0), *rows) == {}
    assert (
        boosting.trees(pipeline("lightgbm", {"boosting_type": "dart", "num_leaves": 2}, ("number",), (), 0), *rows)
        == {}
    )


def test_what_ratchet_sets_itself_is_no_parameter():
    with pytest.raises(ConfigurationError, match=r"sklearn\.params\.early_stopping_rounds is no parameter of xgboost"):
        pipeline("xgboost", {"early_stopping_rounds": 5}, ("number",), (), 0)
    assert pipeline("lightgbm", {"max_bin": 31}, ("number",), (), 0).get_params()["estimator__max_bin"] == 31


@pytest.mark.parametrize(("name", "params"), [("lightgbm", {"num_leaves": 1}), ("xgboost", {"tree_method": "no"})])
def test_a_value_that_a_booster_refuses_raises_what_the_engine_knows(name, params, capfd):
    with pytest.raises(boosting.refusals()):
        fitted(name, params=params)
    assert capfd.readouterr().out == ""
