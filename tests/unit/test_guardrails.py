"""What must not get worse: the sums by day, the joint test, and the sentence that holds a candidate."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from ratchet.core.evaluation.day_sums import MEASURES, DaySums, row_losses
from ratchet.core.evaluation.guardrails import Measurements, results, slice_rows
from ratchet.core.evaluation.objective_values import value_of
from ratchet.core.guardrail import GuardrailResult, why_held
from ratchet.core.objective import F1, Objective
from ratchet.core.slices import ALL_ROWS, Slice
from ratchet.errors import FailedError
from ratchet.settings import Guardrail

DAYS = 30


def rows_of(seed, recall=0.7, rows=60):
    """A group's sums over 30 days; the models of two seeds label the same rows."""
    random, truth = np.random.default_rng(seed), np.random.default_rng(7)
    day = np.repeat(np.arange(DAYS), rows)
    label = truth.random(len(day)) < 0.3
    predicted = np.where(label, random.random(len(day)) < recall, random.random(len(day)) < 0.2)
    score = np.where(predicted, 0.75, 0.125)
    return DaySums.from_rows(day, label, predicted, np.ones(len(day), int), *row_losses(score, label))


def together(*parts):
    def total(name):
        return sum(getattr(part.confusion, name) for part in parts)

    kinds = ("true_positive", "false_positive", "false_negative", "true_negative")
    confusion = replace(parts[0].confusion, **{name: total(name) for name in kinds})
    return DaySums(confusion, sum(p.squared_error for p in parts), sum(p.log_loss for p in parts))


def found(own, champion, since=0):
    """Two groups of one slice, `x = a` and `x = b`, and all rows."""

    def sums(parts):
        return {ALL_ROWS: together(*parts), (0, 0): parts[0], (0, 1): parts[1]}

    grouping = Slice("x").grouped({"a": 2, "b": 1})
    return Measurements([grouping], sums(own), champion and sums(champion), champion and 4, since, "no champion")


def held(guardrails, measured, **whole):
    rows = results(guardrails, measured, whole, 500, 0)
    return [(row.group, row.broken) for row in rows]


@given(st.data())
def test_each_measure_is_that_of_scikit_learn(data):
    size = data.draw(st.integers(20, 60))
    random = np.random.default_rng(data.draw(st.integers(0, 999)))
    day, label = random.integers(0, 5, size), random.random(size) < 0.4
    score = random.integers(0, 65, size) / 64
    label[:2] = True, False
    sums = DaySums.from_rows(day, label, score >= 0.5, np.ones(size, int), *row_losses(score, label))
    expected = {
        "f1": metrics.f1_score(label, score >= 0.5),
        "precision": metrics.precision_score(label, score >= 0.5, zero_division=0.0),
        "recall": metrics.recall_score(label, score >= 0.5),
        "accuracy": metrics.accuracy_score(label, score >= 0.5),
        "brier": metrics.brier_score_loss(label, score),
        "log_loss": metrics.log_loss(label, score),
    }
    assert {name: measure(sums).value for name, measure in MEASURES.items()} == pytest.approx(expected)
    for measure in MEASURES.values():
        assert measure(sums).influence.sum() == pytest.approx(0, abs=1e-9)


def test_a_bound_on_all_rows_is_compared_with_the_metric_as_it_is():
    measured = found([rows_of(1), rows_of(2)], None)
    recall, brier = Guardrail(metric="recall", at_least=0.5), Guardrail(metric="brier", at_most=0.2)
    assert held([recall, brier], measured, recall=0.5, brier=0.2) == [("", False), ("", False)]
    assert held([recall, brier], measured, recall=0.499, brier=0.201) == [("", True), ("", True)]


def test_only_the_slice_that_is_shown_to_be_worse_by_more_than_the_margin_breaks_a_guardrail():
    measured = found([rows_of(1), rows_of(2, recall=0.5)], [rows_of(3), rows_of(4)])
    tight = Guardrail(metric="f1", slice="x", not_worse_by=0.02)
    wide = Guardrail(metric="f1", slice="x", not_worse_by=0.3)
    assert held([tight], measured) == [("x = a", False), ("x = b", True)]
    assert held([wide], measured) == [("x = a", False), ("x = b", False)]


def test_a_slice_is_held_to_a_bound_only_where_it_is_shown_to_be_beyond_it():
    measured = found([rows_of(1, recall=0.7), rows_of(2, recall=0.4)], None)
    assert held([Guardrail(metric="recall", slice="x", at_least=0.65)], measured) == [("x = a", False), ("x = b", True)]
    close = rows_of(1, recall=0.7).confusion
    value = close.true_positive.sum() / (close.true_positive + close.false_negative).sum()
    assert held([Guardrail(metric="recall", slice="x", at_least=value + 0.005)], measured)[0] == ("x = a", False)


@pytest.mark.parametrize("metric", sorted(MEASURES))
def test_the_same_model_breaks_no_margin(metric):
    same = [rows_of(1), rows_of(2)]
    guardrails = [Guardrail(metric=metric, not_worse_by=0), Guardrail(metric=metric, slice="x", not_worse_by=0)]
    assert [broken for _, broken in held(guardrails, found(same, same))] == [False] * 3


def test_less_is_better_where_the_metric_is_a_loss():
    better, worse = [rows_of(1, 0.9), rows_of(2, 0.9)], [rows_of(3, 0.4), rows_of(4, 0.4)]
    guardrail = [Guardrail(metric="brier", not_worse_by=0.01)]
    assert held(guardrail, found(better, worse)) == [("", False)]
    assert held(guardrail, found(worse, better)) == [("", True)]


def test_a_guardrail_on_the_objective_follows_it():
    own, champion = [rows_of(1, recall=0.9), rows_of(2, recall=0.9)], [rows_of(3, recall=0.5), rows_of(4, recall=0.5)]
    guardrail = [Guardrail(metric="objective", not_worse_by=0.01)]
    for objective in (F1, Objective(cost=(1.0, 8.0))):
        kept, broken = (
            results(guardrail, measured, {}, 500, 0, objective)[0]
            for measured in (found(own, champion), found(champion, own))
        )
        assert (kept.broken, broken.broken) == (False, True)
        assert kept.value == broken.champion_value == pytest.approx(value_of(objective, together(*own).confusion))


def test_equal_models_are_seldom_held_however_many_guardrails_there_are():
    guardrails = [Guardrail(metric=metric, slice="x", not_worse_by=0) for metric in ("f1", "recall", "precision")]
    broken = [
        any(
            row
            for _, row in held(
                guardrails, found(*[[rows_of(4 * seed + place), rows_of(4 * seed + 2)] for place in (0, 1)])
            )
        )
        for seed in range(10, 90)
    ]
    assert sum(broken) <= 8  # of 80 at 5 %: four on average, more than eight once in fifty


def test_nothing_is_told_of_groups_with_too_few_rows():
    few = rows_of(1, rows=1)
    measured = found([few, rows_of(2)], [few, rows_of(2)])
    rows = results([Guardrail(metric="f1", slice="x", not_worse_by=0)], measured, {}, 200, 0)
    assert [(row.value is None, row.broken) for row in rows] == [(True, False), (False, False)]
    assert "at least 20 of each class on 14 days" in rows[0].note
    by_name = {row.group: row for row in slice_rows(measured, 200, 0)}
    assert by_name["x = a"].f1 is None
    assert by_name["x = b"].difference == 0


def test_both_count_on_the_days_that_the_champion_has_not_learnt_from():
    measured = found([rows_of(1), rows_of(2)], [rows_of(3), rows_of(4)], since=10)
    own = rows_of(1).reindexed(np.arange(10, DAYS))
    (row,) = [row for row in slice_rows(measured, 200, 0) if row.group == "x = a"]
    assert row.f1 == MEASURES["f1"](rows_of(1)).value
    assert row.difference == pytest.approx(MEASURES["f1"](own).value - row.champion_f1)
    late = found([rows_of(1), rows_of(2)], [rows_of(3), rows_of(4)], since=20)
    assert held([Guardrail(metric="f1", not_worse_by=0)], late) == [("", False)]


def test_the_group_that_is_furthest_below_the_champion_comes_first():
    measured = found([rows_of(1), rows_of(2, recall=0.5)], [rows_of(3), rows_of(4)])
    assert [row.group for row in slice_rows(measured, 200, 0)] == ["x = b", "x = a"]
    alone = found([rows_of(1), rows_of(2, recall=0.5)], None)
    assert [(row.group, row.difference) for row in slice_rows(alone, 200, 0)] == [("x = b", None), ("x = a", None)]


@pytest.mark.parametrize("objective", [Objective(beta=2.0), Objective(cost=(1.0, 8.0))])
def test_groups_are_measured_by_the_objective_beside_their_f1(objective):
    own, champion = rows_of(2, recall=0.5), rows_of(4)
    measured = found([rows_of(1), own], [rows_of(3), champion])
    worst, _ = slice_rows(measured, 200, 0, objective)
    value, theirs = (value_of(objective, sums.confusion) for sums in (own, champion))
    assert worst.group == "x = b"
    assert (worst.value, worst.champion_value) == pytest.approx((value, theirs))
    assert worst.difference == pytest.approx(value - theirs)
    assert worst.interval[0] < value < worst.interval[1]
    assert worst.f1 == pytest.approx(value_of(F1, own.confusion))


def test_no_interval_reaches_beyond_what_is_possible():
    measured = found([rows_of(1, rows=4), rows_of(2, recall=0.05, rows=4)], [rows_of(3, rows=4), rows_of(4, rows=4)])
    rows = {row.group: row for row in slice_rows(measured, 500, 0, Objective(cost=(1.0, 8.0)))}
    assert rows["x = b"].f1_low == 0.0
    assert all(row.objective_high <= 0.0 for row in rows.values())


RESULT = GuardrailResult("f1 by x not worse by 0.03", "f1", "not_worse_by", 0.03, "x = b", 4, 0.412, 0.47, True, 0.02)
WORSE = replace(RESULT, group="x = c", value=0.2)
KEPT = replace(RESULT, group="x = a", broken=False)


def test_the_sentence_names_metric_group_both_values_and_the_bound():
    why = why_held([KEPT, RESULT], [RESULT.guardrail], 4)
    beside = (
        "f1 of x = b is 0.412 and the champion's, version 4, 0.470: shown to be worse by more than the 0.03 allowed"
    )
    assert why == f"a guardrail is broken: {beside}"
    assert why_held([KEPT, RESULT, WORSE], [RESULT.guardrail], 4).startswith(
        "a guardrail is broken: f1 of x = c is 0.200"
    )
    assert why_held([RESULT, WORSE], [RESULT.guardrail], 4).endswith(", and 1 more is broken")


def test_a_guardrail_that_was_measured_beside_another_champion_or_not_at_all_holds():
    assert why_held([KEPT], [KEPT.guardrail], 4) is None
    assert "beside the champion, version 5; train again" in why_held([KEPT], [KEPT.guardrail], 5)
    assert "did not measure the guardrail “recall at least 0.5”" in why_held([KEPT], ["recall at least 0.5"], 4)
    assert why_held([RESULT], [RESULT.guardrail], None) is None  # there is none to be worse than
    assert why_held([RESULT], [], 4) is None  # the setting is gone


def test_results_survive_their_file():
    assert GuardrailResult.from_csv(GuardrailResult.to_csv([KEPT, RESULT])) == (KEPT, RESULT)
    with pytest.raises(FailedError, match=r"line 2 of guardrails\.csv can't be read"):
        GuardrailResult.from_csv(GuardrailResult.to_csv([RESULT]).replace("True", "perhaps"))
