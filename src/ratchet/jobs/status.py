"""The output of `ratchet status`: the cycles of a cluster, read from their Jobs, without requests to MLflow."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ratchet.errors import RatchetError, Reason, reason_named
from ratchet.io.cluster import credentials, cycles, journal
from ratchet.io.cluster.api import JOBS, Api, Json
from ratchet.io.cluster.coordinator import id_of
from ratchet.io.cluster.pods import moment

NAMESPACE = "ratchet"


@dataclass(frozen=True)
class StepStatus:
    """A step of a cycle.

    state: submitted, waiting, running, done, failed. seconds: from its submission to its end, or until now. said: the
    decision, or why it failed or waits. reason: why it failed, in one word. facts: other facts recorded by the
    coordinator.
    """

    step: str
    state: str
    seconds: float | None
    said: str
    reason: Reason | None
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class CycleStatus:
    """A cycle: waiting, running, done, failed.

    said: why it has no step yet. reason: why it failed, in one word.
    """

    cycle: str
    job: str
    state: str
    began: str | None
    ended: str | None
    steps: tuple[StepStatus, ...]
    decisions: tuple[Mapping[str, Any], ...]
    said: str
    reason: Reason | None


def status(namespace: str | None, context: str | None) -> list[CycleStatus]:
    """The cycles whose Jobs exist, the newest first. Raises RatchetError if the cluster can't be queried.

    namespace, context: None means the pod's own in a cluster, else `ratchet` and the kubeconfig's current context.
    """
    api = Api(credentials.found(context), namespace or os.environ.get("RATCHET_NAMESPACE") or NAMESPACE, patience=0)
    jobs = [job for job in api.items(JOBS) if cycles.is_cycle(job)]
    jobs.sort(key=lambda job: str(job["metadata"].get("creationTimestamp")), reverse=True)
    return [cycle_of(job, datetime.now(UTC)) for job in jobs]


def cycle_of(job: Json, now: datetime) -> CycleStatus:
    """A cycle, from its Job and the journal on it."""
    written = journal.read(job) or {}
    decisions = tuple(written.get("decisions", ()))
    state = cycles.state_of(job)
    facts: Mapping[str, Mapping[str, Any]] = written.get("steps", {})
    steps = tuple(_step(name, of_step, decisions, now) for name, of_step in facts.items())
    return CycleStatus(
        cycle=str(written.get("cycle") or _id(job)),
        job=job["metadata"]["name"],
        state="waiting" if state == "running" and not written else state,
        began=written.get("began") or job.get("status", {}).get("startTime"),
        ended=written.get("ended"),
        steps=steps,
        decisions=decisions,
        said=_why(job),
        reason=cycles.reason_of(job) if state == "failed" else None,
    )


def _why(job: Json) -> str:
    for each in job.get("status", {}).get("conditions", ()):
        if each["type"] == "Failed" and each["status"] == "True":
            return f"{each.get('reason')}: {each.get('message')}"
    return ""


def _id(job: Json) -> str:
    try:
        return id_of(job)
    except RatchetError:  # its coordinator has failed and reports that
        return str(job["metadata"]["name"])


def _step(name: str, facts: Mapping[str, Any], decisions: tuple[Mapping[str, Any], ...], now: datetime) -> StepStatus:
    begin, end = moment(facts.get("submitted")), moment(facts.get("ended")) or now
    said = facts.get("sentence") or ""
    if name == "register" and not said:
        said = "; ".join(f"{each.get('engine')} {each.get('outcome')}: {each.get('reason')}" for each in decisions)
    state = str(facts.get("state", "submitted"))
    return StepStatus(
        step=name,
        state=state,
        seconds=None if begin is None else (end - begin).total_seconds(),
        said=said,
        reason=reason_named(facts.get("reason")) if state == "failed" else None,
        facts=facts,
    )
