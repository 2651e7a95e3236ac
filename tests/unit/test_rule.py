"""The bench of rules, on histories that are small enough to be trained here."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from bench.rule import generated, page, picture
from bench.rule.candidates import candidates
from bench.rule.intervals import difference
from bench.rule.play import play
from bench.rule.power import power
from bench.rule.results import result
from bench.rule.rules import RULES, promotes

from ratchet.settings import Data, Evaluation, Label, Settings

SETTINGS = Settings(
    model="bench",
    data=Data(uri="nowhere", timestamp="at", label=Label(column="y", positive=True)),
    evaluation=Evaluation(bootstrap_samples=500),
)


@pytest.fixture(scope="module")
def history():
    world = generated.make("abrupt change", generated.abrupt, seed=1, periods=8, rows_a_day=40)
    return list(candidates(replace(world, estimator="logistic_regression"), SETTINGS))


def test_without_a_gate_the_newest_serves_and_the_first_for_ever_never_changes(history):
    newest, first = (play(RULES[rule], history, SETTINGS) for rule in ("newest", "first"))
    assert newest.promoted == (True,) * 6
    assert newest.serving == (1, 2, 3, 4, 5)
    assert first.promoted == (True, *(False,) * 5)
    assert first.serving == (1,) * 5


def test_what_beats_all_versions_beats_the_champion_among_them(history):
    for place in range(1, len(history)):
        existing, candidate = history[:place], history[place]
        by_all, by_champion = (promotes(RULES[rule], candidate, existing, SETTINGS) for rule in ("all", "champion"))
        assert by_champion or not by_all
        for rule in ("all", "champion"):
            confident = promotes(RULES[f"{rule}, 0.95"], candidate, existing, SETTINGS)
            assert promotes(RULES[rule], candidate, existing, SETTINGS) or not confident


def test_a_candidate_serves_in_the_period_after_its_decision_only_on_rows_that_it_has_not_seen(history):
    played = play(RULES["newest"], history, SETTINGS)
    for period, (before, after) in enumerate(pairwise(history)):
        assert before.windows.as_of == after.windows.test.start
        tested = after.counts.between(int(after.counts.day[0]), int(after.counts.day[-1]))
        kept = (before.measured.day >= tested.day[0]) & (before.measured.day <= tested.day[-1])
        right, wrong, missed = (
            getattr(before.measured, kind)[kept].sum() for kind in ("true_positive", "false_positive", "false_negative")
        )
        assert played.f1["measured"][period] == pytest.approx(2 * right / (2 * right + wrong + missed))


def test_a_refitted_model_labels_some_rows_differently_and_a_gain_after_a_change_is_seen(history):
    assert all(0 < candidate.flips < 0.5 for candidate in history)
    # The concept changes after period 4: what is refitted on it knows more of it.
    played = play(RULES["newest"], history, SETTINGS)
    assert played.f1["refitted"][2] > played.f1["measured"][2]


def test_an_interval_of_a_known_difference_covers_it_and_that_of_none_is_zero():
    draw = np.random.default_rng(1)
    base, noise = draw.random(200), draw.normal(0, 0.01, size=200)
    found = difference([base + 0.02 + noise], [base], seed=1)
    assert found.low < 0.02 < found.high
    assert found.high - found.low < 0.01
    assert found.shown == 1
    same = difference([base], [base], seed=1)
    assert (same.low, same.mean, same.high, same.shown, same.better) == (0, 0, 0, 0, 0)


def test_periods_before_the_first_version_are_left_out():
    found = difference([np.array([np.nan, 0.5, 0.6])], [np.array([0.4, 0.4, 0.4])], seed=1)
    assert found.periods == 2
    assert found.mean == pytest.approx(0.15)


def test_many_equal_versions_cost_power_and_a_lead_is_found_more_often():
    found = {(one.lead, one.versions): one for one in power(0.01, 40, seed=1)}
    assert found[0.008, 1].promoted > found[0.008, 20].promoted
    assert found[0.015, 1].promoted > found[0.0, 1].promoted
    assert all(one.promoted_with_confidence <= one.promoted for one in found.values())


def test_the_tables_and_the_picture_show_each_rule(history, tmp_path):
    found = result("no drift", [history], SETTINGS)
    text = page.tables([found])
    for rule in RULES:
        assert f" {rule} |" in text
    assert f"{found.f1('newest', 'measured'):.3f} (6)" in text
    picture.draw([found], tmp_path / "rule.png")
    assert (tmp_path / "rule.png").read_bytes().startswith(b"\x89PNG")
