import json
import math
import re
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ratchet.core.decision import Decision, Others, decide
from ratchet.core.decision_sentences import numbers
from ratchet.core.objective import Achieved, Objective
from ratchet.core.rival import Rival
from ratchet.errors import FailedError

share = st.floats(0, 1)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)


def rival(version, f1, basis="same_rows", note="", champion=False, recorded_f1=None, probability=None):
    return Rival(version, basis, f1, None, None, None, None, recorded_f1, 0.0, probability, champion, note)


def decided(f1, trivial, others, probability, confidence, **more):
    """A decision where each rival on the same rows is beaten with one probability."""
    known = [replace(one, probability=probability) if one.basis == "same_rows" else one for one in others]
    return decide(f1, trivial, known, confidence, Others(**more))


@st.composite
def rivals(draw, min_size=0):
    values = draw(st.lists(share, min_size=min_size, max_size=6))
    return [rival(number, f1, draw(st.sampled_from(["same_rows", "recorded"]))) for number, f1 in enumerate(values, 1)]


@given(share, share, rivals(), st.none() | share, st.none() | st.floats(0.01, 0.99), st.lists(st.integers(7, 9)))
def test_promoted_only_when_strictly_greater_than_all(f1, trivial, others, probability, confidence, unknown):
    decision = decided(f1, trivial, others, probability, confidence, unknown=unknown)
    if decision.promoted:
        assert all(f1 > other.f1 for other in others)
        assert f1 > trivial
        assert not unknown


@given(share, share, rivals(min_size=1))
def test_greater_than_all_is_enough_where_no_confidence_is_asked_for(f1, trivial, others):
    assume(f1 > max(trivial, *(other.f1 for other in others)))
    assert decided(f1, trivial, others, None, None).promoted


@given(share, rivals(min_size=1), st.data())
def test_the_order_of_the_rivals_does_not_matter(f1, others, data):
    shuffled = data.draw(st.permutations(others))
    assert decided(f1, 0.4, others, 0.7, 0.6) == decided(f1, 0.4, shuffled, 0.7, 0.6)


@given(share, rivals(), share)
def test_another_rival_never_turns_held_into_promoted(f1, others, more):
    before = decided(f1, 0.0, others, 0.9, None)
    after = decided(f1, 0.0, [*others, rival(99, more)], 0.9, None)
    assert before.promoted or not after.promoted or not others


@given(share, share, rivals(), st.none() | share)
def test_a_reason_is_one_sentence(f1, trivial, others, probability):
    decision = decided(f1, trivial, others, probability, 0.8)
    assert decision.reason.startswith("F1 ")
    assert "\n" not in decision.reason
    assert not decision.reason.endswith(".")


def test_a_tie_holds():
    decision = decided(0.53, 0.4, [rival(3, 0.53)], 0.0, None)
    assert decision.outcome == "held"
    assert decision.reason == (
        "F1 0.530 ties with version 3 on the same rows (0.530; better on days like these with a probability of 0 %)"
    )


def test_the_reason_names_the_best_of_all_and_the_numbers():
    others = [rival(1, 0.51), rival(3, 0.53), rival(2, 0.52)]
    assert decided(0.541, 0.4, others, 0.71, None).reason == (
        "F1 0.541 beats version 3, the best of 3 versions, on the same rows"
        " (0.530, difference +0.011; better on days like these with a probability of 71 %)"
    )


def test_numbers_get_as_many_digits_as_tell_them_apart():
    assert decided(0.53002, 0.4, [rival(1, 0.53001)], None, None).reason == (
        "F1 0.53002 beats version 1 on the same rows (0.53001, difference +0.00001)"
    )


@given(share, share)
def test_numbers_that_differ_never_look_alike(first, second):
    one, other = numbers(first, second)
    assert (one == other) is (first == second)


def test_the_first_version_must_beat_labelling_every_row_positive():
    assert decided(0.5, 0.49, [], None, None).outcome == "promoted"
    assert decided(0.49, 0.49, [], None, None).outcome == "held"
    assert decided(0.48, 0.49, [], None, None).outcome == "held"


def test_a_later_version_must_beat_labelling_every_row_positive_too():
    decision = decided(0.66730, 0.66744, [rival(1, 0.6)], 1.0, None)
    assert decision.outcome == "held"
    assert decision.reason == "F1 0.6673 is not better than labelling every row positive (0.6674)"


def test_a_champion_that_needs_no_model_is_said_to_be_so():
    champion = rival(3, 0.45, champion=True)
    assert decided(0.6, 0.5, [champion, rival(2, 0.55)], None, None).reason.endswith(
        "; the champion, version 3 (0.450), is no better than labelling every row positive (0.500)"
    )
    assert "the champion" not in decided(0.6, 0.44, [champion], None, None).reason


def test_the_probability_is_that_of_beating_the_best_rival():
    others = [rival(1, 0.5, probability=0.99), rival(2, 0.55, probability=0.8)]
    decision = decide(0.6, 0.4, others, 0.9)
    assert (decision.outcome, decision.probability) == ("held", 0.8)


def test_what_is_set_aside_is_named_and_counts_for_nothing():
    decision = decided(0.566, 0.4, [rival(1, 0.554)], 0.7, None, set_aside={2: "it leaks"})
    assert decision.promoted
    assert decision.reason.endswith("; set aside: version 2")
    assert decided(0.5, 0.4, [], None, None, set_aside={1: "slow", 3: "slow"}).reason == (
        "F1 0.500 meets no version that counts, and labelling every row positive has 0.400; set aside: versions 1, 3"
    )


@given(share, rivals(), st.none() | share, st.integers(1, 9))
def test_a_decision_is_read_as_it_was_written(f1, others, probability, number):
    decision = decided(f1, 0.4, others, probability, 0.8, unknown=(8,), set_aside={number: "slow"})
    assert Decision.from_record(json.loads(json.dumps(decision.to_record())), "here") == decision


def test_a_rival_on_fewer_rows_is_compared_with_the_candidate_on_those():
    fewer = replace(rival(1, 0.5, probability=0.2), candidate_f1=0.48)
    assert decide(0.6, 0.4, [fewer, rival(2, 0.55, probability=0.9)], None).reason.startswith(
        "F1 0.480 is below version 1, the best of 2 versions, on those of the rows that it has not learnt from (0.500"
    )
    assert decide(0.45, 0.4, [fewer], None).outcome == "held"
    assert decide(0.45, 0.4, [replace(fewer, candidate_f1=0.51)], None).promoted


def test_data_that_are_not_newer_hold_and_what_is_not_compared_is_named():
    held = decide(0.349, 0.3, [], None, Others(newer="its test window ends on 2013-10-01, before that of version 1"))
    assert held.reason == "F1 0.349 decides nothing: its test window ends on 2013-10-01, before that of version 1"
    promoted = decide(0.5, 0.4, [rival(2, 0.4)], None, Others(not_compared={1: "it has learnt from all days"}))
    assert promoted.promoted
    assert promoted.reason.endswith("; not compared: version 1")


def test_a_comparison_without_the_last_column_is_read():
    older = "".join(f"{line.rpartition(',')[0]}\n" for line in Rival.to_csv([rival(1, 0.5)]).splitlines())
    assert Rival.from_csv(older) == (rival(1, 0.5),)


def test_a_record_that_is_none_is_refused_with_its_place():
    with pytest.raises(FailedError, match=r"decision.json of the run r1 can't be read"):
        Decision.from_record({"outcome": "held"}, "the run r1")


def test_a_record_without_earlier_candidates_is_read():
    record = decided(0.5, 0.4, [], None, None).after(4).to_record()
    assert Decision.from_record(record, "the run r1").earlier == 4
    del record["earlier_candidates"]
    assert Decision.from_record(record, "the run r1").earlier == 0


@pytest.mark.parametrize(
    ("earlier", "told"),
    [(0, ""), (1, ""), (2, "3rd"), (3, "4th"), (10, "11th"), (11, "12th"), (20, "21st"), (21, "22nd"), (111, "112th")],
)
def test_the_third_candidate_on_the_same_rows_and_the_thirtieth_look_different(earlier, told):
    before = decided(0.5, 0.4, [], None, None)
    after = before.after(earlier)
    assert after.reason == before.reason + (f"; the {told} candidate measured on these test rows" if told else "")
    assert (after.earlier, after.outcome) == (earlier, before.outcome)


def test_consecutive_versions_that_are_left_out_are_named_as_a_range():
    others = Others(not_compared=dict.fromkeys((9, 1, 2, 3, 4, 6, 7, 12, 11, 10), "x"))
    assert decide(0.5, 0.4, [], None, others).reason.endswith("; not compared: versions 1 to 4, 6, 7, 9 to 12")


def test_confidence_asks_nothing_of_the_first_version():
    assert decided(0.5, 0.4, [], None, 0.99).outcome == "promoted"


@pytest.mark.parametrize(("probability", "outcome"), [(0.95, "promoted"), (0.9499, "held"), (None, "held")])
def test_a_confidence_that_is_asked_for_must_be_reached(probability, outcome):
    decision = decided(0.6, 0.4, [rival(1, 0.5)], probability, 0.95)
    assert decision.outcome == outcome
    assert outcome == "promoted" or "probability of 95 % is asked for" in decision.reason


def test_a_probability_is_rounded_down_so_that_it_does_not_look_as_if_it_had_reached_the_bound():
    assert "94.9 %" in decided(0.6, 0.4, [rival(1, 0.5)], 0.94999, 0.95).reason


def test_a_probability_counts_only_with_a_version_on_the_same_rows():
    decision = decided(0.6, 0.4, [rival(1, 0.5, "recorded")], 0.99, 0.9)
    assert (decision.outcome, decision.probability) == ("held", None)


def test_a_recorded_f1_counts_and_the_reason_says_why():
    others = [rival(1, 0.5), rival(2, 0.52, "recorded", "it can't be loaded"), rival(4, 0.1, "recorded")]
    reason = decided(0.6, 0.4, others, None, None).reason
    assert "version 2, the best of 3 versions, by its recorded F1 (0.520" in reason
    assert reason.endswith("; counted by recorded F1: versions 2 (it can't be loaded), 4")
    assert decided(0.51, 0.4, others, None, None).outcome == "held"


def test_a_version_of_which_nobody_knows_the_f1_holds_the_candidate_and_says_what_to_do():
    decision = decided(0.9, 0.4, [rival(1, 0.5)], 0.99, None, unknown=(4, 2))
    assert (decision.outcome, decision.unknown) == ("held", (2, 4))
    assert re.search("version 2 can be neither scored nor .* delete the version", decision.reason)


@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_what_is_no_number_is_never_promoted(bad):
    assert decided(bad, 0.4, [rival(1, 0.5)], None, None).outcome == "held"
    assert decided(bad, 0.4, [], None, None).outcome == "held"
    for others in ([rival(1, math.nan)], [rival(1, 0.5), rival(2, math.nan)], [rival(1, math.nan), rival(2, 0.5)]):
        assert decided(0.6, 0.4, others, None, None).outcome == "held"


@given(
    st.lists(
        st.builds(
            Rival,
            st.integers(1, 10**6),
            st.sampled_from(["same_rows", "recorded"]),
            st.floats(allow_nan=False),
            *[st.none() | share] * 5,
            st.floats(-1, 1),
            st.none() | share,
            st.booleans(),
            texts,
            st.none() | share,
        ),
        max_size=5,
    )
)
def test_rows_of_the_comparison_are_read_as_they_were_written(rows):
    assert Rival.from_csv(Rival.to_csv(rows)) == tuple(rows)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version", "number", "has the columns"),
        ("same_rows", "some_rows", "line 2 of comparison.csv"),
        ("0.5", "half", "line 2 of comparison.csv"),
        ("false", "no", "line 2 of comparison.csv"),
        (",note", "", "has the columns"),
        (",candidate_f1", ",later", "has the columns"),
    ],
)
def test_rows_that_are_not_those_of_a_comparison_are_refused(old, new, message):
    with pytest.raises(FailedError, match=message):
        Rival.from_csv(Rival.to_csv([rival(1, 0.5)]).replace(old, new))


def test_a_version_without_a_recorded_f1_is_no_rival():
    assert Rival.recorded(1, None, 0.5, champion=False) is None
    assert Rival.recorded(1, 0.4, 0.5, champion=True, note="it is gone") == Rival(
        1, "recorded", 0.4, None, None, None, None, 0.4, pytest.approx(0.1), None, True, "it is gone"
    )


F2, COST = Objective(beta=2), Objective(cost=(1, 8))


def by(objective, value, constant, others, confidence=None, **more):
    """A decision by another objective; F1 says the opposite."""
    known = [replace(one, f1=0.9) for one in others]
    return decide(0.1, 0.05, known, confidence, Others(**more), Achieved(objective, value, constant))


def valued(version, value, own=0.0, probability=0.8, **more):
    return replace(rival(version, 0.9, probability=probability, **more).by(value, own), difference=own - value)


def test_another_objective_decides_and_is_named():
    promoted = by(F2, 0.61, 0.5, [valued(1, 0.58), valued(3, 0.6)])
    assert promoted.promoted
    assert promoted.reason == (
        "F2 0.610 beats version 3, the best of 2 versions, on the same rows"
        " (0.600, difference +0.010; better on days like these with a probability of 80 %)"
    )
    held = by(F2, 0.61, 0.5, [valued(1, 0.62)])
    assert (held.outcome, held.reason.partition(" (")[0]) == ("held", "F2 0.610 is below version 1 on the same rows")
    assert by(F2, 0.4, 0.5, []).reason == (
        "F2 0.400 is not better than labelling every row positive (0.500), and there is no version yet"
    )


def test_of_a_cost_less_is_better_and_the_sentence_has_the_cost_itself():
    assert by(COST, -0.213, -0.245, []).reason == (
        "cost 0.213 a row is that of the first version, and the best constant labelling has 0.245"
    )
    promoted = by(COST, -0.213, -0.245, [valued(1, -0.23)])
    assert promoted.promoted
    assert promoted.reason == (
        "cost 0.213 a row beats version 1 on the same rows"
        " (0.230, difference -0.017; better on days like these with a probability of 80 %)"
    )
    held = by(COST, -0.213, -0.245, [valued(1, -0.2, champion=True)])
    assert held.outcome == "held"
    assert held.reason.startswith("cost 0.213 a row is above version 1 on the same rows (0.200, difference +0.013;")
    assert by(COST, -0.213, -0.245, [valued(1, -0.213)]).reason.startswith("cost 0.213 a row ties with version 1")
    assert by(COST, -0.25, -0.245, [valued(1, -0.3)]).reason == (
        "cost 0.250 a row is not better than the best constant labelling (0.245)"
    )
    assert by(COST, -0.2, -0.245, [valued(1, -0.3, champion=True)]).reason.endswith(
        "; the champion, version 1 (0.300), is no better than the best constant labelling (0.245)"
    )
    assert by(COST, -1234.5, -1300, [valued(1, -1234.6)]).reason.startswith(
        "cost 1234.500 a row beats version 1 on the same rows (1234.600, difference -0.100;"
    )


def test_a_version_without_a_recorded_value_holds_by_another_objective_too():
    held = by(COST, -0.213, -0.245, [], unknown=[2])
    assert held.outcome == "held"
    assert held.reason.startswith("version 2 can be neither scored nor found with a recorded cost, so nothing can be")
    assert "ratchet.f1" not in held.reason


def test_on_fewer_days_the_candidates_own_value_there_is_compared():
    fewer = replace(valued(1, 0.5), candidate_f1=0.2, candidate_objective=0.45)
    assert by(F2, 0.6, 0.4, [fewer]).outcome == "held"
    assert by(F2, 0.3, 0.2, [replace(fewer, candidate_objective=0.55)]).promoted


def test_a_confidence_is_asked_for_by_another_objective_too():
    held = by(COST, -0.2, -0.3, [valued(1, -0.21, probability=0.8)], confidence=0.9)
    assert (held.outcome, held.probability) == ("held", 0.8)


@given(share, share, rivals(), st.none() | share, st.none() | st.floats(0.01, 0.99))
def test_by_f1_as_an_objective_all_is_decided_as_by_f1(f1, trivial, others, probability, confidence):
    plain = decided(f1, trivial, others, probability, confidence)
    known = [replace(one, probability=probability) if one.basis == "same_rows" else one for one in others]
    named = decide(f1, trivial, known, confidence, None, Achieved(Objective(), f1, trivial))
    assert replace(named, achieved=None) == plain


def test_a_decision_by_another_objective_is_read_again_and_one_by_f1_has_nothing_of_it():
    decision = by(COST, -0.213, -0.245, [valued(1, -0.23)])
    record = json.loads(json.dumps(decision.to_record()))
    assert Decision.from_record(record, "a run") == decision
    assert (record["objective"], record["objective_value"], record["objective_constant"], record["f1"]) == (
        {"cost": {"false_positive": 1, "false_negative": 8}},
        -0.213,
        -0.245,
        0.1,
    )
    plain = decided(0.5, 0.4, [rival(1, 0.4)], None, None).to_record()
    assert not [name for name in [*plain, *plain["versions"][0]] if "objective" in name]


def test_rows_by_another_objective_are_read_again_and_those_by_f1_have_the_same_columns_as_before():
    row = replace(valued(1, -0.23, -0.2), objective_low=-0.3, objective_high=-0.1)
    assert Rival.from_csv(Rival.to_csv([row])) == (row,)
    header, cells = Rival.to_csv([row]).splitlines()
    assert header.endswith(",note,candidate_f1,objective,objective_low,objective_high,candidate_objective")
    assert cells.endswith(",-0.23,-0.3,-0.1,")
    assert Rival.to_csv([rival(1, 0.4)]).splitlines()[0].endswith(",note,candidate_f1")
