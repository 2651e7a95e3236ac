"""The report: every answer in its order, nothing loaded from elsewhere, and nothing in it taken for markup."""

import re
from base64 import b64encode
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from ratchet.core.decision import Decision
from ratchet.core.evaluation.disagreement import DayLead, DayLeads, Disagreement, Group
from ratchet.core.evaluation.drift import FeatureDrift
from ratchet.core.evaluation.explanation import Explanation
from ratchet.core.evaluation.importance import Importance
from ratchet.core.evaluation.metrics import METRICS, ClassRow
from ratchet.core.evaluation.resampling import Interval
from ratchet.core.evaluation.rolling import RollingDay
from ratchet.core.objective import Achieved, Objective
from ratchet.core.rival import Rival
from ratchet.core.windows import Window
from ratchet.report.decision_section import BEGIN, with_decision
from ratchet.report.page import MEANINGS, Evidence, Scale, measure, probability, render, share, signed

VOID = {"br", "img", "link", "meta"}
PNG = b"\x89PNG\r\n"


@dataclass(frozen=True)
class Month:
    month: str
    rows: int
    positives: int


@dataclass(frozen=True)
class Summary:
    window: Window
    rows: int
    positives: int
    months: tuple[Month, ...]
    missing: dict[str, int] = field(default_factory=dict)


def rival(version: int, champion: bool = False, **changes) -> Rival:
    usual = Rival(version, "same_rows", 0.5, 0.45, 0.55, 0.4, 0.7, 0.48, 0.0412, 0.9375, champion, "")
    return replace(usual, **changes)


def evidence(**changes) -> Evidence:
    usual = Evidence(
        model="flights-sklearn",
        engine="sklearn",
        cycle="retrain-20140101",
        as_of=date(2014, 1, 1),
        created=datetime(2014, 1, 1, 3, 5, tzinfo=UTC),
        source="Read from s3://data/flights: 12 Parquet files, 24.3 MB, as they were at 2014-01-01 03:00 UTC.",
        summaries=(
            Summary(
                Window("training", None, date(2013, 11, 1)),
                200_000,
                40_000,
                (Month("2013-09", 90_000, 9_000), Month("2013-10", 110_000, 31_000)),
                {"wind_gust": 150_000},
            ),
            Summary(
                Window("calibration", date(2013, 11, 1), date(2013, 12, 1)),
                27_000,
                5_400,
                (Month("2013-11", 27_000, 5_400),),
            ),
            Summary(
                Window("test", date(2013, 12, 1), date(2014, 1, 1)), 27_900, 9_207, (Month("2013-12", 27_900, 9_207),)
            ),
        ),
        metrics={**dict.fromkeys(METRICS, 0.7), "f1": 0.5412, "precision": 0.438, "recall": 0.708, "threshold": 0.3125},
        f1_interval=Interval(0.472, 0.602),
        f1_all_positive=0.4963,
        rivals=(rival(1), rival(2)),
        probability_better=0.8365,
        classes=(ClassRow("positive", 0.438, 0.708, 0.5412, 9_207), ClassRow("accuracy", None, None, 0.61, 27_900)),
        rolling=(RollingDay(date(2013, 12, 1), 1, 900, 300, 0.61, 0.44, 0.7, 0.54, nan),),
        pictures={"roc_curve.png": PNG, "rolling_metrics.png": PNG + b"2"},
        parameters={"seed": "0", "estimator__learning_rate": "0.1"},
        links={"run": "http://127.0.0.1:5000/#/experiments/1/runs/ab", "tracking": "sqlite:///mlflow.db"},
    )
    return replace(usual, **changes)


class Page(HTMLParser):
    """Elements of a page, with a check that each one is closed where it should be."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def values(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get(attribute)) is not None]


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html.partition("<body>")[2]))


def importance(feature: str, f1: float = 0.05) -> Importance:
    return Importance(feature, f1, Interval(f1 - 0.01, f1 + 0.02), f1 / 2, Interval(0.0, f1))


def explained(**changes) -> Explanation:
    usual = Explanation(
        rows=4_000,
        candidate=(importance("hour"), importance("<carrier>", 0.03)),
        champion=(importance("hour", 0.071), importance("gate")),
        version=7,
        days=DayLeads(
            18, 12, 1, (DayLead(date(2013, 12, 5), 900, 300, 0.5, 0.62), DayLead(date(2013, 12, 9), 800, 80, 0.4, 0.2))
        ),
        disagreement=Disagreement(4_000, 400, 230, (Group("hour", "18 to 21", 700, 140, 90),)),
    )
    return replace(usual, **changes)


def why(**changes) -> str:
    html = render(evidence(explained=explained(**changes)))
    Page(html)
    return html.partition('<section id="why">')[2].partition("</section>")[0]


def test_the_answers_come_in_their_order():
    html = render(evidence())
    expected = [BEGIN, 'id="versions"', 'id="curves"', 'id="rolling"', 'id="calibration"', 'id="data"']
    places = [html.index(part) for part in [*expected, 'id="parameters"', 'id="addresses"']]
    assert places == sorted(places)


def test_the_page_is_well_formed_and_no_id_occurs_twice():
    ids = Page(render(evidence())).values("id")
    assert len(ids) == len(set(ids)) > 0


def test_nothing_is_loaded_from_elsewhere():
    html = render(evidence())
    page = Page(html)
    assert "default-src 'none'" in html
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "iframe", "object", "embed", "base", "form"})
    assert all(address.startswith("data:") for address in page.values("src"))
    assert [attributes["href"] for tag, attributes in page.elements if tag == "link"] == ["data:,"]
    assert "url(" not in html
    assert "@import" not in html


def test_every_name_of_a_section_in_the_contents_leads_there():
    page = Page(render(evidence()))
    targets = {address[1:] for address in page.values("href") if address.startswith("#")}
    assert targets == set(page.values("id"))


def test_pictures_are_inside_the_page():
    sources = Page(render(evidence())).values("src")
    assert sources == [f"data:image/png;base64,{b64encode(picture).decode()}" for picture in (PNG, PNG + b"2")]


def test_the_first_screen_has_the_decision_f1_its_interval_the_threshold_and_the_windows():
    text = text_of(render(evidence()).partition('id="versions"')[0])
    for part in ("not decided yet", "0.541", "0.472 to 0.602", "0.312", "up to 2013-10-31", "2013-12-01 to 2013-12-31"):
        assert part in text


@pytest.mark.parametrize("where", ["model", "cycle", "engine"])
def test_markup_in_a_name_is_text(where):
    html = render(evidence(**{where: "<script>alert(1)</script>"}))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_markup_in_parameters_links_notes_and_warnings_is_text():
    bad = '"><script>alert(1)</script>'
    html = render(
        evidence(
            parameters={bad: bad},
            links={bad: bad, "run": f"https://host/{bad}"},
            warnings=[bad],
            rivals=(rival(1, note=bad),),
        )
    )
    Page(html)
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 8


def test_only_web_addresses_become_links():
    html = render(
        evidence(links={"run": "https://mlflow/run", "tracking": "javascript:alert(1)", "model": "models:/m-1"})
    )
    links = [address for address in Page(html).values("href") if address[0] not in "#d"]
    assert links == ["https://mlflow/run"]
    assert "<code>javascript:alert(1)</code>" in html


def test_the_decision_is_filled_in_where_the_report_left_it_open():
    decision = Decision("promoted", "F1 0.541 beats version 2", 0.5412, 0.4963, 0.8365, (), (), 3)
    html = render(evidence(parameters={"name": BEGIN}))
    decided = with_decision(html, decision, "flights-sklearn")
    Page(decided)
    assert "not decided yet" not in decided
    assert "F1 0.541 beats version 2" in decided
    assert decided.partition('id="versions"')[2] == html.partition('id="versions"')[2]


def test_the_champion_comes_first_then_the_newest():
    html = render(evidence(rivals=(rival(1), rival(3), rival(2, champion=True), rival(4))))
    assert re.findall(r'scope="row">version (\d)', html) == ["2", "4", "3", "1"]


def test_a_first_version_says_so():
    text = text_of(render(evidence(rivals=(), probability_better=None)))
    assert "There is no earlier version" in text
    assert "better than every version" not in text


def test_versions_with_a_recorded_f1_alone_have_no_probability():
    recorded = Rival.recorded(1, 0.61, 0.5412, True, "its model can’t be loaded")
    assert recorded is not None
    text = text_of(render(evidence(rivals=(recorded,), probability_better=None)))
    assert "No earlier version was scored on these rows." in text
    assert "Version 1: its model can’t be loaded" in text
    assert "−0.0688" in text


def test_the_probability_of_being_better_than_the_best_is_said():
    assert "scored on these rows, on days like these: <strong>83.7\N{NO-BREAK SPACE}%</strong>" in render(evidence())


def test_what_is_set_aside_is_named_with_its_reason():
    text = text_of(render(evidence(set_aside={2: "it was rolled back by ann@here: it leaks"})))
    assert "Version 2 is set aside and was not compared: it was rolled back by ann@here: it leaks." in text
    assert "No earlier version counts." in text_of(render(evidence(rivals=(), set_aside={2: "it leaks"})))


def test_a_champion_that_needs_no_model_is_said_to_be_so():
    champion = replace(next(one for one in evidence().rivals if one.basis == "same_rows"), champion=True)
    said = f"The champion, version {champion.version}, is no better on these rows than labelling every row positive."
    assert said in text_of(render(evidence(rivals=[champion], f1_all_positive=champion.f1)))
    assert said not in text_of(render(evidence(rivals=[champion], f1_all_positive=champion.f1 - 0.01)))


def test_too_few_days_for_a_probability_are_said_to_be_so():
    text = text_of(render(evidence(probability_better=None)))
    assert (
        "fewer than 14 days: how probable it is that the candidate is better on days like these is not known." in text
    )


def test_what_is_not_defined_is_a_dash():
    html = render(evidence())
    line = next(line for line in html.splitlines() if 'scope="row">2013-12-01<' in line)
    assert re.findall(r"<td>([^<]*)</td>", line)[-2:] == ["–", "0.610"]
    assert "nan" not in text_of(html)


def test_a_short_test_window_is_warned_of_and_a_long_one_is_not():
    days = evidence().rolling * 31
    assert "With a test window of 1 day, they say little." in text_of(render(evidence()))
    assert "they say little" not in text_of(render(evidence(rolling=days)))


def test_warnings_are_shown_where_there_are_any():
    assert "Worth a look" not in render(evidence())
    assert "the feature x is constant" in render(evidence(warnings=["the feature x is constant"]))


def test_each_month_has_its_base_rate_and_a_bar():
    html = render(evidence())
    assert re.findall(r'class="bar (\w+)" style="width: ([\d.]+)%"', html) == [
        ("training", "30.3"),
        ("training", "85.4"),
        ("calibration", "60.6"),
        ("test", "100.0"),
    ]


def test_what_the_model_rests_on_stands_beside_the_champion():
    part = why()
    assert re.findall(r'scope="row" class="wrap">([^<]*)</th><td>([^<]*)</td><td>([^<]*)</td><td>([^<]*)</td>', part)[
        :2
    ] == [
        ("hour", "0.050", "0.040 to 0.070", "0.071"),
        ("&lt;carrier&gt;", "0.030", "0.020 to 0.050", "–"),
    ]
    text = text_of("<body>" + part)
    assert "shuffled among 4,000 test rows" in text
    assert (
        "On 18 of 31 days the candidate’s F1 is greater than that of the champion, version 7, on 12 it is less" in text
    )
    assert "2013-12-05 900 33.3 % 0.500 0.620 −0.1200" in text
    assert "label 400 of 4,000 drawn rows differently (10.0 %); the candidate is right on 230" in text
    assert "hour 18 to 21 700 140 (20.0 %) 90 50" in text
    assert '<a href="#why">' in render(evidence(explained=explained()))


def test_without_a_champion_the_importance_is_the_candidates_alone():
    part = why(champion=(), version=None, days=None, disagreement=None)
    assert "hampion" not in part
    assert part.count("<table>") == 1


def test_why_the_champion_is_not_beside_it_is_said():
    text = text_of("<body>" + why(champion=(), disagreement=None, no_champion="the column 'gate' is not in the data"))
    assert "The champion, version 7, is not beside it: the column &#39;gate&#39; is not in the data." in text


def test_an_importance_that_failed_is_said_and_the_days_stay():
    text = text_of("<body>" + why(rows=0, candidate=(), champion=(), disagreement=None, failed="no memory is left"))
    assert "What the model rests on is not known: no memory is left." in text
    assert "On 18 of 31 days" in text


def test_of_a_hundred_features_the_first_ten_are_listed():
    many = tuple(importance(f"feature {place:03}", 0.1 - place / 1_000) for place in range(100))
    part = why(candidate=many, champion=many)
    assert "The first 10 of 100 features" in part
    assert re.findall(r'class="wrap">(feature \d+)<', part) == [f"feature {place:03}" for place in range(10)]


def test_models_that_agree_or_differ_by_chance_alone_are_said_to_do_so():
    agree = text_of("<body>" + why(disagreement=Disagreement(4_000, 0, 0, ())))
    assert "label 0 of 4,000 drawn rows differently (0.0 %)." in agree
    by_chance = text_of("<body>" + why(disagreement=Disagreement(4_000, 9, 5, ())))
    assert "No feature separates these rows from the others by more than chance." in by_chance


def test_without_an_explanation_there_is_no_such_section():
    assert 'id="why"' not in render(evidence())
    assert 'href="#why"' not in render(evidence())


def test_a_long_parameter_is_cut():
    html = render(evidence(parameters={"features": "x" * 5_000, "seed": "0"}))
    assert "x" * 299 not in html
    assert "x" * 290 in html


def test_drift_is_listed_with_a_bar_where_it_was_measured():
    assert 'id="drift"' not in render(evidence())
    moved = [
        FeatureDrift("<hour>", "numeric", 0.228, 0.0173, 0.0, 0.25),
        FeatureDrift("origin", "categorical", *[0] * 4),
    ]
    html = render(evidence(drift=moved))
    Page(html)
    part = html.partition('<section id="drift">')[2].partition("</section>")[0]
    assert re.findall(r'scope="row"[^>]*>([^<]*)</th><td>([\d.]+)</td>', part) == [
        ("&lt;hour&gt;", "0.228"),
        ("origin", "0.000"),
    ]
    assert re.findall(r"width: ([\d.]+)%", part) == ["22.8", "0.0"]
    assert "25.0\N{NO-BREAK SPACE}%" in part
    assert '<a href="#drift">' in html


def test_missing_values_are_listed_by_feature_where_there_are_any():
    parts = evidence().summaries
    assert "Missing values: 1 feature<" in render(evidence())
    assert "Missing values" not in render(evidence(summaries=[replace(part, missing={}) for part in parts]))


def test_a_measure_that_is_missing_is_an_error_not_a_blank():
    numbers = dict(evidence().metrics)
    del numbers["brier"]
    with pytest.raises(UndefinedError, match="brier"):
        render(evidence(metrics=numbers))


def test_every_measure_has_its_meaning():
    assert set(MEANINGS) == {*METRICS, "threshold"}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_every_value_has_its_place_on_the_scale(values):
    scale = Scale.over(values)
    for value in values:
        assert 0 <= float(scale.at(value).removesuffix("%")) <= 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (measure(0.54119), "0.541"),
        (measure(0.54119, 4), "0.5412"),
        (measure(-0.0124), "−0.012"),
        (measure(nan), "–"),
        (measure(None), "–"),
        (share(0.3305), "33.1\N{NO-BREAK SPACE}%"),
        (share(None), "–"),
        (probability(1.0), "> 99.9\N{NO-BREAK SPACE}%"),
        (probability(0.0), "< 0.1\N{NO-BREAK SPACE}%"),
        (probability(0.5), "50.0\N{NO-BREAK SPACE}%"),
        (probability(None), "–"),
        (signed(0.01204), "+0.0120"),
        (signed(-0.00311), "−0.0031"),
        (signed(nan), "–"),
    ],
)
def test_numbers_are_written_alike(text, expected):
    assert text == expected


COST = Objective(cost=(1, 8))
F2 = Objective(beta=2)


def by(objective, value, interval, constant, rivals):
    days = [replace(day, objective=value) for day in evidence().rolling]
    achieved = Achieved(objective, value, constant)
    return evidence(achieved=achieved, achieved_interval=Interval(*interval), rivals=rivals, rolling=days)


def test_a_cost_decides_and_f1_is_beside_it():
    low = replace(rival(1, champion=True).by(-0.9125, -0.7), objective_low=-1.0, objective_high=-0.8)
    html = render(by(COST, -0.7, (-0.75, -0.65), -0.9, (low, rival(2, basis="not_compared", difference=nan))))
    Page(html)
    text = text_of(html)
    assert "Cost 0.700 of a row, 95 % interval 0.650 to 0.750; it decides" in text
    assert "F1 0.541 95 % interval 0.472 to 0.602" in text
    assert "No model at all 0.900 cost of the best constant labelling" in text
    assert "version 1 champion 0.9125 0.800 to 1.000 +0.2125 93.8 % 0.400 0.700 0.5000" in text
    assert "best constant 0.9000 – +0.2000" in text
    assert "The champion, version 1, is no better on these rows than the best constant labelling." in text
    assert "in which the candidate’s cost is lower" in text
    assert "mean cost of a row: 1 for a false positive, 8 for a false negative; decides on the promotion" in text
    assert text.count("decides on the promotion") == 1
    assert 'aria-label="cost 0.912, between 0.800 and 1.000"' in html


def test_another_f_beta_decides():
    known = replace(rival(1).by(0.61, 0.65), objective_low=0.58, objective_high=0.64)
    text = text_of(render(by(F2, 0.65, (0.6, 0.7), 0.55, (known,))))
    assert "F2 0.650 95 % interval 0.600 to 0.700; it decides" in text
    assert "No model at all 0.550 F2 of labelling every row positive" in text
    assert "where recall counts 2 times as much; decides on the promotion" in text
    assert "in which the candidate’s F2 is greater" in text


def test_by_f1_nothing_tells_of_another_objective():
    assert "objective" not in render(evidence())
    assert "it decides" not in text_of(render(evidence()))


@pytest.mark.parametrize("unit", [0.001, 1, 1_000])
def test_a_cost_has_an_axis_that_fits_whatever_its_unit(unit):
    objective = Objective(cost=(unit, 8 * unit))
    low = replace(rival(1).by(-0.9 * unit, -0.7 * unit), objective_low=-unit, objective_high=-0.8 * unit)
    html = render(by(objective, -0.7 * unit, (-0.75 * unit, -0.65 * unit), -0.9 * unit, (low,)))
    places = [float(place) for place in re.findall(r'cx="([\d.]+)%"', html)]
    assert min(places) > 5
    assert max(places) < 95
    assert max(places) - min(places) > 30
