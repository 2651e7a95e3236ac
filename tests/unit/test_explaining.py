"""What a trainer tells of its model and the champion, and that it goes on where it can tell nothing."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from ratchet.core.evaluation.counts import Confusion
from ratchet.core.evaluation.importance import Permuted
from ratchet.core.evaluation.resampling import Interval
from ratchet.core.rival import Rival
from ratchet.engines.base import Drawn
from ratchet.errors import DataError
from ratchet.io.records.version import Version
from ratchet.jobs.training.explaining import explain
from ratchet.jobs.training.rivals import Compared
from ratchet.settings import Data, Evaluation, Label, Settings

ROWS = 400
DAY = np.repeat(np.arange(20), ROWS // 20)
RANDOM = np.random.default_rng(0)
SPEED = RANDOM.standard_normal(ROWS)
LATE = SPEED + RANDOM.standard_normal(ROWS) > 0
TEXT = np.array(["a", "b"], dtype=object)[RANDOM.integers(2, size=ROWS)]


class Explained:
    """As much of an engine as an explanation asks for: the candidate looks at `speed`, the champion at `text`."""

    def __init__(self, fails=None, champion_fails=None):
        self.fails, self.champion_fails = fails, champion_fails
        self.asked = []

    def draw(self, rows):
        self.asked.append(rows)
        if self.fails:
            raise self.fails
        return Drawn(pd.DataFrame({"speed": SPEED, "text": TEXT}), DAY, LATE)

    def score_permuted(self, columns, permuted, model_uri=None):
        self.asked.append(model_uri)
        if model_uri is None:
            copies = [columns["speed"], permuted["speed"], columns["speed"]]
            scores = np.stack([1 / (1 + np.exp(-one)) for one in copies])
        else:
            if self.champion_fails:
                raise self.champion_fails
            copies = [columns["text"], columns["text"], permuted["text"]]
            scores = np.stack([np.where(one == "a", 0.6, 0.4) for one in copies])
        return Permuted(("speed", "text"), scores >= 0.5, scores)


def version(*, champion):
    return Version(
        model="m-sklearn",
        number=7,
        run_id="r7",
        f1=0.4,
        test_window=None,
        aliases=("champion",) if champion else (),
        tags={},
        created=datetime(2013, 12, 1, tzinfo=UTC),
    )


def confusion(predicted, since=0):
    return Confusion.from_rows(DAY, LATE, predicted, np.ones(ROWS, dtype=np.int64)).since(since)


CHAMPION = version(champion=True)
COMPARED = Compared(Interval(0, 1), None, (), champion=confusion(TEXT == "a"))


def explained(engine, versions=(CHAMPION,), compared=COMPARED, **evaluation):
    settings = Settings(
        model="m",
        data=Data(uri="x", timestamp="at", label=Label(column="late", positive=True)),
        evaluation=Evaluation(**evaluation),
    )
    return explain(settings, engine, versions, confusion(SPEED > 0), compared)


def test_both_models_are_scored_on_the_same_rows():
    engine = Explained()
    found = explained(engine, importance_rows=321)
    assert engine.asked == [321, None, CHAMPION.files]
    assert (found.rows, found.version, found.failed, found.no_champion) == (ROWS, 7, "", "")
    assert [one.feature for one in found.candidate] == ["speed", "text"]
    assert found.candidate[1].f1 == 0.0
    theirs = {one.feature: one for one in found.champion}
    assert theirs["speed"].average_precision == 0.0
    assert theirs["text"].f1 != 0.0
    assert found.disagreement.disagreeing == ((SPEED > 0) != (TEXT == "a")).sum()
    assert {one.feature for one in found.disagreement.groups} <= {"speed", "text"}
    assert found.days.better + found.days.worse + found.days.same == 20
    assert list(found.by_model()) == ["candidate", "champion"]


def test_a_champion_is_judged_on_the_days_that_it_has_not_learnt_from():
    found = explained(Explained(), compared=Compared(Interval(0, 1), None, (), champion=confusion(TEXT == "a", 15)))
    assert found.days.better + found.days.worse + found.days.same == 5
    assert found.disagreement.rows == (DAY >= 15).sum()
    assert found.rows == ROWS


def test_without_a_champion_the_candidate_stands_alone():
    engine = Explained()
    found = explained(engine, (version(champion=False),), Compared(Interval(0, 1), None, ()))
    assert engine.asked == [4_000, None]
    assert (found.version, found.champion, found.days, found.disagreement, found.no_champion) == (
        None,
        (),
        None,
        None,
        "",
    )
    assert list(found.by_model()) == ["candidate"]


@pytest.mark.parametrize(
    ("rivals", "reason"),
    [
        ((Rival.not_compared(7, 0.4, True, "it has learnt from all but 2 of the 20 days"),), "it has learnt from all"),
        ((), "promotion.compare is recorded"),
    ],
)
def test_a_champion_that_was_not_compared_is_not_scored_and_the_reason_is_given(rivals, reason):
    engine = Explained()
    found = explained(engine, compared=Compared(Interval(0, 1), None, rivals))
    assert engine.asked == [4_000, None]
    assert found.no_champion.startswith(reason)
    assert found.candidate


def test_a_champion_that_cannot_be_scored_leaves_the_candidate_and_the_reason():
    found = explained(Explained(champion_fails=DataError("the column 'gate' that it needs is not in the data")))
    assert found.no_champion == "the column 'gate' that it needs is not in the data"
    assert found.candidate
    assert found.days is not None
    assert (found.champion, found.disagreement, found.failed) == ((), None, "")


@pytest.mark.parametrize("error", [DataError("no rows"), ZeroDivisionError("no rows")])
def test_no_failure_reaches_the_trainer(error):
    found = explained(Explained(fails=error))
    assert found.failed == "no rows"
    assert found.candidate == ()
    assert found.days is not None


def test_where_it_is_off_no_row_is_drawn_and_the_days_are_compared_all_the_same():
    engine = Explained()
    found = explained(engine, importance=False)
    assert engine.asked == []
    assert found.days is not None
    assert (found.candidate, found.failed, found.disagreement) == ((), "", None)


@pytest.mark.parametrize("changed", [{"importance": "perhaps"}, {"importance_rows": 99}, {"importance_rows": 10**7}])
def test_settings_that_make_no_sense_are_refused(changed):
    with pytest.raises(ValueError, match=next(iter(changed))):
        Evaluation(**changed)
