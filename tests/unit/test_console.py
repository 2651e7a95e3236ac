"""The console's page says what the facts say, escaped; what is not known is said to be so."""

import re
import socket
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from pydantic import ValidationError

from ratchet.core.exported import Champion, CycleFacts, ModelFacts, SourceState
from ratchet.core.history import Curve, CycleNow, CycleStep
from ratchet.io import prometheus
from ratchet.io.prometheus import Page
from ratchet.report.console import times
from ratchet.report.console.page import POLICY, render
from ratchet.settings import Exporter
from tests.console_pages import BROKEN, BY_COST, CHAMPION, DAY, F1, MODEL, NOW, PROMOTED, RUNNING, UP, seen

HOSTILE = "<script>alert(1)</script>\"'&amp;<img src=x onerror=alert(2)>"


class Read(HTMLParser):
    """A page as a browser reads it: its text, its tags with attributes, its links."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self._words = [], [], []
        self.feed(html)
        self.text = " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] != "style":
            self._words.append(data)

    def has(self, tag, **attributes):
        return [found for name, found in self.tags if name == tag and attributes.items() <= found.items()]


def page(*args, **kwargs):
    return Read(render(seen(*args, **kwargs)))


def test_it_tells_of_the_champion_its_days_and_the_last_decisions():
    read = page()
    assert "Serves version 3 champion since 12 Nov 2026, 11:06 UTC , 6 days ago" in read.text
    assert "F1 0.538 95 % interval 0.521 to 0.555, on the test rows of its own run" in read.text
    assert "Rolling F1 0.530 over the days up to 13 Nov 2026; its floor is 0.500" in read.text
    assert "3 promoted, 9 held" in read.text
    assert "Made champion by anna: complaints from sales" in read.text
    assert PROMOTED.reason in read.text
    assert "https://mlflow.example.org/#/experiments/1/runs/a/artifacts/report.html" in read.links
    assert "https://mlflow.example.org/#/experiments/1/runs/b" in read.links
    assert not [link for link in read.links if "runs/b/artifacts" in link], "a failed run has no report"
    assert re.search(r"retrain-20261104-040000-77 4 Nov 2026, 11:06 UTC – failed Run", read.text)


def test_it_tells_what_runs_now_and_why_a_cycle_failed():
    read = page()
    assert "retrain-20261118-110000-2c running Began 18 Nov 2026, 11:00 UTC , 6 minutes ago." in read.text
    assert "sklearn done 5 min spark running 1 min waits: 0/1 nodes are available" in read.text
    assert "retrain-20261104-040000-77 failed 4 Nov 2026, 11:06 UTC spark: ?" in read.text
    assert "No cycle is running." in page(cluster=CycleFacts(newest=(BROKEN,))).text
    waiting = replace(RUNNING, state="waiting", steps=())
    assert "It has no step yet." in page(cluster=CycleFacts(newest=(waiting,))).text
    assert "What runs now" not in page(cluster=None).text, "outside a cluster"


def test_a_day_below_its_floor_is_marked_and_told():
    low = Curve("F1", {DAY - 1: 0.55, DAY: 0.4, DAY + 1: 0.41}, {DAY - 1: 0.5, DAY: 0.5, DAY + 1: 0.5})
    read = page([replace(MODEL, champion=replace(CHAMPION, curve=low))])
    assert "Rolling F1 is below its floor on the newest measured day, 14 Nov 2026." in read.text
    assert len(read.has("circle")) == 2
    (plot,) = read.has("svg", role="img")
    assert plot["aria-label"] == (
        "Rolling F1 on 3 days up to 14 Nov 2026: 0.400 to 0.550, now 0.410;"
        " below its floor on 2 of the 3 days that have one"
    )
    above = page([MODEL])
    assert "is below its floor" not in above.text


def test_an_estimate_is_shown_as_one_with_its_past_error():
    rolling = {"f1_estimated": 0.47, "f1_estimated_error": 0.02}
    late = replace(CHAMPION, rolling=rolling, estimated_day=(DAY + 3) * 86_400.0)
    told = "Estimated F1 0.470 from the scores alone, over the days up to 16 Nov 2026"
    assert f"{told}, off by 0.020 on average so far" in page([replace(MODEL, champion=late)]).text
    unknown = replace(late, rolling={"f1_estimated": 0.47})
    assert f"{told} Versions" in page([replace(MODEL, champion=unknown)]).text


def test_a_cost_is_shown_as_people_read_it():
    read = page([BY_COST])
    assert "Cost 0.213 on the same rows; it decides" in read.text
    assert "Rolling cost 0.240 over the days up to 13 Nov 2026; its limit is 0.230" in read.text
    assert "Rolling cost is above its limit on the newest measured day" in read.text
    assert "since when is not known" in read.text
    assert len(read.has("circle")) == 1


def test_lines_are_broken_where_days_are_missing_and_lie_on_the_scale():
    values, floors = (path["d"] for path in reversed(page([MODEL]).has("path")))
    assert (values.count("M"), values.count("L")) == (2, len(F1.values) - 2)
    assert (floors.count("M"), floors.count("L")) == (2, len(F1.floors) - 2)
    places = [float(number) for number in re.findall(r"[\d.]+", values.replace("h0", ""))]
    assert (min(places), max(places[::2])) == (0, 100)
    # The scale is 0.45 to 0.60, and the newest value 0.53.
    assert places[-1] == pytest.approx(100 * (0.60 - 0.53) / 0.15, abs=0.01)


@pytest.mark.parametrize(
    "curve",
    [
        Curve("F1", {DAY: 0.5}, {}),
        Curve("F1", {DAY: 0.5, DAY - 1: 0.5}, {}),
        Curve("cost", {DAY: 0.0}, {}, greater_is_better=False),
        Curve("F1", {DAY: 1.0, DAY - 9: 0.0}, {DAY: 0.5}),
    ],
)
def test_few_days_and_flat_ones_can_be_drawn(curve):
    read = page([replace(MODEL, champion=replace(CHAMPION, curve=curve))])
    assert "nan" not in str(read.has("path"))
    assert read.has("figure")


def test_no_model_no_version_no_cycle():
    read = page([ModelFacts("flights-sklearn")], CycleFacts())
    assert "No version serves yet." in read.text
    assert "No cycle has trained it yet." in read.text
    assert "No cycle is running." in read.text
    assert not read.has("table")
    bare = page([ModelFacts("flights-sklearn", Champion(1))])
    assert "version 1" in bare.text
    assert not bare.has("figure")


def test_a_source_that_is_away_is_told_with_the_time_of_its_last_answer():
    away = SourceState("mlflow", up=False, answered=NOW - 180)
    read = page(states=(away, UP[1]))
    assert (
        "MLflow has not answered since 18 Nov 2026, 11:03 UTC , 3 minutes ago. What is below is as it was" in read.text
    )
    assert "version 3" in read.text
    gone = page(models=None, states=(away, replace(UP[1], up=False)), cluster=None)
    assert "3 minutes ago. What it said then is too old to be shown." in gone.text
    assert "The cluster has not answered since" in gone.text
    assert "version 3" not in gone.text
    assert "MLflow has not answered yet." in page(None, None, (replace(away, answered=None),)).text
    assert not page().has("p", role="status")


def test_whatever_a_name_or_a_sentence_contains_stays_text():
    run = replace(PROMOTED, cycle=HOSTILE, reason=HOSTILE, page=f'#"{HOSTILE}', report=f'#"{HOSTILE}', decision=HOSTILE)
    curve = replace(F1, name=HOSTILE)
    model = ModelFacts(HOSTILE, replace(CHAMPION, curve=curve, moved=HOSTILE), 1, {HOSTILE: 1}, trained=[run])
    cycle = CycleNow(HOSTILE, "running", NOW, None, [CycleStep(HOSTILE, HOSTILE, 1, HOSTILE)], HOSTILE)
    over = replace(cycle, state="failed", steps=())
    states = (SourceState(HOSTILE, up=False, answered=None),)
    hostile = page([model], CycleFacts(newest=(cycle, over)), states, name=HOSTILE)
    plain = page([replace(MODEL, trained=[PROMOTED])], CycleFacts(newest=(RUNNING, BROKEN)))
    assert {tag for tag, _ in hostile.tags} == {tag for tag, _ in plain.tags}
    assert {key for _, found in hostile.tags for key in found} == {key for _, found in plain.tags for key in found}
    assert HOSTILE.replace("&amp;", "&") not in hostile.text, "its ampersand is text, too"
    assert hostile.text.count(HOSTILE) >= 10
    assert all(link.startswith(("https://mlflow.example.org/#", "#", "/")) for link in hostile.links)


def test_long_sentences_are_cut():
    read = page([replace(MODEL, trained=[replace(PROMOTED, reason="x" * 5_000)])])
    assert "X" + "x" * 999 + "…" in read.text


def test_no_sentence_shows_a_password():
    told = "https://user:secret@host/ does not answer"
    failed = replace(BROKEN, steps=[CycleStep("spark", "failed", 1, told)])
    model = replace(MODEL, champion=replace(CHAMPION, moved=told), trained=[replace(PROMOTED, reason=told)])
    html = render(seen([model], CycleFacts(newest=(failed, replace(RUNNING, steps=(), said=told)))))
    assert html.count("://***@host/ does not answer") == 4
    assert "secret" not in html


def test_headings_and_tables_say_what_they_head():
    read = page()
    assert [tag for tag, _ in read.tags if tag in ("h1", "h2")] == ["h1", "h2", "h2", "h2"]
    assert {found["scope"] for found in read.has("th")} == {"row", "col"}
    assert read.has("html", lang="en")
    ids = {found["id"] for found in read.has("section")}
    assert {link.removeprefix("#") for link in read.links if link.startswith("#")} == ids


def test_nothing_is_loaded_and_no_script_may_run():
    html = render(seen())
    read = Read(html)
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    assert f"style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in POLICY
    assert POLICY.startswith("default-src 'none';")
    assert "unsafe" not in POLICY
    assert not {tag for tag, _ in read.tags} & {"script", "iframe", "form", "input", "button", "object", "base"}
    assert not [found for _, found in read.tags if "style" in found or "src" in found]
    assert not re.search(r"url\(|@import", style)


def test_durations_and_ages_are_read_in_their_greatest_unit():
    assert [times.ago(seconds) for seconds in (-5, 59, 60, 7_300, 86_400, 900_000)] == [
        "just now",
        "just now",
        "1 minute ago",
        "2 hours ago",
        "1 day ago",
        "10 days ago",
    ]
    assert [times.took(seconds) for seconds in (None, -1, 59.4, 60, 3_599, 3_900)] == [
        "–",
        "0 s",
        "59 s",
        "1 min",
        "59 min",
        "1 h 05 min",
    ]


@pytest.fixture
def server():
    """The exporter's server with a page; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stop = prometheus.serve("127.0.0.1", port, lambda: [("ratchet_cycle_running", (), 1)], Page(lambda: "<p>é", POLICY))
    yield f"http://127.0.0.1:{port}"
    stop()


def answer(address, method="GET"):
    try:
        with urlopen(Request(address, method=method), timeout=10) as found:  # noqa: S310  # an address of ours
            return found.status, found.headers, found.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def test_the_port_has_the_page_the_metrics_and_nothing_else(server):
    status, headers, body = answer(f"{server}/")
    assert (status, body) == (200, "<p>é")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert answer(f"{server}/?a=b", "HEAD")[::2] == (200, "")
    assert "ratchet_cycle_running 1.0" in answer(f"{server}/metrics")[2]
    assert answer(f"{server}/models")[0] == 404
    assert [answer(f"{server}/", method)[0] for method in ("POST", "PUT", "DELETE")] == [405] * 3


@pytest.mark.parametrize("address", ["javascript:alert(1)", "mlflow:5000", "https://user:password@mlflow", "http://"])
def test_links_lead_to_a_web_address(address):
    with pytest.raises(ValidationError, match="mlflow_page"):
        Exporter(mlflow_page=address)
    assert Exporter(mlflow_page="https://mlflow.example.org/team").mlflow_page
