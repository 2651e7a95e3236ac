"""A champion that does badly on the newest days is retrained, once, whoever watches and however often."""

import json
import secrets
from datetime import date

import pytest

from ratchet.core import cycle_ids
from tests.e2e import cycles, tracking
from tests.e2e.cluster import create, every, get, kubectl, name_of
from tests.e2e.cycles import Cycle

# The champion's test window is July, so the newest of the 92 days that are watched end with the year.
NEWEST = date(2013, 12, 31)
LOW, FINE = "watch.floor=0.99", "watch.floor=0.01"


@pytest.fixture
def watch(system, model):
    """Watch the test's model, in a Job made from the CronJob; what it made is removed after the test."""
    names = []

    def begin(*settings, engines=("sklearn",)):
        name = f"e2e-watch-{secrets.token_hex(4)}"
        names.append(name)
        chosen = [
            f"model={model}",
            f"retrain.engines=[{', '.join(engines)}]",
            *cycles.SMALL,
            *cycles.NOT_SERVED,
            *settings,
        ]
        words = [word for setting in chosen for word in ("--set", setting)]
        create(cycles.job_from("watch", name, *words))
        return name

    yield begin
    cycle = Cycle(started(model), model, started(model))
    cycle.remove()
    for name in names:
        kubectl("delete", "job", name, "--ignore-not-found", "--cascade=foreground", "--timeout=90s", seconds=100)


def started(model):
    """The name of the cycle that a watch starts."""
    return cycle_ids.from_watch(model, NEWEST)


def verdict(model, engine="sklearn"):
    return json.loads(tracking.versions(model, engine)[0]["tags"]["ratchet.watch"])


@pytest.mark.smoke
def test_a_champion_that_does_badly_is_retrained_once(start, watch, model):
    start().must_complete()
    first = watch(LOW)
    assert cycles.job_end(first, 420) == 0, cycles.logs_of_job(first)
    found = verdict(model)
    assert (found["verdict"], found["until"]) == ("low", "2014-01-01")
    cycle = Cycle(started(model), model, started(model))
    assert get("job", cycle.job), cycles.logs_of_job(first)
    # Before it has ended, and after: neither starts a second one.
    second = watch(LOW)
    assert cycles.job_end(second, 420) == 0
    assert "no cycle is started" in cycles.logs_of_job(second)
    cycle.must_complete()
    (run,) = tracking.runs(model, cycle.id)
    assert run["tags"]["ratchet.because"].startswith(f"version 1 of {model}-sklearn has a rolling F1 of ")
    assert run["tags"]["ratchet.as_of"] == "2014-01-01"
    third = watch(LOW)
    assert cycles.job_end(third, 420) == 0
    of_model = [job for job in every("jobs") if name_of(job).startswith("retrain-watched-")]
    assert [name_of(job) for job in of_model if name_of(job) == cycle.job] == [cycle.job]
    assert len(tracking.runs(model)) == 2


def test_a_champion_that_does_well_is_left_alone_with_both_engines(start, watch, model):
    start(engines=("sklearn", "spark")).must_complete()
    job = watch(FINE, engines=("sklearn", "spark"))
    assert cycles.job_end(job, 600) == 0, cycles.logs_of_job(job)
    for engine in ("sklearn", "spark"):
        assert verdict(model, engine)["verdict"] == "fine"
        assert verdict(model, engine)["until"] == "2014-01-01"
    assert get("job", started(model)) is None
    assert get("job", f"{job}-watch-spark"), "the step's Job is there as evidence"


def test_a_model_without_a_champion_is_no_error(watch, model):
    job = watch(LOW)
    assert cycles.job_end(job, 420) == 0, cycles.logs_of_job(job)
    assert f"{model}-sklearn has no champion yet" in cycles.logs_of_job(job)
