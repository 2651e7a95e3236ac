"""What a newcomer does: one cycle promotes both models, the next holds them; and two cycles never mix."""

import secrets
from datetime import UTC, datetime

import pytest

from tests.e2e import cycles, tracking
from tests.e2e.cluster import create, get, kubectl, wait_until
from tests.e2e.cycles import BOTH


@pytest.mark.smoke
def test_the_first_cycle_promotes_both_models(first_cycle):
    for engine in BOTH:
        tracking.must_have_one_whole_version(first_cycle.model, engine)


@pytest.mark.smoke
def test_both_engines_and_every_attempt_of_a_cycle_read_one_snapshot(first_cycle, second_cycle):
    for cycle in (first_cycle, second_cycle):
        runs = tracking.runs(cycle.model, cycle.id)
        assert {run["tags"]["ratchet.engine"] for run in runs} == set(BOTH)
        assert len({run["tags"].get("ratchet.snapshot") for run in runs}) == 1


@pytest.mark.smoke
def test_the_second_cycle_holds_them_though_spark_loses_an_executor(second_cycle):
    held = {run["tags"]["ratchet.engine"]: run["tags"] for run in tracking.runs(second_cycle.model, second_cycle.id)}
    for engine in BOTH:
        assert held[engine]["ratchet.decision"] == "held"
        assert "ties with version 1" in held[engine]["ratchet.reason"]
        tracking.must_have_one_whole_version(second_cycle.model, engine)


@pytest.mark.smoke
def test_a_slot_that_fires_twice_is_one_cycle(start, model):
    slot = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:00Z}"
    first, second = start(slot=slot), start(slot=slot)
    assert first.id == second.id
    first.must_complete()
    second.must_complete()
    tracking.must_have_one_whole_version(model)
    assert len(tracking.runs(model)) == 1


@pytest.mark.smoke
def test_two_cycles_at_once_run_one_after_the_other(start, model):
    first, second = start(), start()
    first.must_complete()
    second.must_complete()
    assert sorted(run["tags"]["ratchet.decision"] for run in tracking.runs(model)) == ["held", "promoted"]
    tracking.must_have_one_whole_version(model)
    one, other = sorted((window(first), window(second)))
    assert one[1] <= other[0], f"the children of {first.id} and {second.id} overlapped: {one}, {other}"


def window(cycle):
    """When a cycle's work began and ended: its first child's creation, its registrar's completion."""
    begin = cycle.object_of("sklearn")["metadata"]["creationTimestamp"]
    return begin, cycle.object_of("register")["status"]["completionTime"]


def test_a_registrar_beside_the_cycles_own_makes_no_second_version(start, model):
    cycle = start()
    wait_until("the registrar's Job is there", lambda: cycle.object_of("register"), 240, pause=0.3)
    beside = f"beside-{secrets.token_hex(3)}"
    settings = ("--set", f"model={model}", "--set", "retrain.engines=[sklearn]")
    create(cycles.job_from("register", beside, "--cycle", cycle.id, *settings))
    try:
        cycle.must_complete()
        assert cycles.job_end(beside) == 0, cycles.logs_of_job(beside)
    finally:
        kubectl("delete", "job", beside, "--timeout=60s", seconds=90)
    tracking.must_have_one_whole_version(model)


@pytest.mark.parametrize("engine", BOTH)
def test_a_cycle_of_one_engine_leaves_the_other_alone(start, model, engine):
    cycle = start(engines=(engine,))
    cycle.must_complete()
    tracking.must_have_one_whole_version(model, engine)
    (other,) = set(BOTH) - {engine}
    assert cycle.object_of(other) is None
    assert tracking.versions(model, other) == []


def test_a_cycles_objects_go_with_its_job(start):
    cycle = start()
    cycle.must_complete()
    kubectl("delete", "job", cycle.job, "--cascade=foreground", "--timeout=90s", seconds=100)
    wait_until("its children are gone", lambda: not cycle.object_of("sklearn") and not cycle.object_of("register"), 60)
    assert get("lease", "ratchet-cycle")["spec"].get("holderIdentity") != cycle.id
