"""Steps that can't start or can't end: the cycle fails soon and says why, where an operator looks."""

import secrets
import time

import pytest

from tests.e2e import cycles, prometheus, tracking
from tests.e2e.cluster import get

CONTAINER = "/spec/jobTemplate/spec/template/spec/containers/0"
DRIVER = "/spec/template/driver"
EXECUTOR = "/spec/template/executor"
NO_SECRET = {"secretRef": {"name": "no-such-secret"}}
# What isn't there is waited for so long; the default is 45 seconds.
PENDING = "retrain.pending_seconds=10"
SOON_SECONDS = 55


def setting(path, value):
    """An operation of a JSON patch that sets a field, whether it is there or not."""
    return {"op": "add", "path": path, "value": value}


def break_start(patch, engine, what):
    """Let an engine's definition name something that can't be had."""
    kind, name = ("cronjob", "train-sklearn") if engine == "sklearn" else ("scheduledsparkapplication", "train-spark")
    sklearn, spark = {
        "image": (
            [setting(f"{CONTAINER}/image", "ratchet/none:0.1.0")],
            [setting("/spec/template/image", "ratchet/none:0.1.0")],
        ),
        "secret": (
            [setting(f"{CONTAINER}/envFrom/-", NO_SECRET)],
            [setting(f"{DRIVER}/template/spec/containers/0/envFrom/-", NO_SECRET)],
        ),
        "request": (
            [setting(f"{CONTAINER}/resources", {"requests": {"cpu": "64"}, "limits": {"memory": "1Gi"}})],
            cores(DRIVER, "64"),
        ),
    }[what]
    patch(kind, name, *(sklearn if engine == "sklearn" else spark))


def cores(role, number):
    """Operations that let Spark's pods of a role ask for so many cores. Less may not be their limit."""
    return [setting(f"{role}/coreRequest", number), setting(f"{role}/coreLimit", number)]


REASONS = {"image": "ratchet/none:0.1.0", "secret": "no-such-secret", "request": "Insufficient cpu"}


@pytest.mark.parametrize("engine", ["sklearn", "spark"])
@pytest.mark.parametrize("what", [pytest.param("image", marks=pytest.mark.smoke), "secret", "request"])
def test_a_step_that_cannot_start_ends_the_cycle_soon_with_the_reason(start, patch, model, engine, what):
    break_start(patch, engine, what)
    began = time.monotonic()
    cycle = start(PENDING, engines=(engine,))
    cycle.must_fail(engine, REASONS[what], seconds=SOON_SECONDS)
    assert time.monotonic() - began < SOON_SECONDS
    assert cycle.exit_code == 1
    assert tracking.versions(model, engine) == []


def test_an_executor_that_fits_nowhere_ends_the_cycle_with_the_reason(start, patch, model):
    patch("scheduledsparkapplication", "train-spark", *cores(EXECUTOR, "64"))
    start(engines=("spark",)).must_fail("spark", "Insufficient cpu", seconds=240)
    assert tracking.versions(model, "spark") == []


def test_one_engines_failure_does_not_keep_the_others_model_from_being_registered(start, patch, model):
    break_start(patch, "spark", "image")
    start(PENDING, engines=("sklearn", "spark")).must_fail("spark", REASONS["image"])
    tracking.must_have_one_whole_version(model, "sklearn")
    assert tracking.versions(model, "spark") == []


@pytest.mark.smoke
def test_a_scikit_learn_trainer_out_of_memory_is_named_so_with_its_limit(start, patch, model):
    # Ratchet refuses beforehand what can't fit; told that there is room, it meets the kernel.
    resources = {"requests": {"cpu": "200m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}}
    patch("cronjob", "train-sklearn", setting(f"{CONTAINER}/resources", resources))
    start("sklearn.memory_limit=64GiB", "windows.train=12mo").must_fail("sklearn", "out of memory", "256Mi")
    assert tracking.versions(model) == []


@pytest.mark.parametrize("role", ["driver", "executor"])
def test_a_spark_trainer_out_of_memory_is_named_so_with_its_limit(start, patch, model, role):
    # All of the heap is touched at once, and beside it there is no room: the kernel ends it, not Java.
    patch(
        "scheduledsparkapplication",
        "train-spark",
        setting(f"/spec/template/{role}/memory", "512m"),
        setting(f"/spec/template/{role}/memoryOverhead", "64m"),
        setting(f"/spec/template/{role}/javaOptions", "-Xms512m -XX:+AlwaysPreTouch"),
    )
    start(engines=("spark",)).must_fail("spark", "out of memory", "576Mi")
    assert tracking.versions(model, "spark") == []


WRONG = {
    "configuration": ("sklearn.params.no_such_parameter=1", 2, "no_such_parameter"),
    "data": ("data.label.column=no_such_column", 3, "no_such_column"),
}


@pytest.fixture(scope="module")
def failed(brisk):
    """A cycle for each error that no retry mends."""
    with cycles.starting() as begin:
        yield {reason: begin(f"wrong-{secrets.token_hex(3)}", wrong) for reason, (wrong, _, _) in WRONG.items()}


@pytest.mark.smoke
@pytest.mark.parametrize("reason", WRONG)
def test_an_error_that_no_retry_mends_ends_the_cycle_at_once_with_its_sentence(system, failed, reason):
    cycle, (_, code, words) = failed[reason], WRONG[reason]
    cycle.must_fail(words, seconds=180)
    assert cycle.exit_code == code
    assert len(cycle.pods_of("sklearn")) == 1
    assert len(cycle.pods_of("retrain")) == 1
    assert get("job", cycle.child("register")) is None
    assert tracking.versions(cycle.model) == []


@pytest.mark.smoke
@pytest.mark.parametrize("reason", WRONG)
def test_a_failed_cycle_is_told_with_its_step_and_its_reason(failed, reason):
    failed[reason].must_fail(WRONG[reason][2], seconds=180)
    told = f'ratchet_cycles_failed{{step="sklearn", reason="{reason}"}}'
    prometheus.wait_for("its failure is told", told, lambda found: (found or 0) >= 1)
