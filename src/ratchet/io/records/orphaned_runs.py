"""Runs on which nobody works any more: they end as KILLED, as they would have, had there been time.

SIGKILL and a lost machine leave a run RUNNING. The next attempt at it says so (`io.records.tracking`), and the
registrar of the cycle (`jobs.promotion.register`), which a coordinator starts when the trainers are over. Should one of
them still be at work, no harm is done: its own end is written over this one.
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
    """What a run says of the process that works on it."""
    return json.dumps(asdict(process_identity.own()))


def close_before(client: MlflowClient, experiment: str, cycle: str, engine: str, own_run: str) -> None:
    """Close the runs of a cycle and an engine that this process's attempt comes after."""
    here = process_identity.own()
    wanted = f"tags.`ratchet.cycle` = '{cycle}' and tags.`ratchet.engine` = '{engine}'"
    _close(client, experiment, wanted, own_run, lambda there: process_identity.replaced(there, here))


def close_of_cycle(client: MlflowClient, experiment_name: str, cycle: str) -> None:
    """Close the runs of a cycle's trainers, if this is the registrar that its coordinator started after them."""
    if not process_identity.own().host.startswith(f"{cycle}-register-"):
        return
    found = client.get_experiment_by_name(experiment_name)
    if found is None:
        return
    wanted = f"tags.`ratchet.cycle` = '{cycle}'"
    _close(client, found.experiment_id, wanted, "", lambda there: there.host.startswith(f"{cycle}-"))


def at_work_here(client: MlflowClient, experiment_name: str) -> str | None:
    """The cycle of a trainer that works on this machine now; None where there is none."""
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
