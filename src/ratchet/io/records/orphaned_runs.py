"""Runs without a live process: they are closed as KILLED, as their process would have done.

SIGKILL and a lost machine leave a run RUNNING. The next attempt closes it (`io.records.tracking`), or the registrar of
the cycle (`jobs.promotion.register`), which a coordinator starts after the trainers have ended. If a trainer is still
running after all, its own final status overwrites this one.
"""

import json
from collections.abc import Callable
from dataclasses import asdict

import structlog
from mlflow.entities import RunStatus
from mlflow.tracking import MlflowClient

from ratchet.io.records import process_identity
from ratchet.io.records.process_identity import ProcessIdentity

log = structlog.get_logger()

TAG = "ratchet.process"


def tag() -> str:
    """The tag that identifies the process working on a run."""
    return json.dumps(asdict(process_identity.own()))


def close_before(client: MlflowClient, experiment: str, cycle: str, engine: str, own_run: str) -> None:
    """Close the runs of earlier attempts at a cycle and an engine."""
    here = process_identity.own()
    wanted = f"tags.`ratchet.cycle` = '{cycle}' and tags.`ratchet.engine` = '{engine}'"
    _close(client, experiment, wanted, own_run, lambda there: process_identity.replaced(there, here))


def close_of_cycle(client: MlflowClient, experiment_name: str, cycle: str) -> None:
    """Close the runs of a cycle's trainers, if its coordinator started this registrar after them."""
    if not process_identity.own().host.startswith(f"{cycle}-register-"):
        return
    found = client.get_experiment_by_name(experiment_name)
    if found is None:
        return
    wanted = f"tags.`ratchet.cycle` = '{cycle}'"
    _close(client, found.experiment_id, wanted, "", lambda there: there.host.startswith(f"{cycle}-"))


def at_work_here(client: MlflowClient, experiment_name: str) -> str | None:
    """The cycle of a trainer running on this machine; None if there is none."""
    found = client.get_experiment_by_name(experiment_name)
    if found is None:
        return None
    for run in client.search_runs([found.experiment_id], "attributes.status = 'RUNNING'"):
        there = _identity(run.data.tags.get(TAG, ""))
        if there is not None and process_identity.at_work(there):
            return str(run.data.tags.get("ratchet.cycle"))
    return None


def _close(
    client: MlflowClient, experiment: str, wanted: str, own_run: str, over: Callable[[ProcessIdentity], bool]
) -> None:
    for run in client.search_runs([experiment], f"{wanted} and attributes.status = 'RUNNING'"):
        there = _identity(run.data.tags.get(TAG, ""))
        if run.info.run_id != own_run and there is not None and (over(there) or process_identity.gone(there)):
            client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))
            log.warning("run.lost", run=run.info.run_id, host=there.host)


def _identity(text: str) -> ProcessIdentity | None:
    try:
        return ProcessIdentity(**json.loads(text))
    except (TypeError, ValueError):
        return None
