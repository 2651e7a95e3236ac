"""Old runs and versions that nothing needs are deleted with their files, and nothing else is, wherever it is killed."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from mlflow.tracking import MlflowClient

from ratchet.errors import ConfigurationError
from ratchet.io.records.registered_model import versions_of
from ratchet.jobs.promotion import promote, register
from ratchet.jobs.prune import prune
from tests.integration.candidate_runs import add_run
from tests.integration.conftest import settings_for
from tests.integration.killing import killed_after
from tests.integration.snapshots import folder_of, snapshot_of

LATER_DAYS = {"ratchet.test_from": "2013-12-01", "ratchet.test_until": "2014-01-01"}
NEXT_MONTH = datetime.now(UTC).date() + timedelta(days=31)
_names = (f"pruned{number}" for number in itertools.count())


@pytest.fixture
def settings(mlflow_server):
    return settings_for(mlflow_server, next(_names), retrain={"engines": ("sklearn",)}, retention={"runs": "3d"})


@pytest.fixture
def client(settings):
    return MlflowClient(settings.tracking.uri)


@pytest.fixture
def history(settings, client):
    """Runs by name: versions 1 to 4, of which 4 serves and 3 was rolled back, and runs of no version."""
    found = {}

    def decided(name, f1, **options):
        found[name] = add_run(settings, name, f1, **options)
        register.register(settings, name)

    found["failed"] = add_run(settings, "failed", 0.5, status="FAILED", tags={"ratchet.complete": "false"})
    found["running"] = add_run(settings, "running", 0.5, status="RUNNING")
    for number, name in enumerate(("one", "two", "three"), 1):
        decided(name, 0.5 + number / 10, logged=name == "three")
    promote.rollback(settings, settings.registered_name("sklearn"), "it was disliked")
    decided("four", 0.9)
    decided("earlier", 0.1)
    decided("same-days", 0.1, tags=LATER_DAYS)
    decided("newest", 0.1, tags=LATER_DAYS)
    child = {"mlflow.parentRunId": found["earlier"]}
    found["trial"] = client.create_run(client.get_run(found["one"]).info.experiment_id, tags=child).info.run_id
    return found


def pruned(settings, *, dry_run=False):
    lines = []
    said = prune(settings, lines.append, dry_run=dry_run, today=NEXT_MONTH)
    return lines, said


def left(settings, client, history):
    """The runs that are not deleted, those with files, and the numbers of the versions."""
    runs = {name: client.get_run(run) for name, run in history.items()}
    alive = {name for name, run in runs.items() if run.info.lifecycle_stage == "active"}
    places = {name: folder_of(settings.tracking.uri, run.info.artifact_uri) for name, run in runs.items()}
    filed = {name for name, place in places.items() if place.is_dir() and any(place.iterdir())}
    return alive, filed, [one.number for one in versions_of(client, settings.registered_name("sklearn"))]


KEPT = {"running", "one", "two", "four", "same-days", "newest"}


def test_only_what_nothing_needs_is_deleted_with_its_files(settings, client, history):
    before = left(settings, client, history)
    model = client.get_logged_model(client.get_run(history["three"]).outputs.model_outputs[0].model_id)
    place = folder_of(settings.tracking.uri, model.artifact_location)
    assert any(place.iterdir())

    lines, said = pruned(settings, dry_run=True)
    assert left(settings, client, history) == before
    assert said == f"older than {NEXT_MONTH - timedelta(days=3)}: 1 versions and 3 runs would be deleted"
    assert "it was rolled back by" in lines[0]
    assert [line.split(": cycle ")[1] for line in lines[1:]] == [
        "failed, sklearn, without a decision",
        "three, sklearn, promoted",
        "earlier, sklearn, held",
    ]

    assert pruned(settings) == (lines, said.replace("would be deleted", "deleted"))
    assert left(settings, client, history) == (KEPT, KEPT, [1, 2, 4])
    assert not place.exists()
    assert pruned(settings)[0] == []
    # Cycles go on.
    add_run(settings, "later", 0.95, tags=LATER_DAYS)
    (result,) = register.register(settings, "later")
    assert (result.outcome, result.version) == ("promoted", 5)


def test_killed_anywhere_it_is_run_again(settings, client, history, tmp_path, monkeypatch):
    kept = snapshot_of(settings, tmp_path / "kept")
    for writes in itertools.count(1):
        kept.restore()
        with killed_after(monkeypatch, writes) as end:
            pruned(settings)
        pruned(settings)
        assert left(settings, client, history) == (KEPT, KEPT, [1, 2, 4])
        if not end.killed:
            break
    assert writes > 5


def test_what_is_younger_stays_and_so_do_versions_that_must_be_beaten(settings, client, history):
    before = left(settings, client, history)
    young = settings.model_copy(update={"retention": settings.retention.model_copy(update={"runs": "50d"})})
    assert pruned(young)[0] == []
    strict = settings.model_copy(update={"promotion": settings.promotion.model_copy(update={"set_aside": False})})
    lines, said = pruned(strict, dry_run=True)
    assert "0 versions and 2 runs" in said
    assert not any("three" in line for line in lines)
    assert left(settings, client, history) == before


def test_without_a_period_it_is_refused(settings):
    unset = settings.model_copy(update={"retention": settings.retention.model_copy(update={"runs": None})})
    with pytest.raises(ConfigurationError, match=r"retention\.runs is not set"):
        pruned(unset)
