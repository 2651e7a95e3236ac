"""What is told of cycles and lost coordinators, and by whom; a message that fails changes nothing."""

import json
from contextlib import contextmanager

import pytest
import structlog

from ratchet import background
from ratchet.core.notice import EVENTS, Measured, Notice
from ratchet.errors import TemporaryError
from ratchet.io.cluster import cycles
from ratchet.io.cluster.coordinator import ClusterRunner, Over
from ratchet.io.cluster.lease import NAME as LEASE
from ratchet.io.runner import Ended
from ratchet.jobs import notifying, retrain, watch
from ratchet.jobs.promotion.results import Result
from ratchet.settings import Retrain, Settings
from tests.receiver import HANG, SECRET_PATH, receiving
from tests.unit.cluster_server import api_of, serving
from tests.unit.test_cluster_cycles import LABELS, cycle, step

METRICS = {"f1": 0.54, "f1_low": 0.52, "f1_high": 0.56, "recall": 0.6}
CHAMPION = {"version": 2, "f1": 0.53, "f1_low": None, "f1_high": None}


@pytest.fixture
def receiver():
    with receiving() as made:
        yield made


def settings_of(url, *, promotion=None, **notify):
    data = {"uri": "u", "timestamp": "t", "label": {"column": "c", "positive": True}}
    told = {"url": url, "on": EVENTS, "form": "plain", **notify}
    return Settings.model_validate({"model": "flights", "data": data, "notify": told, "promotion": promotion or {}})


def result(outcome, engine="sklearn", **others):
    return Result(engine, f"flights-{engine}", "c", outcome, f"why it is {outcome}", **others)


def notices(results=(), failures=None):
    return list(notifying.of_cycle(settings_of(None), "c", list(results), failures or {}))


@pytest.mark.parametrize(
    ("given", "event"),
    [
        (result("promoted"), "promoted"),
        (result("staged"), "staged"),
        (result("held"), "held"),
        (result("missing"), "failed"),
        (result("held", rolled_back=True), "rolled_back"),
    ],
)
def test_each_outcome_of_an_engine_is_one_event(given, event):
    assert notices([given]) == [Notice(event, "flights-sklearn", given.reason, engine="sklearn", cycle="c")]


def test_an_engine_that_was_skipped_is_not_told():
    assert notices([result("skipped")]) == []


def test_f1_is_told_beside_the_champions_with_its_interval():
    (told,) = notices([result("held", version=3, metrics=METRICS, champion=CHAMPION, report="s3://b/report.html")])
    assert (told.measured, told.champion) == (Measured(0.54, 0.52, 0.56), Measured(0.53))
    assert (told.version, told.champion_version, told.report) == (3, 2, "s3://b/report.html")


def test_a_step_that_failed_is_told_once_whether_it_is_an_engines_or_not():
    spark = Ended(1, "why it is missing")
    told = notices([result("promoted"), result("missing", "spark")], {"spark": spark, "rollout": Ended(1, "no luck")})
    assert [(one.event, one.model, one.reason) for one in told] == [
        ("promoted", "flights-sklearn", "why it is promoted"),
        ("failed", "flights-spark", "why it is missing"),
        ("failed", "flights", "rollout failed: no luck"),
    ]


class Runner:
    """A runner of cycles: each step ends at once, with the events and the end that a test has given it.

    error: what ends a cycle or a watch before its first step. during: how many messages had arrived before it was free
    again.
    """

    poll_seconds = 0.0

    def __init__(self, receiver, steps=None, error=None):
        self._receiver, self._steps, self._error = receiver, steps or {}, error
        self.during = None

    def lost(self):
        return ()

    def watch(self):
        return self.cycle("watched")

    @contextmanager
    def cycle(self, cycle):
        try:
            yield cycle or "made"
        finally:
            background.finish()  # of what has been told by now
            self.during = len(self._receiver.requests)

    def together(self):
        return True

    def start(self, order, cycle, on_event):
        if self._error is not None:
            raise self._error
        events, ended = self._steps.get(order.step, ((), Ended(0)))
        for event in events:
            on_event(event)
        return Over(ended)


DECIDED = {"engine": "sklearn", "model": "flights-sklearn", "cycle": "made", "reason": "it is better", "version": 3}
DECIDED |= {"metrics": METRICS, "report": "s3://b/report.html", "run_id": "r"}
REGISTERED = {**DECIDED, "event": "register.decided", "outcome": "staged", "champion": CHAMPION, "rolled_back": False}
ROLLED_OUT = {**DECIDED, "event": "rollout.decided", "outcome": "promoted", "champion": None, "rolled_back": False}


def test_a_cycle_is_told_when_the_runner_is_free_again_by_its_last_decision_and_the_champion_of_its_first(receiver):
    runner = Runner(receiver, {"register": ([REGISTERED], Ended(0)), "rollout": ([ROLLED_OUT], Ended(0))})
    settings = settings_of(receiver.address, on=("promoted", "staged"), promotion={"validation": True})
    retrain.retrain(settings, [], None, None, runner)
    background.finish()
    assert runner.during == 0
    told = {message["event"]: message for message in receiver.messages}
    assert told.keys() == {"promoted"}
    assert told["promoted"]["f1"] == {"f1": 0.54, "low": 0.52, "high": 0.56}
    assert told["promoted"]["champion"] == {"version": 2, "f1": 0.53, "low": None, "high": None}


@pytest.mark.parametrize("error", [TemporaryError("the cluster is away"), ZeroDivisionError("the cluster is away")])
@pytest.mark.parametrize("work", ["cycle", "watch"])
def test_an_error_that_ends_a_cycle_or_a_watch_is_told_when_the_runner_is_free_again_and_stays(receiver, work, error):
    settings, runner = settings_of(receiver.address, on=("failed",)), Runner(receiver, error=error)
    with pytest.raises(type(error)):
        watch.watch(settings, [], runner) if work == "watch" else retrain.retrain(settings, [], None, None, runner)
    background.finish()
    assert runner.during == 0
    (message,) = receiver.messages
    expected = ("failed", "the cluster is away", "watched" if work == "watch" else "made")
    assert (message["event"], message["reason"], message["cycle"]) == expected


def test_what_is_not_asked_for_is_not_told(receiver, events):
    told = [Notice(event, "flights", "why") for event in EVENTS]
    notifying.tell(settings_of(receiver.address, on=("staged", "watch_low")), *told)
    notifying.tell(settings_of(None), *told)
    background.finish()
    assert sorted(message["event"] for message in receiver.messages) == ["staged", "watch_low"]
    assert [event["event"] for event in events] == ["message.sent"] * 2


def test_held_alone_is_not_told_by_default():
    data = {"uri": "u", "timestamp": "t", "label": {"column": "c", "positive": True}}
    chosen = Settings.model_validate({"model": "flights", "data": data})
    assert set(EVENTS) - {*chosen.notify.on} == {"held"}


@pytest.fixture
def events():
    with structlog.testing.capture_logs() as captured:
        yield captured


def test_a_message_that_does_not_arrive_is_one_event_without_the_address(receiver, events):
    receiver.answers.append(404)
    notifying.tell(settings_of(receiver.address), Notice("promoted", "flights-sklearn", "why", cycle="c"))
    background.finish()
    (event,) = events
    assert event == {
        "event": "message.failed",
        "log_level": "warning",
        "what": "promoted",
        "model": "flights-sklearn",
        "cycle": "c",
        "attempts": 1,
        "why": "status 404",
    }


def test_a_receiver_that_hangs_is_waited_for_no_longer_than_the_setting_says(receiver, events):
    receiver.answers.append(HANG)
    notifying.tell(settings_of(receiver.address, seconds=1.2), Notice("promoted", "flights-sklearn", "why"))
    background.finish()
    assert not receiver.released.is_set()
    waiting, failed = events
    assert (waiting["event"], waiting["seconds"] <= 1.2) == ("message.waiting", True)
    assert failed["event"] == "message.failed"
    assert SECRET_PATH not in str(events)


def test_what_goes_wrong_before_the_first_attempt_is_an_event_too(receiver, events, monkeypatch):
    def broken(_form):
        message = f"can't write to {receiver.address}"
        raise OSError(message)

    notice = Notice("promoted", "flights-sklearn", "why")
    monkeypatch.setattr(Notice, "body", lambda _self, form: broken(form))
    notifying.tell(settings_of(receiver.address), notice)
    assert events == [{"event": "message.failed", "log_level": "warning", "why": "OSError"}]


RUNNING = {"sklearn": step("done"), "spark": step("running")}


def watch_job(*words, **facts):
    """A watch's Job, as `cycle` makes one."""
    job = cycle(*words, **facts)
    job["metadata"]["labels"] = {"app.kubernetes.io/component": "watch"}
    job["spec"] = {"template": {"spec": {"containers": [{"name": "watch"}]}}}
    return job


@pytest.fixture
def api(cluster, clock):
    """A cluster with a cycle for each way to end."""
    for job in (
        cycle("lost", "Failed", steps=RUNNING, why="DeadlineExceeded"),
        cycle("never-began", "Failed", why="BackoffLimitExceeded"),
        cycle("told", "Failed", steps=RUNNING, ended="2026-11-23T04:10:00Z"),
        cycle("refused", "Failed", reason="configuration"),
        cycle("done", "Complete", steps=RUNNING),
        cycle("runs", steps=RUNNING),
        watch_job("watch-lost", "Failed", steps={"watch-sklearn": step("running")}, why="DeadlineExceeded"),
        watch_job("watch-told", "Failed", steps={}, ended="2026-11-23T06:10:00Z"),
        watch_job("watch-refused", "Failed", reason="configuration"),
        watch_job("watch-runs", steps={}),
    ):
        cluster.add("jobs", job["metadata"]["name"], job)
    cluster.add("jobs", "another", {**cycle("another", "Failed"), "metadata": {"labels": {}}})
    with serving(cluster) as address:
        yield api_of(address, clock)


def test_a_cycle_or_a_watch_that_failed_with_its_pod_is_found_once(api, cluster):
    assert cycles.lost(api) == [
        ("lost", "the cycle ended with its coordinator: DeadlineExceeded: ?; spark had not ended"),
        ("never-began", "the cycle ended with its coordinator: BackoffLimitExceeded: ?"),
        (
            "watch-lost",
            "the watch was ended before it was done: DeadlineExceeded: ?; watch-sklearn had not ended",
        ),
    ]
    assert cycles.lost(api) == []
    assert cluster.objects["jobs", "lost"]["metadata"]["annotations"]["ratchet/reason"] == "deadline"
    assert json.loads(cluster.objects["jobs", "lost"]["metadata"]["annotations"]["ratchet/journal"])["cycle"] == "lost"


def test_the_next_cycle_tells_of_it_before_anything_else(api, cluster, clock, receiver):
    own = cluster.add("jobs", "retrain-2", cycle("retrain-2"))
    own |= {"apiVersion": "batch/v1", "kind": "Job"}
    runner = ClusterRunner(api, Retrain(), "retrain-2", clock=clock, sleep=clock.sleep)
    cluster.add("leases", LEASE, {"spec": {}})
    settings = settings_of(receiver.address)
    for _ in range(2):
        notifying.tell_of_lost(settings, runner)
    background.finish()
    told = sorted((message["event"], message["cycle"]) for message in receiver.messages)
    assert told == [("failed", "lost"), ("failed", "never-began"), ("failed", "watch-lost")]
    assert own["metadata"]["labels"] == LABELS


def test_without_a_webhook_the_cluster_is_not_asked(api, cluster, clock):
    runner = ClusterRunner(api, Retrain(), "runs", clock=clock, sleep=clock.sleep)
    notifying.tell_of_lost(settings_of(None), runner)
    assert cluster.requests == []


def test_a_cluster_that_does_not_say_which_are_lost_fails_nothing(receiver, events):
    def away():
        message = "the cluster is away"
        raise TemporaryError(message)

    runner = Runner(receiver)
    runner.lost = away
    notifying.tell_of_lost(settings_of(receiver.address), runner)
    assert [event["event"] for event in events] == ["message.failed"]
    assert receiver.requests == []
