"""Every panel of both dashboards, drawn in a real Chromium by Grafana's front-end libraries, shows what Prometheus has.

`make dashboards` bundles the page and runs this; PICTURES=docs saves the pictures that the documentation shows.
"""

import base64
import io
import os
import re
import time
from urllib.parse import urlencode

import pytest
from PIL import Image

from tests.browser import browsing
from tests.dashboards.loads import SCRAPES
from tests.dashboards.months import DAY, DAYS, written
from tests.manifests.dashboards import DASHBOARDS, panels
from tests.manifests.kustomize import ROOT

SPANS = {"ratchet": DAYS * DAY, "ratchet-serving": SCRAPES * 30}
NAMES = {"ratchet": "dashboard.png", "ratchet-serving": "dashboard-serving.png"}
WIDTH, DRAWN_SECONDS = 1500, 90
pytestmark = pytest.mark.timeout(1800)  # the past takes minutes

# Of each panel: its texts, the names in its legend, how much of its plot has a colour, texts that are cut or too small.
SEEN = """
[...document.querySelectorAll('[data-viz-panel-key]')].map(panel => {
  const canvas = panel.querySelector('.u-wrap canvas');
  let coloured = 0;
  if (canvas && canvas.width) {
    const {data} = canvas.getContext('2d', {willReadFrequently: true}).getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b, a] = data.subarray(i, i + 4);
      coloured += a > 100 && Math.max(r, g, b) - Math.min(r, g, b) > 60;
    }
  }
  const texts = [...panel.querySelectorAll('section, div, span, button')].filter(
    e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  return {
    key: panel.dataset.vizPanelKey,
    failed: panel.querySelector("[data-testid^='data-testid Panel status']") !== null,
    kind: panel.dataset.pluginId,
    text: panel.innerText,
    legend: [...panel.querySelectorAll('[data-testid^="data-testid VizLegend series"]')].map(e => e.innerText.trim()),
    coloured,
    cut: texts.filter(e => {
      const style = getComputedStyle(e), inside = document.createRange();
      inside.selectNodeContents(e);
      const room = e.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
      return style.overflow !== 'visible' && inside.getBoundingClientRect().width > room + 1;
    }).map(e => e.innerText),
    small: texts.filter(e => parseFloat(getComputedStyle(e).fontSize) < 10).map(e => e.innerText),
  };
})
"""


@pytest.fixture(scope="module")
def tab():
    with browsing() as found:
        yield found


def drawn(tab, page, past, name, seconds=DRAWN_SECONDS, **values):
    """What is seen of a dashboard's panels, by their titles, once all have drawn."""
    now = time.time()
    words = {"dashboard": f"{page}/k8s/components/dashboards/{name}.json", "prometheus": past}
    words |= {"from": written(now - SPANS[name]), "to": written(now), **values}
    height = 66 + 38 * max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in DASHBOARDS[name]["panels"])
    tab.problems.clear()
    tab.open(f"{page}/tests/dashboards/built/index.html?{urlencode(words, doseq=True)}", WIDTH, height)
    titles = {f"panel-{each['id']}": each["title"] for each in panels(DASHBOARDS[name])}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = {titles[each["key"]]: each for each in tab.value(SEEN)}
        if found.keys() == set(titles.values()) and not any(list(missing(each)) for each in found.values()):
            break
        time.sleep(0.5)
    return found


def save(tab, path):
    """Save what is in the window as a small PNG file."""
    data = base64.b64decode(tab.do("Page.captureScreenshot")["data"])
    Image.open(io.BytesIO(data)).convert("RGB").quantize(256).save(path, optimize=True)


def missing(panel):
    """Sentences about what a panel does not show."""
    if panel["failed"] or re.search("No data|An unexpected error", panel["text"]):
        yield panel["text"]
    if panel["kind"] == "timeseries" and panel["coloured"] < 100:
        yield "no line is drawn"
    if panel["kind"] == "timeseries" and not panel["legend"]:
        yield "no line has a name"
    if panel["kind"] != "timeseries" and len(panel["text"].split("\n")) < 2:
        yield f"only its title is shown: {panel['text']}"


def wrong(found):
    """What a reader could not see or not read, by the panel's title."""
    for title, panel in found.items():
        yield from ((title, sentence) for sentence in missing(panel))
        if len(set(panel["legend"])) != len(panel["legend"]) or "" in panel["legend"]:
            yield title, f"names of lines: {panel['legend']}"
        yield from ((title, f"cut: {text}") for text in panel["cut"])
        yield from ((title, f"too small: {text}") for text in panel["small"])


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_shows_what_there_is(tab, page, past, name):
    found = drawn(tab, page, past, name)
    if folder := os.environ.get("PICTURES"):
        save(tab, ROOT / folder / NAMES[name])
    assert found.keys() == {panel["title"] for panel in panels(DASHBOARDS[name])}
    assert list(wrong(found)) == []
    assert [one for one in tab.problems if "willReadFrequently" not in one] == []


def test_one_model_is_shown_where_one_is_chosen(tab, page, past):
    found = drawn(tab, page, past, "ratchet", **{"var-model": "flights-spark"})
    assert found["Champion"]["text"].split("\n") == ["Champion", "flights-spark 2"]
    assert {name.split(" ")[0] for name in found["Rolling value and its floor"]["legend"]} == {"flights-spark"}
    assert len(found["Rolling value and its floor"]["legend"]) == 4


def test_a_panel_without_data_is_seen(tab, page, past):
    found = drawn(
        tab, page, past, "ratchet-serving", **{"var-model": "no-such-model", "from": written(0), "to": written(600)}
    )
    assert {title for title, sentence in wrong(found) if "No data" in sentence}
