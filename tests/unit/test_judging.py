"""Which of the existing versions a candidate has to beat."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.core.guardrail import GuardrailResult
from ratchet.core.objective import Objective
from ratchet.core.rival import Rival
from ratchet.errors import ConfigurationError
from ratchet.io.records.candidates import Candidate
from ratchet.io.records.version import Version
from ratchet.jobs.promotion.judging import judge
from ratchet.settings import Guardrail, Promotion

NOW = datetime(2013, 12, 1, tzinfo=UTC)
share = st.floats(0, 1)
ALONE = 99


def candidate(f1):
    metrics = {"f1": f1, "f1_all_positive": 0.3}
    tags = {"ratchet.test_from": "2013-11-01", "ratchet.test_until": "2013-12-01"}
    return Candidate("r0", "1", "sklearn", "c0", "memory:/r0", metrics, tags, NOW)


def version(number, f1, *, champion=False, **tags):
    aliases = ("champion",) if champion else ()
    return Version("m", number, f"r{number}", f1, ("2013-10-01", "2013-11-01"), aliases, tags, NOW)


def row(number, f1, own, *, champion=False):
    return Rival(number, "same_rows", f1, None, None, None, None, None, own - f1, 0.9, champion, "")


@st.composite
def histories(draw):
    """A candidate's F1, and versions with a row each; the first of them serves."""
    own = draw(share)
    values = draw(st.lists(share, min_size=1, max_size=5))
    versions = [version(number, f1, champion=number == 1) for number, f1 in enumerate(values, 1)]
    rows = [row(number, f1, own, champion=number == 1) for number, f1 in enumerate(values, 1)]
    return own, rows, versions


def outcome(own, rows, versions, promotion=None):
    return judge(candidate(own), rows, versions, promotion or Promotion()).outcome


@given(histories(), share)
def test_a_version_that_was_set_aside_never_changes_a_decision(history, f1):
    own, rows, versions = history
    aside = version(ALONE, f1, **{"ratchet.set_aside": "it leaks"})
    before = outcome(own, rows, versions)
    assert outcome(own, rows, [*versions, aside]) == before
    assert outcome(own, [*rows, row(ALONE, f1, own)], [*versions, aside]) == before


@given(histories(), st.none() | share)
def test_a_version_that_was_not_scored_never_changes_a_decision_beside_a_champion_that_was(history, f1):
    own, rows, versions = history
    beyond = version(ALONE, f1)
    recorded = Rival.recorded(ALONE, f1, own, champion=False)
    decision = judge(candidate(own), [*rows, *([recorded] if recorded else [])], [*versions, beyond], Promotion())
    assert decision.outcome == outcome(own, rows, versions)
    assert list(decision.not_compared) == [ALONE]


@given(histories(), st.none() | share, st.booleans())
def test_a_version_beyond_the_limit_never_changes_a_decision(history, f1, champion_scored):
    own, rows, versions = history
    if not champion_scored:
        recorded = Rival.recorded(1, versions[0].f1, own, champion=True, note="it can't be loaded")
        rows = [recorded, *rows[1:]]
    beyond = Rival.left_out(ALONE, f1, False, "it is beyond promotion.rescore, which is 5")
    before = judge(candidate(own), rows, versions, Promotion())
    decision = judge(candidate(own), [*rows, beyond], [*versions, version(ALONE, f1)], Promotion())
    assert (decision.outcome, decision.rivals) == (before.outcome, before.rivals)
    assert decision.not_compared == {**before.not_compared, ALONE: beyond.note}
    assert decision.reason.startswith(before.reason)


def test_a_left_out_version_that_became_the_champion_counts_with_its_recorded_f1():
    beyond = Rival.left_out(2, 0.6, False, "it is beyond promotion.rescore, which is 1")
    versions = [version(1, 0.4), version(2, 0.6, champion=True)]
    decision = judge(candidate(0.5), [row(1, 0.4, 0.5), beyond], versions, Promotion())
    assert decision.outcome == "held"
    assert decision.reason.startswith("the champion, version 2, was not scored on these rows, so recorded F1 counts; ")


@given(histories(), st.data())
def test_the_order_of_the_versions_does_not_matter(history, data):
    own, rows, versions = history
    shuffled = outcome(own, data.draw(st.permutations(rows)), data.draw(st.permutations(versions)))
    assert shuffled == outcome(own, rows, versions)


@given(histories())
def test_against_the_champion_alone_no_other_version_counts(history):
    own, rows, versions = history
    alone = Promotion(against="champion")
    assert outcome(own, rows, versions, alone) == outcome(own, rows[:1], versions[:1])


def test_where_the_champion_was_not_scored_its_record_counts():
    decision = judge(candidate(0.5), [row(2, 0.4, 0.5)], [version(1, 0.6, champion=True), version(2, 0.4)], Promotion())
    assert decision.outcome == "held"
    assert "by its recorded F1" in decision.reason


GUARDRAIL = Guardrail(metric="f1", slice="carrier", not_worse_by=0.03)


def result(*, broken, champion=1):
    return GuardrailResult(GUARDRAIL.text, "f1", "not_worse_by", 0.03, "carrier = UA", champion, 0.4, 0.5, broken, 0.01)


@given(histories(), st.booleans())
def test_a_broken_guardrail_holds_what_would_be_promoted_and_changes_nothing_else(history, broken):
    own, rows, versions = history
    plain = judge(candidate(own), rows, versions, Promotion())
    promotion, guarded = Promotion(guardrails=(GUARDRAIL,)), [result(broken=broken)]
    decision = judge(candidate(own), rows, versions, promotion, guarded)
    if plain.promoted and broken:
        assert decision.outcome == "held"
        assert decision.reason == f"{plain.reason}, but a guardrail is broken: {guarded[0].sentence()}"
    else:
        assert decision == plain


def test_a_candidate_whose_guardrails_were_not_measured_beside_this_champion_is_held():
    rows, versions = [row(2, 0.4, 0.5, champion=True)], [version(2, 0.4, champion=True)]
    promotion = Promotion(guardrails=(GUARDRAIL,))
    for guarded in ([], [result(broken=False, champion=1)]):
        decision = judge(candidate(0.5), rows, versions, promotion, guarded)
        assert decision.outcome == "held"
        assert decision.reason.endswith("train again")
    assert judge(candidate(0.5), rows, versions, promotion, [result(broken=False, champion=2)]).promoted


COST = Objective(cost=(1, 8))


def measured_by(objective, value, constant=-0.9):
    found = candidate(0.2)
    metrics = {**found.metrics, "objective": value, "objective_constant": constant}
    return replace(found, metrics=metrics, tags={**found.tags, **objective.tags()})


def test_the_decision_follows_the_objective_and_f1_is_beside_it():
    rows = [row(1, 0.6, 0.2, champion=True).by(-0.7, -0.5)]
    decision = judge(measured_by(COST, -0.5), rows, [version(1, 0.6, champion=True)], Promotion(objective=COST))
    assert decision.promoted
    assert (decision.f1, decision.achieved.value) == (0.2, -0.5)


def test_a_version_registered_since_counts_by_the_value_that_it_recorded_or_holds():
    tags = {**COST.tags(), "ratchet.objective_value": "-0.4"}
    since = version(1, 0.1, **tags)
    held = judge(measured_by(COST, -0.5), [], [since], Promotion(objective=COST))
    assert (held.outcome, held.rivals[0].value) == ("held", -0.4)
    assert "is above version 1 by its recorded cost (0.400" in held.reason
    unknown = judge(measured_by(COST, -0.5), [], [version(1, 0.1)], Promotion(objective=COST))
    assert unknown.reason.startswith("version 1 can be neither scored nor found with a recorded cost")


@pytest.mark.parametrize(
    ("measured", "set_to", "said"),
    [
        (COST, Objective(), "promotion.objective is f1, and the run r0 of the cycle c0 was measured by {'cost'"),
        (Objective(), COST, "was measured by f1; train again"),
        (Objective(cost=(1, 9)), COST, "train again"),
    ],
)
def test_a_run_that_was_measured_by_another_objective_is_refused(measured, set_to, said):
    with pytest.raises(ConfigurationError, match=said):
        judge(measured_by(measured, -0.5), [], [], Promotion(objective=set_to))
