"""A champion that is watched: on later months than its own, again and again, and killed between any two acts."""

import json
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import structlog
from mlflow.tracking import MlflowClient

from ratchet import background
from ratchet.core import cycle_ids
from ratchet.core.evaluation import drift
from ratchet.core.evaluation.counts import Counts, day_number
from ratchet.core.evaluation.estimate import rolling_estimates
from ratchet.core.watch_estimate import WatchEstimate
from ratchet.core.watch_verdict import WatchVerdict
from ratchet.core.windows import Window
from ratchet.errors import DataError, FailedError, TemporaryError
from ratchet.io.records import process_identity, watch_record
from ratchet.io.records.connection import connect
from ratchet.io.records.model_facts import Models
from ratchet.io.records.registered_model import versions_of
from ratchet.jobs import estimate as estimating
from ratchet.jobs import watch as watching
from ratchet.jobs.local_runner import LocalRunner
from ratchet.jobs.promotion.register import register
from ratchet.jobs.retrain import Cycle
from ratchet.jobs.training.train import train
from ratchet.jobs.watch_step import watch
from tests.integration.scoring_fixtures import like
from tests.integration.snapshots import Snapshot
from tests.integration.trainer_fixtures import empty_mlflow, small_settings, tree, write_configuration
from tests.integration.verbs import events, ratchet
from tests.receiver import receiving

# The champion's test window is March; April and May are new.
AS_OF = "2013-04-01"
WINDOWS = {"train": "1mo", "calibration": "1mo", "test": "1mo"}
NEVER_LOW, ALWAYS_LOW = {"floor": 0.01}, {"floor": 0.99}


@dataclass
class World:
    """An MLflow with a champion, and what the tests ask of it."""

    folder: object
    uri: str
    slice: str

    def settings(self, **sections):
        return small_settings(self.slice, self.folder, windows=WINDOWS, **sections)

    @property
    def client(self):
        return MlflowClient(self.uri)

    def champion(self):
        return self.client.get_model_version_by_alias("flights-sklearn", "champion")

    def steps(self, metric):
        return [entry.step for entry in self.client.get_metric_history(self.champion().run_id, metric)]

    def files(self):
        return [file.path for file in self.client.list_artifacts(self.champion().run_id, "watch")]

    def history(self, metric):
        found = self.client.get_metric_history(self.champion().run_id, metric)
        return {entry.step: entry.value for entry in found}

    def verdict(self):
        return WatchVerdict.from_tag(self.champion().tags["ratchet.watch"], "it")

    def estimate(self):
        return WatchEstimate.from_tag(self.champion().tags["ratchet.estimate"], "it")

    def without_labels(self, *missing, **sections):
        """Settings for the same table without the labels of some days: each a first and a last one."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        for file in sorted(Path(self.slice).glob("*/*.parquet")):
            frame = pd.read_parquet(file).astype({"late": "boolean"})
            day = frame["scheduled_departure"].dt.strftime("%Y-%m-%d")
            for first, last in missing:
                frame.loc[day.between(first, last), "late"] = pd.NA
            frame.to_parquet(folder / f"{file.parent.name}.parquet", index=False)
        return self.settings(data={**_data(self), "uri": str(folder)}, **sections)


@pytest.fixture(scope="module")
def first(flights_slice, tmp_path_factory):
    """The world as it is at the beginning of each test, and what it is made anew from."""
    folder = tmp_path_factory.mktemp("watch") / "world"
    folder.mkdir()
    empty_mlflow(folder)
    made = World(folder, f"sqlite:///{folder}/mlflow.db", flights_slice)
    settings = made.settings()
    train(settings, "sklearn", "first", date.fromisoformat(AS_OF))
    register(settings, "first")
    return made, Snapshot(folder / "mlflow.db", folder, folder.with_name("kept"))


@pytest.fixture
def world(first):
    """An MLflow whose one version was trained once for all tests."""
    made, kept = first
    kept.restore()
    return made


def days(first, last):
    return list(range(day_number(date.fromisoformat(first)), day_number(date.fromisoformat(last)) + 1))


def test_the_newest_days_are_measured_once_and_continue_the_curve(world):
    settings = world.settings(watch=NEVER_LOW)
    assert world.steps("rolling_f1") == days("2013-03-01", "2013-03-31")
    found = watch(settings, "sklearn")
    assert found.verdict.verdict == "fine"
    assert sorted(world.steps("rolling_f1")) == days("2013-03-01", "2013-05-31")
    assert world.files() == [
        "watch/counts-2013-04-01-to-2013-05-31.csv",
        "watch/drift-2013-04-01-to-2013-05-31.csv",
    ]
    last = days("2013-05-31", "2013-05-31")[0]
    assert sorted(world.steps("drift_max")) == [0, last]
    assert world.verdict() == found.verdict
    run = world.champion().run_id
    history = {entry.step: entry for entry in world.client.get_metric_history(run, "rolling_f1")}
    assert history[last].timestamp == last * 86_400_000
    assert found.verdict.f1 == history[last].value
    again = watch(settings, "sklearn")
    assert again.sentence.endswith("no day is new")
    assert sorted(world.steps("rolling_f1")) == days("2013-03-01", "2013-05-31")
    assert sorted(world.steps("drift_max")) == [0, last]


def test_days_that_come_bit_by_bit_give_what_all_at_once_do(world):
    for lag in (40, 20, 20, 0):
        watch(world.settings(watch={**NEVER_LOW, "lag_days": lag}), "sklearn")
    assert len(world.files()) == 6
    bit_by_bit = world.client.get_metric_history(world.champion().run_id, "rolling_f1")
    record = watch_record.Record(world.client, _version(world))
    parts = [Counts.from_csv(record.read(span.path), 16_384) for span in record.spans[1:]]
    settings = world.settings(watch=NEVER_LOW, tracking=_another(world))
    train(settings, "sklearn", "first", _day(AS_OF))
    register(settings, "first")
    watch(settings, "sklearn")
    other = MlflowClient(settings.tracking.uri)
    run = other.get_model_version_by_alias("flights-sklearn", "champion").run_id
    at_once = other.get_metric_history(run, "rolling_f1")
    assert {(entry.step, entry.value) for entry in bit_by_bit} == {(entry.step, entry.value) for entry in at_once}
    path = other.download_artifacts(run, "watch/counts-2013-04-01-to-2013-05-31.csv")
    assert Counts.together(parts, 16_384).to_csv() == Path(path).read_text()


def _another(world):
    return {"uri": f"sqlite:///{world.folder}/other.db", "artifacts": f"{world.folder}/other"}


def _day(text):
    return date.fromisoformat(text)


def _version(world):
    return versions_of(world.client, "flights-sklearn")[-1]


def test_of_a_long_absence_only_the_newest_days_are_measured_and_no_window_spans_the_gap(world):
    watch(world.settings(watch={**NEVER_LOW, "most_days": 10}), "sklearn")
    assert world.files()[0] == "watch/counts-2013-05-22-to-2013-05-31.csv"
    assert sorted(world.steps("rolling_f1"))[31:] == days("2013-05-22", "2013-05-31")
    verdict = watch(world.settings(watch={**ALWAYS_LOW, "low": 5}), "sklearn").verdict
    assert verdict.low_days == 4, "of ten days the first six have no full window"
    assert verdict.verdict == "fine"


@pytest.mark.parametrize(
    "act", ["add", "log_days", "log_drift", "conclude", "log_estimates", "log_estimate_error", "write_estimate"]
)
def test_killed_before_any_act_it_is_run_again_to_the_same_end(world, monkeypatch, act):
    settings = world.settings(watch=NEVER_LOW)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(watch_record.Record, act, killed)
        with pytest.raises(KeyboardInterrupt):
            watch(settings, "sklearn")
    found = watch(settings, "sklearn")
    assert sorted(world.steps("rolling_f1")) == days("2013-03-01", "2013-05-31")
    assert sorted(world.steps("drift_max")) == [0, *days("2013-05-31", "2013-05-31")]
    assert len(world.files()) == 2
    assert world.verdict() == found.verdict
    assert sorted(world.steps("rolling_f1_estimated")) == days("2013-03-01", "2013-05-31")
    assert world.estimate() == found.estimate
    assert sorted(world.steps("rolling_f1_estimated_error")) == [0, *days("2013-05-31", "2013-05-31")]


def test_killed_between_drift_and_counts_the_days_are_measured_anew(world, monkeypatch):
    settings = world.settings(watch=NEVER_LOW)
    with monkeypatch.context() as patch:
        patch.setattr(Counts, "to_csv", lambda _self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            watch(settings, "sklearn")
    assert world.files() == []
    watch(settings, "sklearn")
    assert len(world.files()) == 2


def test_the_drift_is_that_from_training_to_the_new_days(world):
    watch(world.settings(watch=NEVER_LOW), "sklearn")
    rows = drift.from_csv(watch_record.Record(world.client, _version(world)).read(world.files()[1]))
    run = world.client.get_run(world.champion().run_id)
    assert {row.feature for row in rows} == {name[6:] for name in run.data.metrics if name.startswith("drift.")}
    assert max(row.distance for row in rows) == run.data.metrics["drift_max"]
    assert rows[0].feature == "temperature"


def test_without_a_champion_or_a_new_day_there_is_nothing_to_do(registered, flights_slice, tmp_path):
    empty, full = (tmp_path / name for name in ("empty", "full"))
    empty.mkdir()
    folder = write_configuration(empty, flights_slice, windows=WINDOWS)
    none = ratchet(folder, "watch", "sklearn", "--env", "test")
    assert (none.returncode, none.stdout) == (
        0,
        "flights-sklearn has no champion yet: there is nothing to watch\n",
    )
    whole = ratchet(folder, "watch", "--env", "test")
    assert (whole.returncode, "flights-sklearn has no champion yet\n" in whole.stdout) == (0, True)
    full.mkdir()
    done = ratchet(like(registered, full, flights_slice, windows=WINDOWS), "watch", "sklearn", "--env", "test")
    assert done.returncode == 0
    assert "no day is new" in done.stdout


def test_a_low_champion_starts_one_cycle_that_says_why_and_a_second_watch_none(world):
    write_configuration(world.folder, world.slice, windows=WINDOWS, watch=ALWAYS_LOW)
    cycle = cycle_ids.from_watch("flights", _day("2013-05-31"))
    with receiving() as receiver:
        told = {"RATCHET__NOTIFY__URL": receiver.address, "RATCHET__NOTIFY__FORM": "plain"}
        done = ratchet(world.folder, "watch", "--env", "test", environment=told)
    assert done.returncode == 0, done.stderr
    (low,) = (message for message in receiver.messages if message["event"] == "watch_low")
    assert (low["model"], low["version"]) == ("flights-sklearn", 1)
    assert low["reason"].startswith("version 1 of flights-sklearn has a rolling F1 of ")
    # Its cycle tells of itself, or is held, which is not told by default.
    assert {message["cycle"] for message in receiver.messages} <= {None, cycle}
    assert events(done)["watch.started"]["cycle"] == cycle
    (experiment,) = [e for e in world.client.search_experiments() if e.name == "flights"]
    (run,) = world.client.search_runs([experiment.experiment_id], f"tags.`ratchet.cycle` = '{cycle}'")
    assert run.data.tags["ratchet.because"].startswith("version 1 of flights-sklearn has a rolling F1 of ")
    assert run.data.tags["ratchet.as_of"] == "2013-06-01"
    # The champion before the cycle, put back: its verdict is low, and the days are those that a cycle has been run for.
    world.client.set_registered_model_alias("flights-sklearn", "champion", "1")
    again = ratchet(world.folder, "watch", "--env", "test")
    assert again.returncode == 0, again.stderr
    assert f"no cycle is started: the cycle {cycle} has been run for these days" in again.stdout
    assert len(world.client.search_runs([experiment.experiment_id])) == 2


def test_a_champion_that_does_well_starts_none(world):
    write_configuration(world.folder, world.slice, windows=WINDOWS, watch=NEVER_LOW)
    done = ratchet(world.folder, "watch", "--env", "test")
    assert done.returncode == 0, done.stderr
    assert "watch.started" not in events(done)
    assert "not below its floor of 0.010" in done.stdout


def test_while_another_watch_runs_its_cycle_none_is_started(world):
    settings = world.settings(watch=ALWAYS_LOW)
    watch(settings, "sklearn")
    with watching._alone(settings) as first, watching._alone(settings) as second:
        assert (first, second) == (True, False)


@pytest.mark.parametrize(("pid", "cycle"), [(None, "the cycle here works already"), (2**22 + 1, None)])
def test_a_cycle_that_works_on_this_machine_is_seen_and_one_whose_process_is_gone_is_not(tmp_path, pid, cycle):
    settings = small_settings("nowhere", tmp_path)
    client = connect(settings.tracking)
    there = process_identity.own()
    there = there if pid is None else replace(there, pid=pid)
    tags = {"ratchet.cycle": "here", "ratchet.process": json.dumps(asdict(there))}
    client.create_run(client.create_experiment(settings.experiment), tags=tags)
    assert watching._at_work(settings) == cycle


def test_a_column_that_the_data_no_longer_have_is_named(world):
    missing = world.settings(data={**_data(world), "numeric": ["hour"], "categorical": []})
    assert watch(missing, "sklearn").verdict is not None, "the version's own columns count, not the settings'"
    gone = world.settings(data={**_data(world), "uri": str(_without(world, "humidity"))})
    with pytest.raises(DataError, match="'humidity' is not in"):
        watch(gone, "sklearn")


def _data(world):
    return tree(world.slice, world.folder)["data"]


def _without(world, column):
    folder = world.folder / "less"
    folder.mkdir()
    frame = pd.read_parquet(f"{world.slice}/year_month=2013-05/part-0.parquet").drop(columns=column)
    frame.to_parquet(folder / "part-0.parquet", index=False)
    return folder


def test_a_model_that_is_no_trainers_and_a_threshold_that_is_not_the_runs_are_refused(world, monkeypatch):
    settings = world.settings(watch=NEVER_LOW)
    with monkeypatch.context() as patch:
        patch.setattr(watch_record.Record, "threshold", 0.123)
        with pytest.raises(FailedError, match=r"says 0\.123"):
            watch(settings, "sklearn")
    assert world.files() == []
    with monkeypatch.context() as patch:
        patch.setattr("mlflow.sklearn.load_model", lambda _uri: object())
        with pytest.raises(FailedError, match="it has no threshold"):
            watch(settings, "sklearn")
    assert "ratchet.watch" not in world.champion().tags


def test_a_trainer_and_a_cycle_take_a_reason_and_refuse_an_empty_one(flights_slice, tmp_path):
    folder = write_configuration(tmp_path, flights_slice, windows=WINDOWS)
    refused = ratchet(folder, "retrain", "--env", "test", "--because", " ")
    assert (refused.returncode, "--because is empty" in refused.stderr) == (2, True)
    settings = small_settings(flights_slice, tmp_path, windows=WINDOWS)
    train(settings, "sklearn", "why", None, because="to see")
    train(settings, "sklearn", "why-not", None)
    client = MlflowClient(settings.tracking.uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "flights"]
    runs = client.search_runs([experiment.experiment_id])
    found = {run.data.tags["ratchet.cycle"]: run.data.tags.get("ratchet.because") for run in runs}
    assert found == {"why": "to see", "why-not": None}


def test_on_a_server_it_is_the_same_and_the_verdict_has_the_names_of_the_contract(
    flights_slice, tmp_path, mlflow_server
):
    tracking = {"uri": mlflow_server, "artifacts": None}
    settings = small_settings(
        flights_slice, tmp_path, model="watched-there", windows=WINDOWS, tracking=tracking, watch=NEVER_LOW
    )
    train(settings, "sklearn", "first", _day(AS_OF))
    register(settings, "first")
    watch(settings, "sklearn")
    watch(settings, "sklearn")
    client = MlflowClient(mlflow_server)
    version = client.get_model_version_by_alias("watched-there-sklearn", "champion")
    found = json.loads(version.tags["ratchet.watch"])
    assert set(found) == {"until", "rows", "f1", "floor", "low_days", "verdict", "at"}
    assert (found["until"], found["verdict"]) == ("2013-06-01", "fine")
    history = client.get_metric_history(version.run_id, "rolling_f1")
    assert sorted(entry.step for entry in history) == days("2013-03-01", "2013-05-31")
    assert len(client.list_artifacts(version.run_id, "watch")) == 2


def test_the_whole_watch_of_a_machine_goes_by_what_its_steps_left(world, monkeypatch):
    monkeypatch.setattr(watching, "run_steps", lambda *_: None)
    settings = world.settings(watch=ALWAYS_LOW)
    watch(settings, "sklearn")
    asked = []
    monkeypatch.setattr(watching, "retrain", lambda *words, **more: asked.append((words[2], more)) or _done())
    done = watching.watch(settings, [])
    assert [cycle for cycle, _ in asked] == [cycle_ids.from_watch("flights", _day("2013-05-31"))]
    assert done.sentences[-1].startswith("started the cycle ")


def _done():
    return Cycle(None, "x")


def test_trainer_watch_and_exporter_have_one_floor_that_the_test_windows_own_last_week_is_not_below(world):
    settings = world.settings(retrain={"engines": ["sklearn"]})
    run = world.client.get_run(world.champion().run_id)
    assert sorted(world.steps("rolling_f1_floor")) == days("2013-03-07", "2013-03-31"), "the days with a full window"
    trained = run.data.metrics["rolling_f1_floor"]
    assert trained < run.data.metrics["rolling_f1"]
    assert Models(settings)()[0].champion.floor == trained, "before the first watch"
    found = watch(settings, "sklearn").verdict
    floors = {entry.step: entry.value for entry in world.client.get_metric_history(run.info.run_id, "rolling_f1_floor")}
    assert sorted(floors) == days("2013-03-07", "2013-05-31")
    assert found.floor == floors[days("2013-05-31", "2013-05-31")[0]] == Models(settings)()[0].champion.floor
    wider = watch(world.settings(watch={"false_alarms": 0.2}), "sklearn").verdict
    assert wider.floor > found.floor
    assert watch(world.settings(watch={"floor": 0.25}), "sklearn").verdict.floor == 0.25
    assert Models(world.settings(watch={"floor": 0.3}))()[0].champion.floor == 0.3


def test_a_version_without_counts_of_its_test_window_has_nine_tenths_of_its_f1(world, monkeypatch):
    monkeypatch.setattr(watch_record.Record, "tested", None)
    assert watch(world.settings(), "sklearn").verdict.floor == 0.9 * _version(world).f1


@pytest.mark.parametrize(("length", "as_of"), [("1d", "2013-04-11"), ("3d", "2013-04-12")])
def test_a_test_window_that_is_too_short_to_tell_what_chance_does_calls_nothing_low(
    flights_slice, tmp_path, length, as_of
):
    settings = small_settings(flights_slice, tmp_path, windows={**WINDOWS, "test": length})
    train(settings, "sklearn", "first", _day(as_of))
    register(settings, "first")
    verdict = watch(settings, "sklearn").verdict
    assert (verdict.verdict, verdict.low_days) == ("fine", 0)
    assert 0 <= verdict.floor < 0.5 * verdict.f1


@pytest.mark.parametrize(
    ("tested", "chosen", "started"),
    [
        ("2013-05-20", {}, False),  # 12 new days; half of May are 16
        ("2013-05-16", {}, True),
        ("2013-05-20", {"cool_down_days": 12}, True),
        ("2013-05-20", {"cool_down_days": 13}, False),
        ("2013-05-20", {"cool_down_days": 12, "lag_days": 3}, True),  # the days that a watch leaves are a cycle's
        ("2013-06-01", {"cool_down_days": 0}, True),
    ],
)
def test_a_second_cycle_waits_until_enough_new_days_have_labels(world, monkeypatch, tested, chosen, started):
    settings = world.settings(watch={**ALWAYS_LOW, **chosen}, retrain={"engines": ["sklearn"]})
    _cycle_of_a_watch(world, settings, tested)
    done, asked = _watched(monkeypatch, settings)
    assert bool(asked) == started
    if not chosen and not started:
        assert done.sentences[-1] == (
            "no cycle is started: the last one, retrain-watched-20130501-abcdef, tested the days before 2013-05-20, and"
            " since then 12 of the 16 days that the next one waits for have labels"
        )


@pytest.mark.parametrize(
    "tags",
    [
        {"ratchet.cycle": "retrain-20130501-0400"},  # the schedule's
        {"ratchet.engine": "spark"},
        {"ratchet.model": "another"},
        {"ratchet.decision": None},
        {"ratchet.complete": None},
    ],
)
def test_only_a_decided_cycle_of_this_engine_that_a_watch_started_is_waited_for(world, monkeypatch, tags):
    settings = world.settings(watch=ALWAYS_LOW, retrain={"engines": ["sklearn"]})
    _cycle_of_a_watch(world, settings, "2013-05-31", **tags)
    assert _watched(monkeypatch, settings)[1]


def _cycle_of_a_watch(world, settings, tested, **tags):
    """A run of a cycle that a watch started, decided on, whose test window ends there."""
    own = {
        "ratchet.cycle": "retrain-watched-20130501-abcdef",
        "ratchet.engine": "sklearn",
        "ratchet.model": "flights",
        "ratchet.test_until": tested,
        "ratchet.decision": "held",
        "ratchet.verified": "true",
        "ratchet.complete": "true",
    }
    given = {name: value for name, value in (own | tags).items() if value is not None}
    experiment = world.client.get_experiment_by_name(settings.experiment)
    run = world.client.create_run(experiment.experiment_id, tags=given)
    world.client.set_terminated(run.info.run_id)


def _watched(monkeypatch, settings):
    """A whole watch, and the cycles that it started."""
    monkeypatch.setattr(watching, "run_steps", lambda *_: None)
    watch(settings, "sklearn")
    asked = []
    monkeypatch.setattr(watching, "retrain", lambda *words, **_: asked.append(words[2]) or _done())
    return watching.watch(settings, []), asked


class Away(LocalRunner):
    """A machine that runs no cycle."""

    @contextmanager
    def cycle(self, cycle):
        message = f"there is no room for {cycle}"
        raise TemporaryError(message)
        yield


def test_an_error_that_ends_the_cycle_of_a_watch_is_its_result_and_told_once(world, monkeypatch):
    monkeypatch.setattr(watching, "run_steps", lambda *_: None)
    with receiving() as receiver:
        told = {"url": receiver.address, "form": "plain", "on": ("failed",)}
        settings = world.settings(watch=ALWAYS_LOW, retrain={"engines": ["sklearn"]}, notify=told)
        watch(settings, "sklearn")
        done = watching.watch(settings, [], Away(settings))
        background.finish()
    cycle = cycle_ids.from_watch("flights", _day("2013-05-31"))
    assert str(done.error) == f"there is no room for {cycle}"
    assert done.sentences[0].startswith("version 1 of flights-sklearn has a rolling F1 of ")
    (message,) = receiver.messages
    assert (message["event"], message["cycle"], message["reason"]) == ("failed", cycle, str(done.error))


def test_days_without_labels_at_the_end_have_an_estimate_and_are_measured_when_their_labels_come(world):
    young = world.without_labels(("2013-05-22", "2013-05-31"), watch=NEVER_LOW)
    found = watch(young, "sklearn")
    assert world.files()[0] == "watch/counts-2013-04-01-to-2013-05-21.csv"
    assert (found.verdict.until, found.estimate.until) == ("2013-05-22", "2013-06-01")
    assert sorted(world.steps("rolling_f1")) == days("2013-03-01", "2013-05-21")
    assert sorted(world.steps("rolling_f1_estimated")) == days("2013-03-01", "2013-05-31")
    assert sorted(world.steps("drift_max")) == [0, *days("2013-05-21", "2013-05-21")]
    told = world.history("rolling_f1_estimated")
    again = watch(young, "sklearn")
    assert again.sentence.endswith("no day is new")
    assert again.estimate == found.estimate
    later = watch(world.settings(watch=NEVER_LOW), "sklearn")
    assert world.files()[1] == "watch/counts-2013-05-22-to-2013-05-31.csv"
    assert sorted(world.steps("rolling_f1")) == days("2013-03-01", "2013-05-31")
    assert sorted(world.steps("rolling_f1_estimated")) == days("2013-03-01", "2013-05-31"), "once for each day"
    assert world.history("rolling_f1_estimated") == told, "what was expected before the labels came"
    realised = world.history("rolling_f1")
    may = [told[day] - realised[day] for day in days("2013-05-01", "2013-05-31")]
    assert later.estimate.error_by_month["2013-05"] == pytest.approx(sum(may) / 31, abs=5e-5)
    assert later.estimate.error_by_month.keys() == {"2013-03", "2013-04", "2013-05"}
    full = [abs(told[day] - realised[day]) for day in days("2013-03-07", "2013-05-31")]
    error = world.history("rolling_f1_estimated_error")[max(realised)]
    assert error == later.estimate.mean_absolute_error == pytest.approx(sum(full) / len(full))


def test_the_estimate_before_the_labels_is_that_of_the_counts_with_them(world):
    lagging = watch(world.settings(watch={**NEVER_LOW, "lag_days": 12}), "sklearn").estimate
    assert world.files()[0] == "watch/counts-2013-04-01-to-2013-05-19.csv"
    told = world.history("rolling_f1_estimated")
    watch(world.settings(watch=NEVER_LOW), "sklearn")
    record = watch_record.Record(world.client, _version(world))
    counts = Counts.together([Counts.from_csv(record.read(span.path), 16_384) for span in record.spans], 16_384)
    last = rolling_estimates(counts, record.threshold, Window("all", _day("2013-03-01"), _day("2013-06-01")), 7)
    assert [day_number(day.day) for day in last] == sorted(told)
    assert [told[day_number(day.day)] for day in last] == pytest.approx([day.expected.f1 for day in last])
    assert lagging.positives == pytest.approx(last[-1].expected.positives)
    assert (lagging.precision, lagging.recall) == pytest.approx((last[-1].expected.precision, last[-1].expected.recall))
    assert lagging.floor == 0.01


def test_where_no_new_day_has_labels_there_is_only_an_estimate_and_it_starts_no_cycle(world, monkeypatch):
    settings = world.without_labels(("2013-04-01", "2013-05-31"), watch=ALWAYS_LOW, retrain={"engines": ["sklearn"]})
    found = watch(settings, "sklearn")
    assert found.sentence == "version 1 of flights-sklearn has no labelled day after its test window yet"
    assert (found.verdict, found.estimate.until, world.files()) == (None, "2013-06-01", [])
    assert found.estimate.f1 < found.estimate.floor
    done, asked = _watched(monkeypatch, settings)
    assert asked == []
    assert done.sentences == [
        "version 1 of flights-sklearn has not been measured on a new day yet",
        f"version 1 of flights-sklearn: {found.estimate.sentence()}",
    ]


def test_a_label_that_is_missing_before_days_with_labels_is_an_error_as_in_training(world):
    gap = world.without_labels(("2013-05-10", "2013-05-10"), ("2013-05-31", "2013-05-31"), watch=NEVER_LOW)
    with pytest.raises(DataError, match=r"'late' of .* is missing in \d+ rows of the newest window"):
        watch(gap, "sklearn")
    assert world.files() == []
    end = world.without_labels(("2013-03-31", "2013-03-31"))
    with pytest.raises(DataError, match=r"'late' of .* is missing in \d+ rows of the test window"):
        train(end, "sklearn", "second", _day(AS_OF))


MAY_31 = ("2013-05-31", "2013-05-31")


def with_last_distance(settings, distance):
    """The same settings, after the distance in the last row of May has been replaced."""
    (file,) = Path(settings.data.uri).glob("*2013-05.parquet")
    frame = pd.read_parquet(file).astype({"distance": "float64"})
    frame.loc[frame.index[-1], "distance"] = distance
    frame.to_parquet(file, index=False)
    return settings


def test_an_infinite_number_on_a_day_without_labels_is_told_and_counts_as_missing(world, first):
    watch(with_last_distance(world.without_labels(MAY_31, watch=NEVER_LOW), None), "sklearn")
    expected = world.history("rolling_f1_estimated"), world.history("rolling_positives_estimated")
    first[1].restore()
    with structlog.testing.capture_logs() as events:
        young = world.without_labels(MAY_31, watch=NEVER_LOW)
        found = watch(with_last_distance(young, float("-inf")), "sklearn")
    (warning,) = [event["warning"] for event in events if event["event"] == "data.warning"]
    assert "the column 'distance' of" in warning
    assert "is infinite in 1 row of the unlabelled window 2013-05-31 to 2013-05-31: there it counts" in warning
    assert (found.verdict.until, found.estimate.until) == ("2013-05-31", "2013-06-01")
    assert (world.history("rolling_f1_estimated"), world.history("rolling_positives_estimated")) == expected


def test_an_infinite_number_on_a_day_with_labels_is_an_error_as_in_training(world):
    settings = world.without_labels(watch=NEVER_LOW)
    with pytest.raises(DataError, match=r"'distance' of .* is infinite in 1 row of the newest window"):
        watch(with_last_distance(settings, float("inf")), "sklearn")


def test_a_version_that_was_trained_before_there_were_estimates_gets_them_for_its_test_window_too(world):
    watch(world.settings(watch=NEVER_LOW), "sklearn")
    whole = world.history("rolling_f1_estimated")
    kept = set(days("2013-04-01", "2013-05-31"))
    record = watch_record.Record(world.client, _version(world))
    found = estimating._stretches(record, None)
    missing = [day for one in found for day in estimating._unlogged(world.settings(), record, one, kept)]
    assert {day_number(day.day): day.expected.f1 for day in missing} == pytest.approx(
        {day: value for day, value in whole.items() if day not in kept}
    )
