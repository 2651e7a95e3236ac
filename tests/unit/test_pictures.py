"""The pictures: six PNG files whatever the scores look like, the same for the same counts, and nothing left behind."""

import struct
from dataclasses import replace
from datetime import date

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt

from ratchet.core.evaluation.counts import Counts, day_number
from ratchet.core.evaluation.explanation import Explanation
from ratchet.core.evaluation.importance import Importance
from ratchet.core.evaluation.resampling import Interval
from ratchet.core.evaluation.rolling import rolling
from ratchet.core.evaluation.threshold import choose
from ratchet.core.objective import F1, Objective
from ratchet.core.windows import Window
from ratchet.report import importance_picture
from ratchet.report.picture_style import MEASURES, apart, thinned
from ratchet.report.pictures import draw, draw_importance

NAMES = {
    "calibration_curve.png",
    "confusion_matrix.png",
    "pr_curve.png",
    "roc_curve.png",
    "rolling_metrics.png",
    "threshold_curve.png",
}
FIRST = date(2013, 12, 1)


def counts(days: int = 31, rows_a_day: int = 200, levels: int = 64) -> Counts:
    random = np.random.default_rng(0)
    day = day_number(FIRST) + np.repeat(np.arange(days), rows_a_day)
    label = random.random(len(day)) < 0.3
    score = 1 / (1 + np.exp(1 - random.normal(0.8 * label, 1.0)))
    return Counts.from_rows(day, score, label, levels)


def drawn(test: Counts) -> dict[str, bytes]:
    threshold = choose(test)
    last = date.fromordinal(FIRST.toordinal() + int(test.day.max()) - day_number(FIRST) + 1)
    return draw(test, threshold, rolling(test, threshold.value, Window("test", FIRST, last), 7))


def constant_scores() -> Counts:
    table = counts()
    return Counts.from_table(table.day, np.full(len(table.day), 0.25), table.label, table.rows, 64)


def perfect_scores() -> Counts:
    table = counts()
    return Counts.from_table(table.day, np.where(table.label, 1.0, 0.0), table.label, table.rows, 64)


def days_without_rows_and_without_positives() -> Counts:
    table = counts(40)
    day = table.day - day_number(FIRST)
    kept = ~((day < 9) & table.label) & ~((day > 12) & (day < 25))
    return Counts(table.day[kept], table.score[kept], table.label[kept], table.rows[kept])


CASES = {
    "usual scores": counts,
    "scores of many levels": lambda: counts(levels=16384),
    "one score for all rows": constant_scores,
    "only scores 0 and 1": perfect_scores,
    "a single day": lambda: counts(days=1),
    "a year": lambda: counts(days=365, rows_a_day=20),
    "days without rows, days without positives": days_without_rows_and_without_positives,
}


@pytest.mark.parametrize("case", CASES)
def test_six_pictures_are_drawn_and_stay_small(case):
    pictures = drawn(CASES[case]())
    assert set(pictures) == NAMES
    for name, content in pictures.items():
        assert content.startswith(b"\x89PNG\r\n"), name
        width, height = struct.unpack(">II", content[16:24])
        assert (width > height, width >= 840) == (True, True), name
        assert len(content) < 120_000, name


def test_the_same_counts_give_the_same_bytes():
    assert drawn(counts()) == drawn(counts())


def test_other_counts_give_other_pictures():
    first, second = drawn(counts()), drawn(perfect_scores())
    assert all(first[name] != second[name] for name in NAMES)


def test_drawing_leaves_no_figure_and_no_setting_behind():
    # Read as a plain dict: reading the backend of rcParams itself would choose one.
    before = dict(dict.items(mpl.rcParams))
    drawn(counts())
    assert dict(dict.items(mpl.rcParams)) == before
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("case", "objective"),
    [
        ("usual scores", Objective(beta=2)),
        ("usual scores", Objective(cost=(250, 4_000))),
        ("one score for all rows", Objective(cost=(1, 8))),
        ("days without rows, days without positives", Objective(beta=0.5)),
    ],
)
def test_the_objective_is_drawn_beside_f1(case, objective):
    test = CASES[case]()
    threshold = choose(test, objective)
    last = date.fromordinal(FIRST.toordinal() + int(test.day.max()) - day_number(FIRST) + 1)
    days = rolling(test, threshold.value, Window("test", FIRST, last), 7, objective=objective)
    pictures = draw(test, threshold, days)
    assert set(pictures) == NAMES
    assert pictures["threshold_curve.png"] != draw(test, replace(threshold, objective=F1), days)["threshold_curve.png"]
    assert len(pictures["threshold_curve.png"]) < 120_000


def test_a_beta_of_one_draws_the_same_pictures():
    test, one = counts(), Objective(beta=1)
    days = rolling(test, choose(test).value, Window("test", FIRST, date(2014, 1, 1)), 7)
    assert draw(test, choose(test, one), days) == drawn(test)


def test_without_a_day_there_is_nothing_to_draw():
    with pytest.raises(ValueError, match="empty"):
        draw(counts(), choose(counts()), [])


def test_measures_differ_in_colour_and_in_dashes():
    colours, dashes, _ = zip(*MEASURES.values(), strict=True)
    assert len(set(colours)) == len(set(dashes)) == len(MEASURES)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=60))
def test_a_point_is_dropped_only_where_a_drawn_one_hides_it(points):
    x, y = np.array(points).T
    kept = thinned(x, y)
    assert kept[0]
    assert kept[-1]
    before = np.maximum.accumulate(np.where(kept, np.arange(len(x)), 0))
    assert np.abs(x - x[before]).max() <= 0.001 + 1e-12
    assert np.abs(y - y[before]).max() <= 0.001 + 1e-12


def test_a_curve_of_many_points_is_thinned_and_one_of_few_is_not():
    assert thinned(np.linspace(0, 1, 100_000)).sum() <= 1_002
    assert thinned(np.linspace(0, 1, 100)).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_labels_keep_their_order_and_their_distance_below_the_top(heights):
    placed = apart(np.array(heights), 0.065, 1.0)
    order = np.argsort(heights, kind="stable")
    assert placed.max() <= 1.0
    assert (np.diff(placed[order]) >= 0.065 - 1e-9).all()


def test_labels_that_have_room_stay_where_they_belong():
    assert apart(np.array([0.9, 0.1, 0.5]), 0.1, 1.0).tolist() == pytest.approx([0.9, 0.1, 0.5])


def explained(features, champion):
    def rows(factor):
        falls = [factor * 0.1 / (1 + place) for place in range(features)]
        return tuple(
            Importance(
                f"a feature with a rather long name {place}",
                fall,
                Interval(fall - 0.02, fall + 0.03),
                fall,
                Interval(0, fall),
            )
            for place, fall in enumerate(falls)
        )

    return Explanation(
        rows=4_000, candidate=rows(1), champion=rows(0.8) if champion else (), version=3 if champion else None
    )


@pytest.mark.parametrize("champion", [False, True])
@pytest.mark.parametrize("features", [1, 5, 100])
def test_importance_is_drawn_for_at_most_15_features(features, champion):
    pictures = draw_importance(explained(features, champion))
    assert list(pictures) == ["importance.png"]
    width, height = struct.unpack(">II", pictures["importance.png"][16:24])
    assert width == 1_320
    assert height == int(150 * (0.75 + 0.95 + 0.3 * (min(features, 15) + 1)))
    assert pictures == draw_importance(explained(features, champion))


def test_long_names_that_differ_only_in_the_middle_stay_apart():
    names = [f"measurement_of_sensor_number_{number:02d}_in_the_north" for number in range(9)]
    shown = {importance_picture._short(name) for name in names}
    assert {text.replace("\n", "") for text in shown} == set(names)
    assert max(len(line) for line in importance_picture._short("a" * 300).split("\n")) <= importance_picture._LINE


def test_an_unknown_importance_is_not_drawn():
    assert draw_importance(Explanation(failed="no memory is left")) == {}
