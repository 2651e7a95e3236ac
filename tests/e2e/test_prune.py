"""What has expired is deleted in MLflow and in the store, by an account that may delete and neither read nor write."""

import json
import secrets

import pytest

from tests.e2e import cycles
from tests.e2e.cluster import create, kubectl

# A run of two years ago, as a trainer leaves it; with `look`, what is left of it.
_SCRIPT = """
import json, os, sys, time
from mlflow.tracking import MlflowClient
client, model, task = MlflowClient(), sys.argv[1], sys.argv[2]
if task == "make":
    experiment = client.create_experiment(model)
    tags = {"ratchet.model": model, "ratchet.engine": "sklearn", "ratchet.cycle": "old"}
    run = client.create_run(experiment, start_time=int((time.time() - 730 * 86400) * 1000), tags=tags)
    client.log_text(run.info.run_id, "old", "report.html")
    client.set_terminated(run.info.run_id)
    print(run.info.run_id)
else:
    run = client.get_run(task)
    files = [each.path for each in client.list_artifacts(task)]
    print(json.dumps({"stage": run.info.lifecycle_stage, "files": files}))
"""


@pytest.fixture
def ended(system):
    """Run a Job from a definition to its end, or `_SCRIPT` in its place; returns its exit code and its log."""
    made = []

    def run(definition, *arguments, script=()):
        made.append(f"pruned-{secrets.token_hex(3)}")
        job = cycles.job_from(definition, made[-1], *arguments)
        if script:
            container = job["spec"]["template"]["spec"]["containers"][0]
            container.update(command=["python", "-c", _SCRIPT, *script], args=[])
        create(job)
        return cycles.job_end(made[-1]), cycles.logs_of_job(made[-1])

    yield run
    for name in made:
        kubectl("delete", "job", name, "--ignore-not-found", "--timeout=60s", seconds=90)


def test_what_has_expired_is_deleted_with_its_files(ended, model):
    def script(task):
        code, log = ended("train-sklearn", script=(model, task))
        assert code == 0, log
        return log.strip().splitlines()[-1]

    run = script("make")
    assert json.loads(script(run)) == {"stage": "active", "files": ["report.html"]}
    own = ("--set", f"model={model}")
    code, log = ended("prune", "--dry-run", *own)
    assert (code, "0 versions and 1 runs would be deleted" in log) == (0, True), log
    assert json.loads(script(run))["stage"] == "active"
    code, log = ended("prune", *own)
    assert (code, f"run {run}" in log, "0 versions and 1 runs deleted" in log) == (0, True, True), log
    assert json.loads(script(run)) == {"stage": "deleted", "files": []}
    code, log = ended("prune", *own)
    assert (code, "0 versions and 0 runs deleted" in log) == (0, True), log
