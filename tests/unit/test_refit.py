"""Which candidates are worth a second fit: those that would be promoted as things stand."""

from math import nan

import pytest

from ratchet.core.evaluation.comparison import Interval
from ratchet.core.objective import Achieved, Objective
from ratchet.core.rival import Rival
from ratchet.jobs.training.refit import worthwhile
from ratchet.jobs.training.rivals import Compared
from ratchet.settings import Promotion

SAME_ROWS = Promotion()
RECORDED = Promotion(compare="recorded")


def compared(*rivals):
    return Compared(Interval(0.4, 0.6), None, rivals)


def rival(basis, f1, probability=0.9):
    return Rival(1, basis, f1, None, None, None, None, f1, 0.5 - f1, probability, champion=True, note="")


@pytest.mark.parametrize(
    ("rivals", "promotion", "expected"),
    [
        ((), SAME_ROWS, True),
        ((rival("same_rows", 0.49),), SAME_ROWS, True),
        ((rival("same_rows", 0.5),), SAME_ROWS, False),
        ((rival("same_rows", 0.49),), Promotion(confidence=0.95), False),
        ((rival("same_rows", 0.49), rival("recorded", 0.6)), SAME_ROWS, True),
        ((rival("recorded", 0.6),), RECORDED, False),
        ((rival("recorded", 0.4),), RECORDED, True),
        ((rival("not_compared", nan),), SAME_ROWS, True),
    ],
)
def test_a_candidate_is_refitted_if_its_comparison_would_promote_it(rivals, promotion, expected):
    assert worthwhile(compared(*rivals), 0.5, 0.3, promotion) is expected


def test_a_candidate_no_better_than_labelling_every_row_positive_is_not_refitted():
    assert not worthwhile(compared(), 0.5, 0.5, SAME_ROWS)


@pytest.mark.parametrize(("value", "expected"), [(-0.5, True), (-0.6, False), (-0.7, False)])
def test_another_objective_says_whether_it_is_worth_a_second_fit(value, expected):
    cost = Objective(cost=(1, 8))
    found = Compared(
        Interval(0.4, 0.6), None, (rival("same_rows", 0.9).by(-0.6, value),), achieved=Achieved(cost, value, -0.9)
    )
    assert worthwhile(found, 0.5, 0.3, Promotion(objective=cost)) is expected
