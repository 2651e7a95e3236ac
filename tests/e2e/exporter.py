"""What the exporter tells of a test's own model, beside what MLflow says of it."""

import json
from http.client import HTTPException
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e import tracking
from tests.e2e.cluster import wait_until
from tests.e2e.ports import forwarded

DEPLOYMENT = "exporter"
_ENVIRONMENT = "/spec/template/spec/containers/0/env/-"
_SECONDS = 90


def tells_of(model):
    """A JSON patch of its Deployment: it tells of this model."""
    return _setting("RATCHET__MODEL", model)


def asks_every(seconds):
    """JSON patches of its Deployment: it asks MLflow and the cluster so often."""
    names = ("RATCHET__EXPORTER__MLFLOW_SECONDS", "RATCHET__EXPORTER__CLUSTER_SECONDS")
    return [_setting(name, str(seconds)) for name in names]


def _setting(name, text):
    return {"op": "add", "path": _ENVIRONMENT, "value": {"name": name, "value": text}}


def must_say_the_truth(model):
    """Its metrics of the scikit-learn model become what MLflow says: champion, F1, versions, decisions, validation."""
    wait_until(f"the metrics of {model} say what MLflow says", lambda: _told(model) == _true(model), _SECONDS, pause=1)


def _told(model):
    try:
        with forwarded(DEPLOYMENT, 9464) as address, urlopen(f"{address}/metrics", timeout=30) as answer:  # noqa: S310
            page = answer.read().decode()
    except (OSError, HTTPException):  # its pod is just replaced
        return None
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.labels.get("model") == f"{model}-sklearn":
                found[sample.name, sample.labels.get("decision")] = sample.value
    names = ("champion_version", "champion_f1", "versions", "validation_failed")
    told = {name: found.get((f"ratchet_{name}", None)) for name in names}
    return told | {kind: found.get(("ratchet_decisions", kind)) for kind in ("promoted", "held", "staged")}


def _true(model):
    versions, champion = tracking.versions(model), tracking.aliases(model).get("champion")
    outcomes = [json.loads(each["tags"].get("ratchet.validation", "{}")).get("outcome") for each in versions]
    decisions = [run["tags"].get("ratchet.decision") for run in tracking.runs(model)]
    f1 = [float(each["tags"]["ratchet.f1"]) for each in versions if each["version"] == champion]
    true = {
        "champion_version": champion,
        "champion_f1": f1[0] if f1 else None,
        "versions": len(versions),
        "validation_failed": [outcome == "failed" for outcome in outcomes if outcome is not None][-1:] == [True],
    }
    return true | {kind: decisions.count(kind) for kind in ("promoted", "held", "staged")}
