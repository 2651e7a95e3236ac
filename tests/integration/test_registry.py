"""The lock, moves by hand, and what registrars leave that run at once or are killed."""

import itertools
import json
import os
import time

import mlflow
import pytest
from mlflow.data.http_dataset_source import HTTPDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import DatasetInput, InputTag
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, Schema

from ratchet.errors import ConfigurationError, TemporaryError
from ratchet.io.records import registered_model
from ratchet.io.records.lock import PREFIX, Lock, locked
from ratchet.io.records.registered_model import RegisteredModel
from ratchet.jobs.promotion.promote import promote, rollback
from ratchet.jobs.promotion.register import decide_all, register
from ratchet.jobs.show import show
from tests.integration.candidate_runs import add_run, read_artifact
from tests.integration.conftest import settings_for
from tests.integration.snapshots import folder_of, snapshot_of
from tests.integration.verbs import children

WRITES = (
    "create_registered_model",
    "create_model_version",
    "delete_model_version",
    "delete_registered_model_tag",
    "log_artifact",
    "log_batch",
    "set_logged_model_tags",
    "set_model_version_tag",
    "set_registered_model_alias",
    "set_registered_model_tag",
    "update_model_version",
)
KILLED = 77

_names = (f"registry{number}" for number in itertools.count())


@pytest.fixture
def settings(mlflow_server):
    return settings_for(mlflow_server, next(_names), retrain={"engines": ("sklearn",)})


@pytest.fixture
def client(settings):
    return MlflowClient(settings.tracking.uri)


@pytest.fixture
def name(settings, client):
    """A registered model without versions."""
    registered_model.ensure(client, settings.registered_name("sklearn"))
    return settings.registered_name("sklearn")


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, start=1_000_000.0):
        self.now = start

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def lock_of(client, name, clock, seconds=10, wall=None):
    return Lock(client, name, seconds, "a test", clock=wall or clock, ticks=clock, sleep=clock.sleep)


def announce(client, name, **changes):
    """An announcement of a registrar on another machine."""
    content = {"who": "ratchet register by eve@far", "host": "far", "place": "far away", "pid": 1, "started": "1"}
    content |= {"since": 1_000_000.0, "seconds": 10} | changes
    client.set_registered_model_tag(name, f"{PREFIX}other", json.dumps(content))


def announcements(client, name):
    return [key for key in client.get_registered_model(name).tags if key.startswith(PREFIX)]


def test_a_free_lock_is_taken_and_given_back(client, name):
    with locked(client, name, 10, "a test") as lock:
        lock.check()
        assert announcements(client, name) == [lock.key]
    assert announcements(client, name) == []


def test_a_lock_is_given_back_by_whoever_fails_under_it(client, name):
    with pytest.raises(KeyboardInterrupt), locked(client, name, 10, "a test"):
        raise KeyboardInterrupt
    assert announcements(client, name) == []


def test_a_lock_that_somebody_keeps_is_a_temporary_error_that_says_who_and_until_when(client, name):
    clock = Clock()

    def renewing(seconds):
        clock.sleep(seconds)
        announce(client, name, since=clock())

    announce(client, name)
    lock = Lock(client, name, 10, "a test", clock=clock, ticks=clock, sleep=renewing)
    with pytest.raises(TemporaryError, match=r"locked by ratchet register by eve@far on far \(process 1\) since 1970"):
        lock.acquire()
    assert announcements(client, name) == [f"{PREFIX}other"]


def test_a_killed_holder_on_another_machine_blocks_for_no_longer_than_its_lock_lasts(client, name):
    clock = Clock()
    announce(client, name)
    lock_of(client, name, clock).acquire()
    assert 1_000_010 <= clock.now <= 1_000_012.1  # its ten seconds, and at most one pause


@pytest.mark.parametrize("behind", [-86_400, 86_400])
def test_clocks_that_disagree_by_a_day_neither_block_for_longer_nor_forever(client, name, behind):
    clock = Clock()
    announce(client, name, since=1_000_000.0 + behind)
    lock_of(client, name, clock).acquire()
    assert clock.now <= 1_000_012.1


def test_a_clock_that_is_ahead_by_less_than_the_lock_lasts_takes_nothing_away(client, name):
    clock, ahead = Clock(), Clock(1_000_000.0 + 10 + 9)
    announce(client, name)
    lock_of(client, name, clock, wall=ahead).acquire()
    assert clock.now >= 1_000_010


def test_an_announcement_that_is_long_over_does_not_block_at_all(client, name):
    clock = Clock(2_000_000.0)
    announce(client, name)
    lock_of(client, name, clock).acquire()
    assert clock.now == 2_000_000.0


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"who": "a newer Ratchet", "color": "blue"}'])
def test_an_announcement_that_cannot_be_read_blocks_no_longer_than_a_lock_lasts(client, name, text):
    clock = Clock()
    client.set_registered_model_tag(name, f"{PREFIX}strange", text)
    lock_of(client, name, clock).acquire()
    assert 1_000_010 <= clock.now <= 1_000_012.1


def test_a_holder_whose_process_is_gone_from_this_machine_does_not_block(settings, client, name):
    process = children.Process(target=hold_and_die, args=(settings, name))
    process.start()
    process.join(60)
    assert len(announcements(client, name)) == 1
    clock = Clock(time.time())
    start = clock.now
    lock_of(client, name, clock, seconds=600).acquire()
    assert clock.now == start


def hold_and_die(settings, name):
    Lock(MlflowClient(settings.tracking.uri), name, 600, "a test").acquire()
    os._exit(KILLED)


def test_a_live_holder_on_this_machine_blocks(client, name):
    with locked(client, name, 10, "the first"):
        clock = Clock(time.time())
        begin = clock.now
        lock_of(client, name, clock).acquire()
        assert clock.now >= begin + 10


def test_a_lock_that_was_taken_over_is_noticed(client, name):
    clock = Clock()
    lock = lock_of(client, name, clock)
    lock.acquire()
    client.delete_registered_model_tag(name, lock.key)
    with pytest.raises(TemporaryError, match="taken over by another"):
        lock.check()


def test_no_act_may_begin_in_the_last_third_of_the_lock(client, name):
    clock = Clock()
    lock = lock_of(client, name, clock)
    lock.acquire()
    clock.sleep(6)
    lock.check()
    clock.sleep(1)
    with pytest.raises(TemporaryError, match=r"raise promotion\.lock_seconds"):
        lock.check()


def test_only_one_of_many_processes_holds_the_lock_at_a_time(settings, client, name):
    inside, overlaps, times = children.Value("i", 0), children.Value("i", 0), children.Value("i", 0)
    work = [children.Process(target=hold_often, args=(settings, name, inside, overlaps, times)) for _ in range(4)]
    for process in work:
        process.start()
    for process in work:
        process.join(120)
    assert [process.exitcode for process in work] == [0] * 4
    assert (overlaps.value, times.value) == (0, 20)
    assert announcements(client, name) == []


def hold_often(settings, name, inside, overlaps, times):
    client = MlflowClient(settings.tracking.uri)
    for _ in range(5):
        with locked(client, name, 60, "a test"):
            with inside.get_lock():
                inside.value += 1
                overlaps.value += inside.value != 1
            time.sleep(0.005)
            with inside.get_lock():
                inside.value -= 1
            with times.get_lock():
                times.value += 1


def test_registrars_at_once_leave_one_version_and_one_champion(settings, client):
    for round_number in range(10):
        cycle = f"c{round_number}"
        add_run(settings, cycle, 0.5 + round_number / 100)
        start = children.Event()
        found = children.Queue()
        together = 2 + round_number % 3
        work = [children.Process(target=register_at, args=(settings, cycle, start, found)) for _ in range(together)]
        for process in work:
            process.start()
        start.set()
        results = [found.get(timeout=90) for _ in work]
        for process in work:
            process.join(60)
        assert set(results) == {("promoted", round_number + 1)}
        model = client.get_registered_model(settings.registered_name("sklearn"))
        assert model.aliases["champion"] == str(round_number + 1)
        assert model.aliases.get("previous") == (str(round_number) if round_number else None)
        assert len(client.search_model_versions(f"name = '{model.name}'")) == round_number + 1
        assert not [key for key in model.tags if key.startswith(PREFIX)]


def register_at(settings, cycle, start, found):
    start.wait(60)
    (result,) = register(settings, cycle)
    found.put((result.outcome, result.version))


def test_registrars_of_two_cycles_at_once_leave_the_better_one_as_champion(settings, client):
    for round_number in range(5):
        cycles = {f"a{round_number}": 0.5 + round_number / 50, f"b{round_number}": 0.51 + round_number / 50}
        for cycle, f1 in cycles.items():
            add_run(settings, cycle, f1)
        start, found = children.Event(), children.Queue()
        work = [children.Process(target=register_at, args=(settings, cycle, start, found)) for cycle in cycles]
        for process in work:
            process.start()
        start.set()
        for process in work:
            found.get(timeout=90)
            process.join(60)
        versions = registered_model.versions_of(client, settings.registered_name("sklearn"))
        best = max(versions, key=lambda version: version.f1)
        assert best.champion
        assert best.f1 == pytest.approx(0.51 + round_number / 50)


class DyingClient(MlflowClient):
    """A client whose process is killed just before its n-th write."""

    def __init__(self, uri, last):
        super().__init__(uri)
        self.left = last


def _counted(method):
    def write(self, *args, **kwargs):
        self.left -= 1
        if self.left < 0:
            os._exit(KILLED)
        return getattr(super(DyingClient, self), method)(*args, **kwargs)

    return write


for _method in WRITES:
    setattr(DyingClient, _method, _counted(_method))


def register_and_die(settings, cycle, last):
    mlflow.set_tracking_uri(settings.tracking.uri)
    decide_all(DyingClient(settings.tracking.uri, last), settings, cycle)


def killed_at(settings, cycle, last):
    """Whether a registrar that may write `last` times was killed by that."""
    process = children.Process(target=register_and_die, args=(settings, cycle, last))
    process.start()
    process.join(120)
    assert process.exitcode in (0, KILLED)
    return process.exitcode == KILLED


def state(settings, run_ids):
    """All that a registrar leaves, without times, ids and names."""
    client = MlflowClient(settings.tracking.uri)
    model = client.get_registered_model(settings.registered_name("sklearn"))
    moved = json.loads(model.tags.get("ratchet.champion", '{"at": ""}'))
    versions = [
        (
            version.number,
            run_ids.index(version.run_id),
            {key: version.tags[key] for key in ("ratchet.decision", "ratchet.reason", "ratchet.f1")},
            version.move.previous,
            version.move.done,
        )
        for version in registered_model.versions_of(client, model.name)
    ]
    runs = [client.get_run(run_id) for run_id in run_ids]
    # Read where the server keeps them: all of it is asked for again after each write.
    folders = [folder_of(settings.tracking.uri, run.info.artifact_uri) for run in runs]
    decisions = [json.loads((folder / "decision.json").read_text()) for folder in folders]
    return {
        "aliases": model.aliases,
        "tags": sorted(model.tags),
        "champion": {key: value for key, value in moved.items() if key != "at"},
        "versions": versions,
        "runs": [(run.data.tags["ratchet.decision"], run.data.tags["ratchet.reason"]) for run in runs],
        "decisions": [(found["outcome"], found["version"], found["versions"]) for found in decisions],
        "reports": [decided_line((folder / "report.html").read_text()) for folder in folders],
    }


def decided_line(report):
    return [line for line in report.splitlines() if "span" in line]


def history(settings, f1_values, *, logged=False):
    """The runs of a model with a cycle for each F1, the last of them not decided on yet."""
    runs = []
    for number, f1 in enumerate(f1_values):
        if number:
            register(settings, f"c{number - 1}")
        runs.append(add_run(settings, f"c{number}", f1, logged=logged))
    return runs


@pytest.mark.parametrize(
    ("f1_values", "logged"),
    [((0.5, 0.6), False), ((0.5,), True), ((0.5, 0.45), False)],
    ids=["better", "first", "worse"],
)
def test_a_registrar_that_is_killed_at_any_write_and_run_again_leaves_the_same_state(
    settings, tmp_path, f1_values, logged
):
    runs, cycle = history(settings, f1_values, logged=logged), f"c{len(f1_values) - 1}"
    before = snapshot_of(settings, tmp_path / "before")
    register(settings, cycle)
    expected = state(settings, runs)
    killed = 0
    while True:
        before.restore()
        if not killed_at(settings, cycle, killed):
            break
        register(settings, cycle)
        assert state(settings, runs) == expected, f"killed before write {killed + 1}"
        killed += 1
    assert killed >= 5
    assert state(settings, runs) == expected


def test_a_promotion_that_was_begun_is_finished_by_the_registrar_of_another_cycle(settings, client, tmp_path):
    history(settings, (0.5, 0.6))
    before = snapshot_of(settings, tmp_path / "before")
    for last in (1, 2, 4, 6, 8):
        before.restore()
        assert killed_at(settings, "c1", last), last
        versions = len(registered_model.versions_of(client, settings.registered_name("sklearn")))
        add_run(settings, "c2", 0.55)
        register(settings, "c2")
        model = client.get_registered_model(settings.registered_name("sklearn"))
        # The one that was killed had made its version, or nothing of it counts yet and the next one is version 2.
        assert (versions, model.aliases) in [
            (2, {"champion": "2", "previous": "1"}),
            (1, {"champion": "2", "previous": "1"}),
        ], last


class RepeatingClient(MlflowClient):
    """A client whose request to create a version is repeated, because its answer was lost."""

    def create_model_version(self, *args, **kwargs):
        super().create_model_version(*args, **kwargs)
        return super().create_model_version(*args, **kwargs)


def test_a_repeated_request_to_create_a_version_leaves_one(settings, client):
    run_id = add_run(settings, "c1", 0.5)
    (result,) = decide_all(RepeatingClient(settings.tracking.uri), settings, "c1")
    (version,) = registered_model.versions_of(client, settings.registered_name("sklearn"))
    assert (result.version, version.number, version.champion) == (1, 1, True)
    assert json.loads(read_artifact(settings, run_id, "decision.json"))["version"] == 1


def promoted_twice(settings):
    for number, f1 in enumerate((0.5, 0.6)):
        add_run(settings, f"c{number}", f1)
        register(settings, f"c{number}")
    return settings.registered_name("sklearn")


def test_a_rollback_gives_champion_to_the_version_before_and_records_who_when_and_why(settings, client):
    name = promoted_twice(settings)
    assert rollback(settings, name, "complaints") == f"version 1 of {name} is the champion now; it was version 2"
    model = client.get_registered_model(name)
    assert model.aliases == {"champion": "1", "previous": "2"}
    record = json.loads(model.tags["ratchet.champion"])
    assert (record["version"], record["previous"], record["because"]) == (1, 2, "complaints")
    assert "by hand" in record["by"]
    assert record["at"][:2] == "20"
    assert json.loads(client.get_model_version(name, "1").tags["ratchet.move"])["because"] == "complaints"
    rollback(settings, name, "taken back")
    assert client.get_registered_model(name).aliases == {"champion": "2", "previous": "1"}


def test_a_promotion_by_hand_records_the_same_and_may_be_repeated(settings, client):
    name = promoted_twice(settings)
    promote(settings, name, 1, "reviewed")
    assert client.get_registered_model(name).aliases == {"champion": "1", "previous": "2"}
    assert promote(settings, name, 1, "reviewed") == f"version 1 of {name} is the champion already"
    assert client.get_registered_model(name).aliases == {"champion": "1", "previous": "2"}


@pytest.mark.parametrize("move", [rollback, lambda *given: promote(*given[:2], 1, given[2])])
def test_a_move_by_hand_of_a_model_that_is_not_there_names_the_configured_ones(settings, client, move):
    with pytest.raises(ConfigurationError, match=f"no registered model 'wrong'.*{settings.registered_name('sklearn')}"):
        move(settings, "wrong", "a test")
    assert RegisteredModel.read(client, "wrong") is None


def test_a_version_that_is_not_there_cannot_be_promoted(settings):
    with pytest.raises(ConfigurationError, match="no version 7; there are: 1, 2"):
        promote(settings, promoted_twice(settings), 7, "a test")


def test_there_is_nothing_to_go_back_to_after_the_first(settings):
    add_run(settings, "c1", 0.5)
    register(settings, "c1")
    with pytest.raises(ConfigurationError, match="nothing to go back to"):
        rollback(settings, settings.registered_name("sklearn"), "a test")


def test_a_move_by_hand_needs_a_reason(settings):
    with pytest.raises(ConfigurationError, match="--because is empty"):
        rollback(settings, "any", "  ")


def test_show_tells_both_f1_values_the_aliases_the_decision_and_the_newest_candidate(settings):
    promoted_twice(settings)
    held = add_run(settings, "c2", 0.55, rivals={1: 0.41, 2: 0.57})
    register(settings, "c2")
    first, second, candidate = show(settings)
    assert (first.version, first.aliases, first.f1, first.f1_today) == (1, ("previous",), 0.5, 0.41)
    assert (second.version, second.aliases, second.f1, second.f1_today) == (2, ("champion",), 0.6, 0.57)
    assert (second.decision, second.as_of, second.cycle) == ("promoted", "2013-12-01", "c1")
    assert "ratchet register by" in second.moved
    assert (candidate.version, candidate.decision, candidate.f1, candidate.run_id) == (None, "held", 0.55, held)
    assert "is below version 2" in candidate.reason


def test_show_of_nothing_is_empty(settings):
    assert show(settings) == []


def test_versions_of_a_model_that_is_not_there_are_none(client):
    assert registered_model.versions_of(client, "not-there") == ()


def test_a_version_tells_the_columns_of_its_runs_data(settings, client):
    run_id = add_run(settings, "c1", 0.5)
    columns = Schema(
        [ColSpec(DataType.double, "hour"), ColSpec(DataType.string, "carrier"), ColSpec(DataType.boolean, "late")]
    )
    data = MetaDataset(HTTPDatasetSource("http://127.0.0.1/t"), name="t", digest="d", schema=columns)
    client.log_inputs(run_id, [DatasetInput(data._to_mlflow_entity(), [InputTag("mlflow.data.context", "test")])])
    register(settings, "c1")
    (version,) = registered_model.versions_of(client, settings.registered_name("sklearn"))
    model = RegisteredModel.read(client, settings.registered_name("sklearn"))
    experiment = client.get_run(run_id).info.experiment_id
    assert model.columns([version], experiment) == [("hour", "carrier")]
    client.delete_run(run_id)
    assert model.columns([version, version], experiment) == [("hour", "carrier")] * 2
    assert model.columns([], experiment) == []
    assert version.test_window == ("2013-11-01", "2013-12-01")
