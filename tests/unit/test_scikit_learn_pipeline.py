import numpy as np
import pandas as pd
import pytest

from ratchet.engines.sklearn.pipeline import pipeline
from ratchet.errors import ConfigurationError

ESTIMATORS = ("hist_gradient_boosting", "logistic_regression", "random_forest")
QUICK = {
    "hist_gradient_boosting": {"max_iter": 5},
    "logistic_regression": {},
    "random_forest": {"n_estimators": 5, "n_jobs": 1},
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


def fitted(name, numeric=("number", "gaps"), categorical=("text",), **options):
    frame, label = rows(**options)
    model = pipeline(name, QUICK[name], numeric, categorical, 0)
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


@pytest.mark.parametrize("name", ["hist_gradient_boosting", "random_forest"])
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
