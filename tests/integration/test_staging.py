"""What is better is staged where it is to be tried or approved first; then it is promoted, or held with the reason."""

import itertools
import json

import pytest
from mlflow.tracking import MlflowClient

from ratchet.core.trial import TAG, Trial, judge
from ratchet.io.records.registered_model import RegisteredModel
from ratchet.jobs.promotion.conclude import conclude
from ratchet.jobs.promotion.promote import promote
from ratchet.jobs.promotion.register import register
from tests.integration.candidate_runs import add_run, read_artifact
from tests.integration.conftest import settings_for
from tests.integration.killing import killed_after
from tests.integration.snapshots import snapshot_of

_names = (f"staged{number}" for number in itertools.count())


def settings_of(uri, artifacts=None, **promotion):
    return settings_for(uri, next(_names), artifacts, retrain={"engines": ("sklearn",)}, promotion=promotion)


@pytest.fixture
def settings(mlflow_server):
    return settings_of(mlflow_server, validation=True)


@pytest.fixture
def client(settings):
    return MlflowClient(settings.tracking.uri)


def aliases(settings):
    model = RegisteredModel.read(MlflowClient(settings.tracking.uri), settings.registered_name("sklearn"))
    return {alias: int(version) for alias, version in model.aliases.items()}


def tags_of(client, settings, version):
    return client.get_model_version(settings.registered_name("sklearn"), str(version)).tags


def stage(settings, cycle, f1):
    run_id = add_run(settings, cycle, f1)
    (result,) = register(settings, cycle)
    return run_id, result


def validated(client, settings, version, **seen):
    trial = Trial(**{"rows": 200, "latencies": (0.01,) * 20, "memory_bytes": 2**28, **seen})
    verdict = judge(trial, 2.0, 2**30, "2026-01-01T00:00:00+00:00")
    client.set_model_version_tag(settings.registered_name("sklearn"), str(version), TAG, verdict.to_tag())


def test_what_is_better_is_staged_and_serves_nobody_yet(settings, client):
    run_id, result = stage(settings, "c1", 0.53)
    assert (result.outcome, result.version) == ("staged", 1)
    assert aliases(settings) == {"staging": 1}
    assert client.get_run(run_id).data.tags["ratchet.decision"] == "staged"
    assert "staged · version 1" in read_artifact(settings, run_id, "report.html")
    assert register(settings, "c1")[0].outcome == "staged"
    assert aliases(settings) == {"staging": 1}


def test_what_is_not_better_is_held_at_once(settings):
    stage(settings, "c1", 0.53)
    assert stage(settings, "c2", 0.52)[1].outcome == "held"


def test_what_passes_becomes_champion(settings, client):
    run_id, first = stage(settings, "c1", 0.53)
    validated(client, settings, 1)
    result = conclude(client, settings, "sklearn", "c1")
    assert (result.outcome, result.version, result.reason) == ("promoted", 1, first.reason)
    assert aliases(settings) == {"champion": 1}
    assert tags_of(client, settings, 1)["ratchet.decision"] == "promoted"
    assert json.loads(read_artifact(settings, run_id, "decision.json"))["outcome"] == "promoted"
    assert conclude(client, settings, "sklearn", "c1").outcome == "promoted"


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ({"wrong": 3}, "3 of 200 labels are not the trainer's"),
        ({"apart": 0.1}, "a probability differs from the trainer's by 0.1"),
        ({"malformed": {"no JSON": 500}}, "a request with no JSON was answered with 500 instead of 4xx"),
        (
            {"latencies": (0.01,) * 18 + (5.0, 6.0)},
            "95 of 100 requests took at most 5.000 s, and serving.latency_seconds",
        ),
        ({"memory_bytes": 2**31}, "its server used 2048 MiB of memory, and 1024 MiB is its limit"),
        ({"broken": "its server ended with 1"}, "its server ended with 1"),
    ],
)
def test_what_fails_is_held_with_the_reason(settings, client, seen, why):
    stage(settings, "c1", 0.53)
    validated(client, settings, 1)
    conclude(client, settings, "sklearn", "c1")
    run_id, _ = stage(settings, "c2", 0.54)
    assert aliases(settings) == {"champion": 1, "staging": 2}
    validated(client, settings, 2, **seen)
    result = conclude(client, settings, "sklearn", "c2")
    assert (result.outcome, result.version) == ("held", 2)
    assert result.reason.endswith(why) or why in result.reason
    assert aliases(settings) == {"champion": 1}
    assert client.get_run(run_id).data.tags["ratchet.decision"] == "held"
    assert tags_of(client, settings, 2)["ratchet.decision"] == "held"
    assert tags_of(client, settings, 2)["ratchet.set_aside"] == result.reason
    again = conclude(client, settings, "sklearn", "c2")
    assert (again.outcome, again.reason) == (result.outcome, result.reason)
    assert register(settings, "c2")[0].outcome == "held"


def test_a_validation_without_an_end_holds(settings, client):
    stage(settings, "c1", 0.53)
    result = conclude(client, settings, "sklearn", "c1", "out of memory")
    assert result.outcome == "held"
    assert result.reason.endswith("but its validation did not come to an end: out of memory")
    assert aliases(settings) == {}


def test_a_manual_approval_is_waited_for(mlflow_server):
    settings = settings_of(mlflow_server, approval="manual")
    client, name = MlflowClient(settings.tracking.uri), settings.registered_name("sklearn")
    run_id, _ = stage(settings, "c1", 0.53)
    waits = conclude(client, settings, "sklearn", "c1")
    assert waits.outcome == "staged"
    assert waits.reason.endswith(f"it waits for `ratchet promote {name} 1`")
    assert aliases(settings) == {"staging": 1}
    promote(settings, name, 1, "seen and liked")
    assert aliases(settings) == {"champion": 1}
    assert tags_of(client, settings, 1)["ratchet.decision"] == "promoted"
    tags = client.get_run(run_id).data.tags
    assert tags["ratchet.decision"] == "promoted"
    assert "seen and liked" in tags["ratchet.reason"]


def test_a_better_one_takes_the_place_of_one_that_waits(mlflow_server):
    settings = settings_of(mlflow_server, approval="manual")
    client = MlflowClient(settings.tracking.uri)
    first, _ = stage(settings, "c1", 0.53)
    conclude(client, settings, "sklearn", "c1")
    stage(settings, "c2", 0.54)
    conclude(client, settings, "sklearn", "c2")
    assert aliases(settings) == {"staging": 2}
    assert tags_of(client, settings, 1)["ratchet.decision"] == "held"
    assert "version 2 was better" in client.get_run(first).data.tags["ratchet.reason"]


@pytest.mark.parametrize("passes", [True, False])
def test_it_may_be_killed_between_any_two_writes(mlflow_file, tmp_path, monkeypatch, passes):
    uri, _ = mlflow_file  # a server, asked some thousands of times, would take three times as long
    settings = settings_of(uri, str(tmp_path / "artifacts"), validation=True)
    client = MlflowClient(settings.tracking.uri)
    stage(settings, "c1", 0.5)
    validated(client, settings, 1)
    conclude(client, settings, "sklearn", "c1")
    add_run(settings, "c2", 0.6)
    before = snapshot_of(settings, tmp_path / "before")
    for after in itertools.count(1):
        before.restore()
        with killed_after(monkeypatch, after) as end:
            (result,) = register(settings, "c2")
            validated(client, settings, result.version, wrong=0 if passes else 1)
            conclude(client, settings, "sklearn", "c2")
        register(settings, "c2")
        if TAG not in tags_of(client, settings, 2):
            validated(client, settings, 2, wrong=0 if passes else 1)
        result = conclude(client, settings, "sklearn", "c2")
        assert (result.outcome, result.version) == ("promoted" if passes else "held", 2)
        assert aliases(settings) == ({"champion": 2, "previous": 1} if passes else {"champion": 1})
        assert tags_of(client, settings, 2)["ratchet.decision"] == result.outcome
        assert result.reason.count("refused in validation") == (0 if passes else 1)
        if not end.killed:
            break
    assert after > 10
