"""The console in a real Chromium, and `ratchet console` beside a real MLflow server."""

import re
import signal
import time
from dataclasses import replace
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import requests
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

from ratchet.core.exported import CycleFacts
from ratchet.core.objective import Objective
from ratchet.core.watch_verdict import TAG as WATCH
from ratchet.io import prometheus
from ratchet.io.prometheus import Page
from ratchet.io.records.model_facts import Models
from ratchet.jobs.promotion import register
from ratchet.report.console.page import POLICY, render
from tests.browser import browsing
from tests.console_pages import CHAMPION, MODEL, PROMOTED, RUNNING, seen
from tests.integration.candidate_runs import add_run
from tests.integration.conftest import free_port, settings_for
from tests.integration.verbs import Verb

ENGINES = {"engines": ("sklearn",)}
DAY = 16_040  # 1 Dec 2013
WAIT_SECONDS = 60
LONG = "a-name-without-an-end-" * 12
ATTACK = "<script>window.attacked = 1</script><img src=x onerror='window.attacked = 1'>"

# The contrast of each text with what is behind it, by the formula of WCAG 2.
FAINT = """
(() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const line = c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  const light = colour => colour.slice(0, 3).map(c => line(c / 255))
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const colour = parts(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
  };
  const texts = [...document.querySelectorAll('body *')].filter(
    e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  return [texts.length, texts.filter(e => {
    const [dark, bright] = [light(parts(getComputedStyle(e).color)), light(behind(e))].sort((a, b) => a - b);
    return (bright + .05) / (dark + .05) < 4.5;
  }).map(e => e.outerHTML.slice(0, 80))];
})()
"""


@pytest.fixture(scope="module")
def tab():
    with browsing() as found:
        yield found


@pytest.fixture(scope="module")
def shown():
    """Serve a page: a function from what it tells to its address."""
    told, port = [seen()], free_port()
    stop = prometheus.serve("127.0.0.1", port, list, Page(lambda: render(told[0]), POLICY))

    def show(what):
        told[0] = what
        return f"http://127.0.0.1:{port}/"

    yield show
    stop()


def long_names():
    run = replace(PROMOTED, cycle=LONG, reason=LONG)
    cycle = replace(RUNNING, cycle=LONG, steps=[replace(step, said=LONG) for step in RUNNING.steps])
    return seen([replace(MODEL, model=LONG, trained=[run])], CycleFacts(newest=[cycle]), name=LONG)


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
@pytest.mark.parametrize("what", [seen, long_names], ids=["usual", "long names"])
def test_it_fits_the_width_of_a_phone_and_of_a_screen(tab, shown, what, width):
    tab.open(shown(what()), width, phone=width < 500)
    tab.value("document.querySelectorAll('details').forEach(each => each.open = true)")
    wide = "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + .5)"
    assert tab.value(f"{wide}.map(e => e.outerHTML.slice(0, 80))") == []
    assert tab.value("document.documentElement.scrollWidth <= innerWidth")
    assert tab.value("document.querySelector('.plot > svg').getBoundingClientRect().width > innerWidth / 2")


def test_it_loads_nothing_else_and_breaks_no_rule_of_its_policy(tab, shown):
    address = shown(seen())
    tab.open(address)
    assert tab.requested == [address]
    assert tab.problems == []
    assert tab.value("getComputedStyle(document.querySelector('.plot')).position") == "relative", "its style applies"


def test_no_name_and_no_sentence_becomes_a_script(tab, shown):
    run = replace(PROMOTED, cycle=ATTACK, reason=ATTACK)
    tab.open(shown(seen([replace(MODEL, model=ATTACK, trained=[run])], name=ATTACK)))
    assert tab.value("document.querySelector('h1').textContent") == ATTACK
    assert tab.value("[document.scripts.length, document.images.length, typeof window.attacked]") == [0, 0, "undefined"]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_can_be_read_in_light_and_in_dark(tab, shown, dark):
    low = replace(CHAMPION, curve=replace(CHAMPION.curve, floors=dict.fromkeys(CHAMPION.curve.values, 0.9)))
    tab.open(shown(seen([replace(MODEL, champion=low, validation_failed=True)])), dark=dark)
    tab.value("document.querySelectorAll('details').forEach(each => each.open = true)")
    brightness = tab.value("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
    assert (brightness < 100) is dark
    texts, faint = tab.value(FAINT)
    assert texts > 50
    assert faint == []


@pytest.mark.parametrize("width", [360, 1280])
def test_headings_tables_and_the_curve_are_what_a_screen_reader_is_told(tab, shown, width):
    tab.open(shown(seen()), width)
    roles = tab.roles()
    headings = [name for role, name in roles if role == "heading"]
    assert headings[:2] == ["flights", "flights-sklearn"]
    assert ("columnheader", "Decision") in roles
    assert ("rowheader", PROMOTED.cycle) in roles
    assert [role for role, _ in roles].count("table") == 4
    images = [name for role, name in roles if role == "image"]
    assert images[0].startswith("Rolling F1 on 118 days up to 13 Nov 2026: ")
    assert ("link", f"Report of {PROMOTED.cycle} in MLflow") in roles


def test_all_of_it_can_be_reached_and_opened_by_keyboard(tab, shown):
    tab.open(shown(seen()))
    places = tab.value("[...document.querySelectorAll('a, summary')].map((e, i) => e.dataset.place = i).length")
    assert places > 8
    reached = []
    for _ in range(places):
        tab.press("Tab", 9)
        reached.append(tab.value("Number(document.activeElement.dataset.place)"))
        outline = tab.value("getComputedStyle(document.activeElement).outline")
        assert re.search(r"solid 3px", outline), outline
    assert reached == list(range(places))
    tab.value("document.querySelector('summary').focus()")
    assert tab.value("document.querySelector('details').open") is False
    tab.press("Enter", 13)
    assert tab.value("document.querySelector('details').open") is True


@pytest.fixture(scope="module")
def settings(mlflow_server):
    """A model whose first version serves; a later candidate is held. The champion has days, two of them low."""
    found = settings_for(mlflow_server, model="console", retrain=ENGINES)
    first = add_run(found, "retrain-one", 0.6, metrics={"f1_low": 0.58, "f1_high": 0.62})
    register.register(found, "retrain-one")
    add_run(found, "retrain-two", 0.5)
    register.register(found, "retrain-two")
    add_run(found, "retrain-three", 0.7, status="FAILED")
    log_days(found, first, {DAY - 2: 0.61, DAY - 1: 0.49, DAY: 0.48})
    return found


def log_days(settings, run, values, floor=0.5, names=("rolling_f1", "rolling_f1_floor")):
    rows = [(day, pair) for day, value in values.items() for pair in zip(names, (value, floor), strict=True)]
    metrics = [Metric(name, value, day * 86_400_000, day) for day, (name, value) in rows]
    MlflowClient(settings.tracking.uri).log_batch(run, metrics=metrics)


def test_the_verb_shows_what_mlflow_has(settings, tab, tmp_path):
    (tmp_path / "configs").mkdir()
    port, uri = free_port(), settings.tracking.uri
    (tmp_path / "configs/dev.yaml").write_text(
        "model: console\ndata: {uri: none, timestamp: at, label: {column: late, positive: true}}\n"
        f"tracking: {{uri: '{uri}'}}\nretrain: {{engines: [sklearn]}}\n"
        f"exporter: {{port: {port}, mlflow_seconds: 1, mlflow_page: '{uri}'}}\n"
    )
    with Verb(tmp_path, "console") as verb:
        assert verb.wait_for("exporter.ready")["console"] == f"http://127.0.0.1:{port}/"
        until(f"http://127.0.0.1:{port}/", "version 1")
        tab.open(f"http://127.0.0.1:{port}/", 360, phone=True)
        figures = tab.value("[...document.querySelectorAll('dd.value')].map(e => e.textContent)")
        assert figures == ["version 1", "0.600", "0.480", "1"]
        assert "95 % interval 0.580 to 0.620" in tab.value("document.body.textContent")
        assert "below its floor on the newest measured day, 1 Dec 2013" in tab.value("document.body.textContent")
        assert tab.value("document.querySelectorAll('circle').length") == 2
        rows = "[...document.querySelectorAll('.cycles tbody tr')].map(row => [row.cells[0], row.cells[3]]"
        assert tab.value(f"{rows}.map(cell => cell.textContent).join(' '))") == [
            "retrain-three failed",
            "retrain-two held",
            "retrain-one promoted",
        ]
        links = tab.value("[...document.querySelectorAll('.why a')].map(e => e.href)")
        assert len(links) == 5, "a failed run has no report"
        assert tab.value("document.documentElement.scrollWidth <= innerWidth")
        # MLflow's own page of the run is there: the address leads to a run that the server knows.
        experiment, run = re.search(r"#/experiments/(\w+)/runs/(\w+)$", links[0]).groups()
        assert links[0].startswith(f"{uri}/#/")
        found = requests.get(f"{uri}/api/2.0/mlflow/runs/get", {"run_id": run}, timeout=10).json()
        assert found["run"]["info"]["experiment_id"] == experiment
        verb.send(signal.SIGINT)
        assert verb.end()[0] == 130


def until(address, text):
    """Wait until a page contains a text."""
    deadline = time.monotonic() + WAIT_SECONDS
    page = ""
    while time.monotonic() < deadline:
        try:
            with urlopen(address, timeout=10) as answer:  # noqa: S310  # an address of ours
                page = answer.read().decode()
        except (URLError, ConnectionError):
            pass
        if text in page:
            return
        time.sleep(0.2)
    pytest.fail(f"not within {WAIT_SECONDS} s: {text}; the page: {page[-500:]}")


def test_days_are_fetched_when_there_are_new_ones(settings, asked):
    own = settings_for(settings.tracking.uri, model="console-days", retrain=ENGINES)
    run = add_run(own, "one", 0.6)
    register.register(own, "one")
    models, history = Models(own), "metrics/get-history"
    log_days(own, run, {DAY: 0.61, DAY - 1: 0.6})
    asked.clear()
    (found,) = models()
    assert asked.count(history) == 2
    assert found.champion.curve.values == {DAY - 1: 0.6, DAY: 0.61}
    assert found.champion.curve.floors == {DAY - 1: 0.5, DAY: 0.5}
    assert models() == (found,)
    assert asked.count(history) == 2
    log_days(own, run, {DAY + 1: 0.4})
    assert models()[0].champion.curve.values[DAY + 1] == 0.4
    assert asked.count(history) == 4


def test_a_poll_takes_two_requests_and_three_for_each_model(settings, asked):
    own = settings_for(settings.tracking.uri, model="console-two")
    for engine in own.retrain.engines:
        log_days(own, add_run(own, "one", 0.6, engine=engine), {DAY: 0.61})
    register.register(own, "one")
    models = Models(own)
    models()
    asked.clear()
    assert [found.champion.version for found in models()] == [1, 1]
    assert len(asked) == 2 + 3 * 2


def test_a_fixed_floor_is_that_of_every_day_and_old_runs_have_that_of_the_version(settings):
    own = settings_for(settings.tracking.uri, model="console-floors", retrain=ENGINES, watch={"floor": 0.25})
    run = add_run(own, "one", 0.6)
    register.register(own, "one")
    MlflowClient(own.tracking.uri).log_batch(run, metrics=[Metric("rolling_f1", 0.6, 0, DAY)])
    assert Models(own)()[0].champion.curve.floors == {DAY: 0.25}
    free = own.model_copy(update={"watch": own.watch.model_copy(update={"floor": None})})
    assert Models(free)()[0].champion.curve.floors == {DAY: pytest.approx(0.54)}


def test_the_newest_day_has_the_floor_of_the_verdict_and_of_the_alert(settings):
    own = settings_for(settings.tracking.uri, model="console-verdict", retrain=ENGINES)
    run = add_run(own, "one", 0.6)
    register.register(own, "one")
    log_days(own, run, {DAY - 1: 0.6, DAY: 0.58})
    models = Models(own)
    assert models()[0].champion.curve.floors == {DAY - 1: 0.5, DAY: 0.5}
    MlflowClient(own.tracking.uri).set_model_version_tag("console-verdict-sklearn", "1", WATCH, '{"floor": 0.59}')
    champion = models()[0].champion
    assert champion.floor == champion.curve.floors[DAY] == 0.59
    assert (champion.curve.floors[DAY - 1], champion.curve.is_low(DAY)) == (0.5, True)


def test_another_objective_has_its_own_curve(settings):
    cost = Objective(cost=(1.0, 8.0))
    own = settings_for(settings.tracking.uri, model="console-cost", retrain=ENGINES, promotion={"objective": cost.form})
    run = add_run(own, "one", 0.6, tags=cost.tags(), metrics={"objective": -0.7, "objective_constant": -0.9})
    register.register(own, "one")
    log_days(own, run, {DAY: -0.75}, -0.8, ("rolling_objective", "rolling_objective_floor"))
    curve = Models(own)()[0].champion.curve
    assert (curve.name, curve.values, curve.floors) == ("cost", {DAY: 0.75}, {DAY: 0.8})
    assert not curve.greater_is_better


def test_of_each_cycle_the_newest_run_is_told_and_of_many_cycles_the_newest(settings):
    own = settings_for(settings.tracking.uri, model="console-cycles", retrain=ENGINES)
    add_run(own, "cycle-0", None, status="KILLED", compared=False)
    for number in range(12):
        add_run(own, f"cycle-{number}", 0.5, compared=False)
    models = Models(own)
    for _ in range(2):
        trained = models()[0].trained
        assert [run.cycle for run in trained] == [f"cycle-{number}" for number in reversed(range(2, 12))]
    add_run(own, "cycle-11", None, status="KILLED", compared=False)
    last = Models(own)()[0].trained[0]
    assert (last.cycle, last.status, last.report) == ("cycle-11", "KILLED", "")
