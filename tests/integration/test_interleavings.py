"""Whoever promotes at the same time, in whatever order, and is killed wherever: the records agree."""

import itertools
import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ratchet.core.rival import Rival
from ratchet.core.trial import TAG, Trial, judge
from ratchet.errors import ConfigurationError, TemporaryError
from ratchet.io.records import registered_model
from ratchet.io.records.lock import PREFIX, Lock
from ratchet.jobs.promotion import promote
from ratchet.jobs.promotion.case import held_model
from ratchet.jobs.promotion.conclude import conclude, go_back
from ratchet.jobs.promotion.register import decide_all
from ratchet.report.decision_section import open_section
from tests.integration.conftest import settings_for
from tests.integration.killing import Killed
from tests.integration.mlflow_double import MlflowDouble
from tests.integration.playing import Stage

MODEL = "flights-sklearn"
FILES = {"report.html": open_section().encode(), "comparison.csv": Rival.to_csv([]).encode(), "model/MLmodel": b""}
TURNS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 24).map(lambda number: number == 0)), max_size=250)


class World:
    """An MLflow with a champion of 0.50, and two cycles with a better candidate each, 0.55 and 0.60."""

    def __init__(self, *, validation):
        self.stage = Stage()
        self.client = MlflowDouble(self.stage.pause)
        promotion = {"validation": validation, "lock_seconds": 20}
        self.settings = settings_for("http://double", retrain={"engines": ("sklearn",)}, promotion=promotion)
        for number, f1 in enumerate((0.50, 0.55, 0.60)):
            self.add(f"c{number}", f1)
        self.stage.play([partial(self.cycle, "c0")], ())

    def add(self, cycle, f1):
        tags = {
            "ratchet.model": "flights",
            "ratchet.cycle": cycle,
            "ratchet.engine": "sklearn",
            "ratchet.as_of": "2013-12-01",
            "ratchet.test_from": "2013-11-01",
            "ratchet.test_until": "2013-12-01",
            "ratchet.verified": "true",
            "ratchet.complete": "true",
            "ratchet.model_uri": f"runs:/run-{cycle}/model",
        }
        self.client.add_run(f"run-{cycle}", tags, {"f1": f1, "f1_all_positive": 0.4}, FILES)

    def cycle(self, name):
        """The registrar of a cycle, the trial of what it staged, and the last word on it."""
        (result,) = decide_all(self.client, self.settings, name, lambda _: None)
        if result.outcome == "staged" and TAG not in self.client.get_model_version(MODEL, str(result.version)).tags:
            passed = judge(Trial(rows=9, latencies=(0.01,), memory_bytes=1), 2.0, 2, "2026-01-01T00:00:00+00:00")
            self.client.set_model_version_tag(MODEL, str(result.version), TAG, passed.to_tag())
        conclude(self.client, self.settings, "sklearn", name)

    def fail(self):
        """What a rollout does where the servers of the champion fail."""
        champion = registered_model.champion_of(self.client, MODEL)
        with held_model(self.client, self.settings, MODEL, "rollout") as model:
            if champion is not None and model.aliases.get("champion") == champion:
                go_back(model, champion, "its servers failed")

    def rollback(self):
        promote.rollback(self.settings, MODEL, "it is slow")

    def check(self):
        model = registered_model.RegisteredModel.read(self.client, MODEL)
        assert not [key for key in model.tags if key.startswith(PREFIX)]
        made_from = [version.run_id for version in model.versions]
        assert len(made_from) == len(set(made_from))
        for alias, number in model.aliases.items():
            assert model.numbered(number), f"{alias} names a version that is not there"
        assert "staging" not in model.aliases
        assert [version for version in model.versions if version.move and not version.move.done] == []
        for version in model.versions:
            run = self.client.get_run(version.run_id)
            decision = json.loads(self.client._runs[version.run_id].files["decision.json"])
            said = (version.tags["ratchet.decision"], version.tags["ratchet.reason"])
            assert (run.data.tags["ratchet.decision"], run.data.tags["ratchet.reason"]) == said
            assert (decision["outcome"], decision["reason"], decision["version"]) == (*said, version.number)
            assert not (version.champion and version.rolled_back), "what was taken back serves"
            assert not (version.champion and "ratchet.set_aside" in version.tags), "what serves is set aside"
        if model.champion is not None:
            assert model.champion.tags["ratchet.decision"] == "promoted"
            record = json.loads(model.tags["ratchet.champion"])
            assert record["version"] == model.champion.number
        return model


@pytest.mark.parametrize("validation", [False, True])
@given(turns=TURNS)
def test_two_registrars_a_rollout_a_rollback_and_kills_leave_records_that_agree(validation, turns):
    with pytest.MonkeyPatch.context() as patch:
        world = World(validation=validation)
        clocked = partial(Lock, clock=world.stage.clock, ticks=world.stage.clock, sleep=world.stage.sleep)
        patch.setattr(registered_model, "Lock", clocked)
        patch.setattr(promote, "connect", lambda _: world.client)
        first, second = partial(world.cycle, "c1"), partial(world.cycle, "c2")
        raised = world.stage.play([first, second, world.rollback, world.fail], turns)
        accepted = (Killed, TemporaryError, ConfigurationError)
        assert [error for error in raised if error is not None and not isinstance(error, accepted)] == []
        for again in (first, second):
            assert world.stage.play([again], ()) == [None]
        model = world.check()
        assert {version.run_id for version in model.versions} >= {"run-c2"}


def test_a_play_without_kills_ends_with_the_better_one(monkeypatch):
    world = World(validation=False)
    clocked = partial(Lock, clock=world.stage.clock, ticks=world.stage.clock, sleep=world.stage.sleep)
    monkeypatch.setattr(registered_model, "Lock", clocked)
    assert world.stage.play([partial(world.cycle, "c1"), partial(world.cycle, "c2")], ()) == [None, None]
    assert world.check().champion.run_id == "run-c2"


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("create_model_version"), st.sampled_from("ab")),
        st.tuples(st.just("set_model_version_tag"), st.integers(1, 4), st.sampled_from("kl"), st.sampled_from("vw")),
        st.tuples(st.just("delete_model_version"), st.integers(1, 4)),
        st.tuples(st.just("set_registered_model_alias"), st.sampled_from("xy"), st.integers(1, 4)),
        st.tuples(st.just("delete_registered_model_alias"), st.sampled_from("xy")),
        st.tuples(st.just("set_registered_model_tag"), st.sampled_from("kl"), st.sampled_from("vw")),
        st.tuples(st.just("delete_registered_model_tag"), st.sampled_from("kl")),
    ),
    max_size=12,
)
_numbers = itertools.count()


@given(acts=ACTS)
def test_the_double_does_what_a_server_does(mlflow_server, acts):
    name = f"double{next(_numbers)}"
    clients = (MlflowClient(mlflow_server), MlflowDouble())
    run = clients[0].create_run("0").info
    for client in clients:
        client.create_registered_model(name)
    for act in acts:
        said = [outcome(client, name, run, *act) for client in clients]
        assert said[0] == said[1], act
        states = [state(client, name) for client in clients]
        assert states[0] == states[1], act


def outcome(client, name, run, call, *words):
    """The code of the error that a call ends with; None where it does what was asked for."""
    words = [str(word) if isinstance(word, int) else word for word in words]
    if call == "create_model_version":
        words = [f"{run.artifact_uri}/model", run.run_id, {"made": words[0]}]
    try:
        getattr(client, call)(name, *words)
    except MlflowException as error:
        return error.error_code
    return None


def state(client, name):
    model = client.get_registered_model(name)
    found = client.search_model_versions(f"name = '{name}'", max_results=100)
    versions = sorted((int(version.version), dict(version.tags)) for version in found)
    return dict(model.tags), {alias: int(number) for alias, number in model.aliases.items()}, versions
