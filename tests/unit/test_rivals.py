from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.core.evaluation.counts import Confusion, Counts
from ratchet.core.evaluation.f1 import f1_of, precision_of, recall_of
from ratchet.core.evaluation.objective_values import value_of
from ratchet.core.objective import Achieved, Objective
from ratchet.core.rival import Rival
from ratchet.errors import FailedError
from ratchet.io.records.version import Version
from ratchet.io.table import inspection
from ratchet.jobs.training import rivals
from ratchet.settings import Data, Label, Promotion, Settings
from tests.unit import event_tables

DAYS = np.repeat(np.arange(20), 4)
LATE = np.arange(80) % 4 == 0
GOOD = LATE ^ (np.arange(80) % 16 == 0)
BAD = np.ones(80, dtype=bool)
THRESHOLD = 0.5


def version(number, *, champion=False, f1=0.4):
    return Version(
        model="flights-sklearn",
        number=number,
        run_id=f"r{number}",
        f1=f1,
        test_window=None,
        aliases=("champion",) if champion else (),
        tags={},
        created=datetime(2013, 12, 1, tzinfo=UTC),
    )


def confusion(predicted):
    return Confusion.from_rows(DAYS, LATE, predicted, np.ones(len(DAYS), dtype=np.int64))


class Scorer:
    """As much of an engine as a comparison asks for: the confusion of a version, or why there is none."""

    def __init__(self, known):
        self.known = known
        self.asked = []

    def confusion_of(self, uri):
        self.asked.append(uri)
        found = self.known[int(uri.rpartition("/")[2])]
        if isinstance(found, str):
            raise FailedError(found)
        return found


def compare(versions, known, promotion=None):
    settings = Settings(
        model="flights",
        data=Data(uri="x", timestamp="at", label=Label(column="late", positive=True)),
        promotion=promotion or Promotion(),
    )
    counts = Counts.from_rows(DAYS, np.where(GOOD, 0.75, 0.25), LATE, settings.evaluation.score_levels)
    engine = Scorer(known)
    chosen = rivals.to_rescore(versions, settings.promotion)
    return rivals.compare(settings, engine, versions, chosen, counts, THRESHOLD), engine


def test_the_champion_is_rescored_first_then_the_newest_up_to_the_configured_number():
    versions = [version(1), version(2, champion=True), version(3), version(4)]
    numbers = [found.number for found in rivals.to_rescore(versions, Promotion(rescore=3))]
    assert numbers == [2, 4, 3]
    assert [found.number for found in rivals.to_rescore(versions, Promotion(rescore=1))] == [2]


def test_nothing_is_rescored_where_recorded_values_are_compared():
    promotion = Promotion(compare="recorded")
    versions = [version(1, champion=True), version(2)]
    assert rivals.to_rescore(versions, promotion) == ()
    compared, engine = compare(versions, {}, promotion)
    assert engine.asked == []
    assert [(rival.version, rival.basis, rival.f1) for rival in compared.rivals] == [
        (1, "recorded", 0.4),
        (2, "recorded", 0.4),
    ]
    assert compared.probability is None


def test_only_columns_that_the_data_have_and_the_trainer_does_not_read_are_extra(tmp_path):
    file = event_tables.parquet(tmp_path / "events.parquet")
    table = inspection.inspect(event_tables.settings(file, numeric=("speed",), categorical=()))
    trained_on = [("speed", "stops"), ("carrier", "gone")]
    assert rivals.extra_columns(trained_on, table) == ("carrier", "stops")
    assert rivals.extra_columns([("speed",)], table) == ()


def test_a_version_is_measured_on_the_candidates_rows():
    compared, _ = compare([version(1, champion=True)], {1: confusion(BAD)})
    (rival,) = compared.rivals
    assert (rival.basis, rival.champion, rival.recorded_f1, rival.note) == ("same_rows", True, 0.4, "")
    assert rival.f1 == f1_of(confusion(BAD)) == pytest.approx(2 * 20 / (20 + 80))
    assert (rival.precision, rival.recall) == (precision_of(confusion(BAD)), recall_of(confusion(BAD)))
    assert rival.difference == pytest.approx(f1_of(confusion(GOOD)) - rival.f1)
    assert rival.f1_low <= rival.f1 <= rival.f1_high
    assert compared.probability == rival.probability == 1.0


def test_a_version_that_labels_as_the_candidate_does_is_beaten_with_probability_zero():
    compared, _ = compare([version(1)], {1: confusion(GOOD)})
    assert compared.rivals[0].difference == 0
    assert compared.probability == 0


def test_a_version_that_cant_be_scored_counts_with_its_recorded_f1_and_the_others_are_scored():
    compared, engine = compare([version(1, champion=True), version(2)], {1: "it is gone", 2: confusion(BAD)})
    assert len(engine.asked) == 2
    gone, scored = compared.rivals
    assert (gone.basis, gone.f1, gone.note, gone.probability) == ("recorded", 0.4, "it is gone", None)
    assert scored.basis == "same_rows"
    assert compared.probability == 1.0


def test_what_was_taken_back_is_not_scored_and_said_to_be_set_aside():
    taken_back = replace(version(2), tags={"ratchet.set_aside": "it leaks"})
    versions = [version(1, champion=True), taken_back]
    compared, engine = compare(versions, {1: confusion(BAD)})
    assert [rival.version for rival in compared.rivals] == [1]
    assert compared.set_aside == {2: "it leaks"}
    compared, engine = compare(versions, {1: confusion(BAD), 2: confusion(BAD)}, Promotion(set_aside=False))
    assert (len(engine.asked), compared.set_aside) == (2, {})


FIRST = date(1970, 1, 1)


def learnt_until(number, day, **more):
    """A version whose test window begins on that day of the candidate's twenty."""
    return replace(version(number, **more), test_window=(str(FIRST + timedelta(days=day)), "1970-01-21"))


def test_a_version_is_compared_on_the_days_that_it_has_not_learnt_from():
    bad_since_five = np.where(DAYS < 5, LATE, BAD)  # it knows the first days by heart
    versions = [learnt_until(1, 5, champion=True), learnt_until(2, -30)]
    compared, _ = compare(versions, {1: confusion(bad_since_five), 2: confusion(BAD)})
    fewer, whole = compared.rivals
    since = DAYS >= 5
    assert fewer.f1 == pytest.approx(f1_of(Confusion.from_rows(DAYS[since], LATE[since], BAD[since], np.ones(60))))
    assert fewer.candidate_f1 == pytest.approx(
        f1_of(Confusion.from_rows(DAYS[since], LATE[since], GOOD[since], np.ones(60)))
    )
    assert fewer.difference == fewer.candidate_f1 - fewer.f1
    assert fewer.note == "it is compared on the 15 days from 1970-01-06 on, which it has not learnt from"
    assert (whole.candidate_f1, whole.note) == (None, "")


def test_a_version_that_has_learnt_from_nearly_all_rows_is_not_compared_nor_scored():
    compared, engine = compare([learnt_until(1, 7), learnt_until(2, 400)], {})
    assert engine.asked == []
    assert [(rival.basis, rival.note) for rival in compared.rivals] == [
        ("not_compared", "it has learnt from all but 13 of the 20 days with test rows"),
        ("not_compared", "it has learnt from all but 0 of the 20 days with test rows"),
    ]
    compared, engine = compare([learnt_until(1, 7)], {1: confusion(BAD)}, Promotion(common_days=13))
    assert compared.rivals[0].basis == "same_rows"


def test_what_serves_is_never_set_aside():
    serving = replace(version(2, champion=True), tags={"ratchet.rolled_back": "it was slow"})
    compared, _ = compare([serving], {2: confusion(BAD)})
    assert ([rival.version for rival in compared.rivals], compared.set_aside) == ([2], {})


def test_only_the_champion_is_scored_where_the_candidate_stands_against_it_alone():
    promotion = Promotion(against="champion")
    compared, engine = compare([version(1), version(2, champion=True), version(3)], {2: confusion(BAD)}, promotion)
    assert (len(engine.asked), [rival.version for rival in compared.rivals]) == (1, [2])
    compared, engine = compare([version(1), version(3)], {1: confusion(BAD), 3: confusion(BAD)}, promotion)
    assert len(engine.asked) == 2


def test_a_version_that_cant_be_scored_and_recorded_nothing_is_no_row():
    compared, _ = compare([version(1, f1=None)], {1: "it is gone"})
    assert compared.rivals == ()


def test_a_version_beyond_the_configured_number_is_left_out_and_named():
    compared, engine = compare([version(1), version(2, champion=True)], {2: confusion(BAD)}, Promotion(rescore=1))
    assert engine.asked == ["models:/flights-sklearn/2"]
    assert [(rival.version, rival.basis, rival.note) for rival in compared.rivals] == [
        (1, "left_out", "it is beyond promotion.rescore, which is 1"),
        (2, "same_rows", ""),
    ]
    assert Rival.from_csv(Rival.to_csv(compared.rivals))[0].basis == "left_out"


def test_of_too_many_versions_the_champion_the_newest_and_those_with_the_greatest_lead_are_rescored():
    versions = [version(number, champion=number == 2) for number in range(1, 11)]
    leads = {1: -0.2, 3: 0.05, 4: 0.01, 7: -0.3}
    chosen = rivals.to_rescore(versions, Promotion(rescore=6), lambda: leads)
    assert [found.number for found in chosen] == [2, 10, 9, 3, 4, 1]


def test_leads_are_asked_for_only_where_there_are_too_many_versions():
    def unasked():
        raise AssertionError

    assert len(rivals.to_rescore([version(1), version(2)], Promotion(rescore=2), unasked)) == 2


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(1, 12), st.data())
def test_the_champion_is_always_among_the_rescored_which_are_never_too_many(known, limit, data):
    serving = data.draw(st.integers(1, len(known)))
    versions = [
        version(number, champion=number == serving, f1=0.4 if f1 else None) for number, f1 in enumerate(known, 1)
    ]
    leads = data.draw(st.dictionaries(st.integers(1, len(known)), st.floats(-1, 1)))
    chosen = rivals.to_rescore(versions, Promotion(rescore=limit), lambda: leads)
    numbers = [found.number for found in chosen]
    assert numbers[0] == serving
    assert len(set(numbers)) == min(limit, len(versions))


COST = Objective(cost=(1, 8))
BY_COST = Promotion(objective=COST)


def recorded(number, objective, value):
    """A version that recorded a value by an objective."""
    return replace(version(number), tags={**objective.tags(), "ratchet.objective_value": repr(value)})


def test_by_another_objective_a_row_has_its_values_beside_f1():
    plain, _ = compare([version(1)], {1: confusion(BAD)})
    compared, _ = compare([version(1)], {1: confusion(BAD)}, BY_COST)
    (row,), (by_f1,) = compared.rivals, plain.rivals
    assert (row.f1, row.f1_low, row.f1_high, row.recorded_f1) == (by_f1.f1, by_f1.f1_low, by_f1.f1_high, 0.4)
    assert row.objective == value_of(COST, confusion(BAD)) == -60 / 80
    assert compared.achieved == Achieved(COST, -(5 * 8) / 80, -60 / 80)
    assert row.difference == pytest.approx(-0.5 + 0.75)
    assert row.objective_low <= row.objective <= row.objective_high
    assert row.probability == compared.probability > 0.9
    assert compared.interval == plain.interval
    assert compared.achieved_interval.low <= -0.5 <= compared.achieved_interval.high


def test_the_objective_says_which_version_is_the_better_one():
    # The candidate misses positives, the version misses none.
    dear = Promotion(objective=Objective(cost=(1, 80)))
    compared, _ = compare([version(1)], {1: confusion(BAD)}, dear)
    assert compared.rivals[0].difference < 0
    assert compared.probability < 0.05
    assert compared.rivals[0].f1 < f1_of(confusion(GOOD))


def test_a_version_is_compared_by_the_objective_on_the_days_that_it_has_not_learnt_from():
    compared, _ = compare([learnt_until(1, 5)], {1: confusion(BAD)}, BY_COST)
    (row,) = compared.rivals
    since = DAYS >= 5
    own = Confusion.from_rows(DAYS[since], LATE[since], GOOD[since], np.ones(60))
    assert row.candidate_objective == value_of(COST, own)
    assert row.difference == pytest.approx(row.candidate_objective - row.objective)


def test_a_version_that_cant_be_scored_counts_with_a_value_recorded_by_the_same_objective_alone():
    same, other = recorded(1, COST, -0.6), recorded(2, Objective(cost=(2, 16)), -1.2)
    compared, _ = compare([same, other, version(3)], {1: "gone", 2: "gone", 3: "gone"}, BY_COST)
    assert [(row.version, row.basis, row.value) for row in compared.rivals] == [(1, "recorded", -0.6)]
    assert compared.rivals[0].difference == pytest.approx(0.1)
