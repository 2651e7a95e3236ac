"""What the exporter reads off a cluster's Jobs and CronJob; asked over HTTP, in two requests."""

import json
from datetime import UTC, datetime

import pytest

from ratchet.core.history import MOST_CYCLES
from ratchet.errors import TemporaryError
from ratchet.io.poller import Poller
from ratchet.jobs import exporter
from ratchet.jobs.cycles import Cycles, facts_of
from ratchet.settings import Settings
from tests.unit.cluster_server import api_of, serving

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LABELS = {"app.kubernetes.io/component": "coordinator"}
SPEC = {"template": {"spec": {"containers": [{"name": "retrain"}]}}}


def step(state, begin="04:00:10", end="04:01:40", **facts):
    written = {"state": state, "submitted": f"2026-11-23T{begin}Z", **facts}
    return written | ({"ended": f"2026-11-23T{end}Z"} if state in ("done", "failed") else {})


def cycle(name, state=None, *, ended=None, steps=None, made="2026-11-23T04:00:00Z", why="PodFailurePolicy", **more):
    """A cycle's Job. state: Complete, Failed, or None while it runs. steps: None where it never got so far.

    why: the reason of its condition. more: annotations of Ratchet's.
    """
    journal = {"cycle": name, "began": made, "ended": ended, "steps": steps or {}, "decisions": []}
    conditions = [] if state is None else [{"type": state, "status": "True", "reason": why, "message": "?"}]
    annotations = {} if steps is None else {"ratchet/journal": json.dumps(journal)}
    annotations |= {f"ratchet/{key}": text for key, text in more.items()}
    metadata = {"name": name, "creationTimestamp": made, "annotations": annotations, "labels": LABELS}
    return {"metadata": metadata, "spec": SPEC, "status": {"conditions": conditions}}


def cron_job(**spec):
    metadata = {"name": "retrain", "creationTimestamp": "2026-11-01T00:00:00Z"}
    return {"metadata": metadata, "spec": {"schedule": "0 4 * * 1", "suspend": False, **spec}, "status": {}}


def unix(text):
    return datetime.fromisoformat(text).timestamp()


def test_the_last_success_is_that_of_the_newest_cycle_that_was_done():
    jobs = [
        cycle("older", "Complete", ended="2026-11-16T04:10:00Z", steps={}, made="2026-11-16T04:00:00Z"),
        cycle("done", "Complete", ended="2026-11-23T04:10:00Z", steps={}),
        cycle("failed", "Failed", ended="2026-11-24T04:10:00Z", steps={}, made="2026-11-24T04:00:00Z"),
    ]
    assert facts_of(jobs, cron_job(), NOW).last_success == unix("2026-11-23T04:10:00Z")


def test_the_cron_job_knows_of_a_success_whose_job_is_gone():
    remembers = cron_job() | {"status": {"lastSuccessfulTime": "2026-11-09T04:12:00Z"}}
    assert facts_of([], remembers, NOW).last_success == unix("2026-11-09T04:12:00Z")
    assert facts_of([], cron_job(), NOW).last_success is None


def test_the_period_is_that_of_the_schedule_and_there_is_none_while_it_is_suspended():
    assert facts_of([], cron_job(), NOW).period == 604_800
    assert facts_of([], cron_job(suspend=True), NOW).period is None
    assert facts_of([], cron_job(schedule="nonsense"), NOW).period is None
    assert facts_of([], None, NOW).period is None
    assert facts_of([], cron_job(), NOW).scheduled == unix("2026-11-01T00:00:00Z")


def test_what_runs_and_what_waits_is_counted():
    jobs = [cycle("runs", steps={"sklearn": step("running")}), cycle("waits"), cycle("done", "Complete", steps={})]
    assert facts_of(jobs, cron_job(), NOW).running == 2


def test_a_step_took_as_long_as_in_the_newest_cycle_in_which_it_was_done():
    newest = {"sklearn": step("done"), "spark": step("failed", code=1, sentence="?"), "register": step("running")}
    older = {"sklearn": step("done", end="04:09:00"), "spark": step("done", end="04:03:10")}
    jobs = [
        cycle("older", "Complete", steps=older, made="2026-11-22T04:00:00Z"),
        cycle("newest", steps=newest, made="2026-11-23T04:00:00Z"),
    ]
    assert facts_of(jobs, cron_job(), NOW).steps == {"sklearn": 90, "spark": 180}


def test_a_failed_cycle_is_counted_once_by_its_first_failed_step_and_the_reason():
    both = {"sklearn": step("failed", reason="data"), "spark": step("failed", reason="configuration")}
    memory = {"sklearn": step("done", reason=None), "spark": step("failed", reason="out-of-memory")}
    jobs = [
        cycle("one", "Failed", steps=both),
        cycle("two", "Failed", steps=memory),
        cycle("three", "Failed", steps=memory),
    ]
    assert facts_of(jobs, cron_job(), NOW).failed == {("sklearn", "data"): 1, ("spark", "out-of-memory"): 2}


@pytest.mark.parametrize("written", [{}, {"reason": None}, {"reason": "weather"}])
def test_a_step_in_a_journal_of_another_version_failed_for_other_reasons(written):
    steps = {"spark": step("failed", code=3, sentence="out of memory", **written)}
    assert facts_of([cycle("one", "Failed", steps=steps)], cron_job(), NOW).failed == {("spark", "other"): 1}


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        ({"why": "PodFailurePolicy", "reason": "configuration"}, "configuration"),
        ({"why": "DeadlineExceeded"}, "deadline"),
        ({"why": "BackoffLimitExceeded"}, "other"),
        ({"why": "PodFailurePolicy"}, "other"),
    ],
)
def test_a_cycle_that_failed_beside_its_steps_failed_as_a_cycle(job, reason):
    assert facts_of([cycle("one", "Failed", **job)], cron_job(), NOW).failed == {("cycle", reason): 1}


def test_a_step_of_another_version_is_no_label_of_its_own():
    steps = {f"step-{number}": step("done") for number in range(50)}
    assert facts_of([cycle("one", "Complete", steps=steps)], cron_job(), NOW).steps.keys() == {"other"}


def test_a_journal_that_cannot_be_read_is_no_outage():
    broken = cycle("one", "Complete", steps={})
    broken["metadata"]["annotations"]["ratchet/journal"] = "{"
    assert facts_of([broken], cron_job(), NOW).running == 0


def test_the_cluster_is_asked_twice_for_its_own_cycles_alone(cluster, clock):
    cluster.add("cronjobs", "retrain", cron_job())
    cluster.add("jobs", "one", cycle("one", "Complete", ended="2026-11-23T04:10:00Z", steps={}))
    cluster.add("jobs", "minio-setup-1", {"spec": SPEC})
    with serving(cluster) as address:
        found = Cycles(api_of(address, clock, patience=0))()
    assert found.last_success == unix("2026-11-23T04:10:00Z")
    assert [(method, plural) for method, plural, *_ in cluster.requests] == [("GET", "cronjobs"), ("GET", "jobs")]


def test_a_cluster_that_is_away_is_an_outage_at_once(cluster, clock):
    cluster.away = True
    with serving(cluster) as address, pytest.raises(TemporaryError, match="does not answer"):
        Cycles(api_of(address, clock, patience=0))()
    assert clock.now == 0


def test_while_the_cluster_is_away_its_last_values_stay_and_then_are_left_out(cluster, clock):
    cluster.add("cronjobs", "retrain", cron_job())
    with serving(cluster) as address:
        source = Poller("cluster", Cycles(api_of(address, clock, patience=0)), seconds=30, keep=600, clock=clock)
        own = exporter.Exporter("m", Poller("mlflow", lambda: (), seconds=60, keep=600, clock=clock), source)
        told = lambda: {(name, labels): value for name, labels, value in own.samples()}  # noqa: E731
        up, period = ("ratchet_exporter_source_up", ("m", "cluster")), ("ratchet_cycle_period_seconds", ("m",))
        assert (told()[up], period in told()) == (0, False)
        source.refresh()
        assert (told()[up], told()[period]) == (1, 604_800)
        cluster.away = True
        source.refresh()
        assert (told()[up], told()[period]) == (0, 604_800)
        clock.sleep(631)
        assert (told()[up], period in told()) == (0, False)
        cluster.away = False
        source.refresh()
        assert (told()[up], told()[period]) == (1, 604_800)


SETTINGS = {"model": "m", "data": {"uri": "u", "timestamp": "t", "label": {"column": "c", "positive": True}}}


def test_outside_of_a_cluster_nothing_is_said_of_one():
    own = exporter.opened(Settings.model_validate(SETTINGS), {})
    assert {labels for _, labels, _ in own.samples()} == {("m", "mlflow")}


def test_a_pod_without_a_token_is_outside(tmp_path):
    variables = {
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
        "RATCHET_NAMESPACE": "ratchet",
    }
    own = exporter.opened(Settings.model_validate(SETTINGS), variables)
    assert {labels for _, labels, _ in own.samples()} == {("m", "mlflow")}


def test_the_console_is_told_of_the_steps_of_what_runs_and_of_how_the_last_cycles_ended():
    steps = {"sklearn": step("done"), "spark": step("running", sentence="waits: no node is large enough")}
    jobs = [
        cycle("runs", steps=steps, made="2026-11-25T11:00:00Z"),
        cycle("failed", "Failed", steps={"sklearn": step("failed", sentence="no column carrier")}),
        *(cycle(f"older-{day:02}", "Complete", steps={}, made=f"2026-11-{day:02}T04:00:00Z") for day in range(1, 21)),
    ]
    newest = facts_of(jobs, cron_job(), NOW).newest
    assert len(newest) == MOST_CYCLES
    assert [cycle.cycle for cycle in newest[:3]] == ["runs", "failed", "older-20"]
    assert [cycle.runs for cycle in newest[:3]] == [True, False, False]
    assert newest[0].began == unix("2026-11-25T11:00:00Z")
    assert [(one.name, one.state, one.said) for one in newest[0].steps] == [
        ("sklearn", "done", ""),
        ("spark", "running", "waits: no node is large enough"),
    ]
    assert newest[0].steps[0].seconds == 90
