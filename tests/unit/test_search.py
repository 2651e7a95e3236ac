"""The settings, folds and trials of a search for parameters."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ratchet.core.folds import LEAST_DAYS, forward_folds
from ratchet.core.objective import F1
from ratchet.core.search import Searched, Trial, best
from ratchet.core.windows import Period
from ratchet.engines.sklearn.folding import check_space
from ratchet.errors import ConfigurationError, DataError
from ratchet.settings.training import SklearnSettings
from tests.unit.event_tables import settings

SPACE = {"learning_rate": {"low": 0.01, "high": 0.3, "log": True}, "max_leaf_nodes": (15, 31, 63)}


def searching(space, estimator="hist_gradient_boosting", params=None, **search):
    content = {"estimator": estimator, "params": params or {}, "search": {"space": space, **search}}
    return SklearnSettings.model_validate(content)


def test_a_space_has_ranges_and_lists():
    search = searching(SPACE).search
    assert (search.space["learning_rate"].log, search.space["max_leaf_nodes"]) == (True, (15, 31, 63))
    assert (search.trials, search.minutes, search.folds) == (25, 10, 3)


@pytest.mark.parametrize(
    ("space", "options", "expected"),
    [
        ({"learning_rate": {"low": 0.3, "high": 0.3}}, {}, "low is 0.3 and high is 0.3"),
        ({"learning_rate": {"low": "a", "high": 1}}, {}, "two numbers are accepted"),
        ({"learning_rate": {"low": 0, "high": 1, "log": True}}, {}, "a number above 0 is accepted"),
        ({"learning_rate": {"from": 0, "to": 1}}, {}, "is no space; accepted are"),
        ({"max_leaf_nodes": (15,)}, {}, "two or more different values"),
        ({"max_leaf_nodes": (15, 15)}, {}, "two or more different values"),
        ({}, {}, "at least 1 item"),
        (SPACE, {"trials": 0}, "greater than or equal to 1"),
        (SPACE, {"minutes": 0}, "greater than 0"),
        (SPACE, {"params": {"learning_rate": 0.1}}, "learning_rate is in params and in search.space"),
    ],
)
def test_a_search_that_can_not_be_meant_is_refused(space, options, expected):
    with pytest.raises(ValidationError, match=expected):
        searching(space, **options)


def test_a_parameter_that_the_estimator_does_not_have_is_refused_with_those_near_it(tmp_path):
    wrong = settings(tmp_path / "none").model_copy(
        update={"sklearn": searching({"learning_rat": (0.1, 0.2)}, "xgboost")}
    )
    expected = r"sklearn\.search\.space\.learning_rat is no parameter of xgboost; near it are learning_rate.*accepted"
    with pytest.raises(ConfigurationError, match=expected):
        check_space(wrong)


@given(
    days=st.integers(1, 2000),
    number=st.integers(1, 10),
    gap=st.none() | st.integers(1, 60).map(lambda days: Period(days, "d")),
)
def test_folds_go_forward_and_end_with_the_window(days, number, gap):
    end = date(2024, 3, 1)
    first = end - timedelta(days=days)
    if days // (number + 1) < LEAST_DAYS + (gap.number if gap else 0):
        with pytest.raises(DataError, match=f"the training window has {days} days, too few for {number} folds"):
            forward_folds(first, end, number, gap)
        return
    folds = forward_folds(first, end, number, gap)
    assert len(folds) == number
    assert folds[-1].end == end
    for before, after in pairwise(folds):
        assert before.end == after.start
    for fold in folds:
        assert (fold.known - first).days >= LEAST_DAYS
        assert (fold.end - fold.start).days >= LEAST_DAYS
        assert (fold.start - fold.known).days == (gap.number if gap else 0)


def test_a_tie_goes_to_the_untuned_parameters_and_a_table_has_every_trial():
    trials = [Trial(0, {}, 0.5, 1.0), Trial(1, {"a": 2}, 0.5, 1.5), Trial(2, {"b": "x"}, 0.4, 2.0)]
    assert best(trials).number == 0
    searched = Searched(F1, trials, 3, 4.5, stopped=False, untuned_f1=None)
    assert searched.metrics(0.6)["untuned_f1"] == 0.6
    assert searched.to_csv() == "trial,value,seconds,a,b\n0,0.5,1.0,,\n1,0.5,1.5,2,\n2,0.4,2.0,,x\n"
