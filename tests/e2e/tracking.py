"""What MLflow in the cluster knows, asked through a port of this machine that is open for one question."""

import json
import time
from http.client import HTTPException
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.e2e.ports import forwarded

_SECONDS = 180


def _ask(path, query=None, body=None, method=None):
    """The answer as JSON, None where MLflow says that it doesn't exist. Tried again while the server comes back."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            with forwarded("mlflow", 5000) as address:
                url = f"{address}/api/2.0/mlflow/{path}" + (f"?{urlencode(query)}" if query else "")
                data = None if body is None else json.dumps(body).encode()
                # The server answers to the names that its manifest lists, and to no others.
                headers = {"Host": "mlflow:5000", "Content-Type": "application/json"}
                with urlopen(Request(url, data, headers, method=method), timeout=30) as answer:  # noqa: S310  # http, above
                    return json.load(answer)
        except (OSError, HTTPException) as error:  # among them whatever the port's other end does while it comes back
            if getattr(error, "code", None) == 404:
                return None
            if time.monotonic() > deadline or getattr(error, "code", 500) < 500:
                raise
            time.sleep(1)


def versions(model, engine="sklearn"):
    """The versions of a registered model by number: run, source, tags; the newest last."""
    answer = _ask("model-versions/search", {"filter": f"name = '{model}-{engine}'", "max_results": 100})
    found = [
        {
            "version": int(each["version"]),
            "run": each["run_id"],
            "source": each["source"],
            "tags": {tag["key"]: tag["value"] for tag in each.get("tags", [])},
        }
        for each in answer.get("model_versions", [])
    ]
    return sorted(found, key=lambda each: each["version"])


def delete_version(model, version, engine="sklearn"):
    """Delete a version, as an operator does with one that is to count no more."""
    _ask("model-versions/delete", body={"name": f"{model}-{engine}", "version": str(version)}, method="DELETE")


def aliases(model, engine="sklearn"):
    """The aliases of a registered model: name → version."""
    answer = _ask("registered-models/get", {"name": f"{model}-{engine}"})
    listed = [] if answer is None else answer["registered_model"].get("aliases", [])
    return {each["alias"]: int(each["version"]) for each in listed}


def runs(model, cycle=None):
    """The runs of a model's experiment, or of one cycle in it, the oldest first: status, artifacts' place, tags."""
    experiment = _ask("experiments/get-by-name", {"experiment_name": model})
    if experiment is None:
        return []
    body = {"experiment_ids": [experiment["experiment"]["experiment_id"]], "order_by": ["attributes.start_time ASC"]}
    found = [
        {
            "id": each["info"]["run_id"],
            "status": each["info"]["status"],
            "start": each["info"].get("start_time", 0),
            "artifacts": each["info"]["artifact_uri"],
            "tags": {tag["key"]: tag["value"] for tag in each["data"].get("tags", [])},
        }
        for each in _ask("runs/search", body=body).get("runs", [])
    ]
    return [run for run in found if cycle in (None, run["tags"].get("ratchet.cycle"))]


def must_have_one_whole_version(model, engine="sklearn"):
    """One version, decided on, made from a complete run, and champion."""
    found = versions(model, engine)
    assert [each["version"] for each in found] == [1], found
    assert found[0]["tags"].get("ratchet.decision") == "promoted", found
    assert aliases(model, engine) == {"champion": 1}
    (run,) = [each for each in runs(model) if each["id"] == found[0]["run"]]
    assert run["status"] == "FINISHED"
    assert "ratchet.complete" in run["tags"], run


def must_have_no_half_version(model, engine="sklearn"):
    """Whatever is registered is whole: decided on, and champion where it was promoted."""
    found, named = versions(model, engine), aliases(model, engine)
    complete = {each["id"] for each in runs(model) if "ratchet.complete" in each["tags"]}
    for each in found:
        assert each["tags"].get("ratchet.decision") in ("promoted", "held"), found
        assert each["run"] in complete, found
    promoted = [each["version"] for each in found if each["tags"]["ratchet.decision"] == "promoted"]
    assert named.get("champion") == (promoted[-1] if promoted else None), (found, named)
