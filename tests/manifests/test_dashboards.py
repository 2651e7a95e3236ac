"""Dashboards are whole, know no installation, and ask for nothing that nobody tells."""

import json
import re

import jsonschema
import pytest

from tests.manifests.dashboards import DASHBOARDS, panels, queries

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
PANEL = {
    "type": "object",
    "required": ["id", "type", "title", "description", "gridPos", "targets", "datasource", "fieldConfig", "options"],
    "properties": {
        "type": {"enum": ["stat", "bargauge", "timeseries"]},
        "title": {"type": "string", "minLength": 3},
        "description": {"type": "string", "pattern": r"\.$"},
        "datasource": {"const": DATASOURCE},
        "targets": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["datasource", "refId", "expr", "legendFormat"],
                "properties": {
                    "datasource": {"const": DATASOURCE},
                    "expr": {"type": "string", "minLength": 1},
                    "legendFormat": {"type": "string", "minLength": 1},
                },
            },
        },
    },
}
DASHBOARD = {
    "type": "object",
    "required": ["uid", "title", "tags", "schemaVersion", "time", "templating", "panels"],
    "not": {"required": ["id"]},  # what an installation numbers
    "properties": {
        "uid": {"pattern": "^ratchet"},
        "tags": {"contains": {"const": "ratchet"}},
        "panels": {"items": {"if": {"properties": {"type": {"const": "row"}}}, "else": PANEL}},
    },
}


def check(dashboard):
    """Sentences about what is wrong with a dashboard."""
    validator = jsonschema.Draft202012Validator(DASHBOARD)
    yield from (f"{error.json_path}: {error.message}" for error in validator.iter_errors(dashboard))
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    if variables.get("datasource", {}).get("type") != "datasource":
        yield "no variable chooses the data source"
    text = json.dumps(dashboard)
    for name in set(re.findall(r"\$\{?([a-z]\w*)", text)) - variables.keys():
        yield f"${name} is no variable"
    if re.search(r"namespace\s*[=!]|prometheus-uid|localhost|https?://", text):
        yield "an installation stands in it"
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(ids) != len(set(ids)):
        yield "two panels have one id"
    yield from overlaps(dashboard["panels"])


def overlaps(found):
    taken = {}
    for panel in found:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        if place["x"] + place["w"] > 24:
            yield f"{panel['title']} is wider than the page"
        for cell in cells & taken.keys():
            yield f"{panel['title']} lies on {taken[cell]}"
            break
        taken |= dict.fromkeys(cells, panel["title"])


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_whole(name):
    assert list(check(DASHBOARDS[name])) == []


BROKEN = {
    "a panel without a query": lambda d: next(panels(d)).update(targets=[]),
    "a data source of one installation": lambda d: next(panels(d))["targets"][0]["datasource"].update(uid="P1809F7CD0"),
    "no data source to choose": lambda d: d["templating"]["list"].pop(0),
    "a variable that is none": lambda d: next(panels(d))["targets"][0].update(expr='up{job="$job"}'),
    "a namespace": lambda d: next(panels(d))["targets"][0].update(expr='up{namespace="ratchet"}'),
    "two panels at one place": lambda d: next(panels(d))["gridPos"].update(w=24),
    "an id twice": lambda d: next(panels(d)).update(id=1),
    "a number of an installation": lambda d: d.update(id=7),
    "a panel without a word": lambda d: next(panels(d)).pop("description"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_dashboard_is_seen(broken):
    dashboard = json.loads(json.dumps(DASHBOARDS["ratchet"]))
    BROKEN[broken](dashboard)
    assert list(check(dashboard)) != []


def test_there_is_one_that_answers_the_four_questions_and_one_for_serving():
    assert DASHBOARDS.keys() == {"ratchet", "ratchet-serving"}
    rows = [panel["title"] for panel in DASHBOARDS["ratchet"]["panels"] if panel["type"] == "row"]
    assert rows == ["Serving versions", "Recent performance", "Retraining"]
    assert len(list(queries())) > 30
