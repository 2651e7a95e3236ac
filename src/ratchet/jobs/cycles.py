"""A cluster's facts about its cycles, for the exporter: two requests, read in the same way as by `ratchet status`."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from ratchet.core.exported import CycleFacts
from ratchet.core.history import MOST_CYCLES, CycleNow, CycleStep
from ratchet.core.schedule import longest_pause
from ratchet.core.steps import STEPS
from ratchet.errors import Reason
from ratchet.io.cluster.api import CRON_JOBS, JOBS, Api, Json
from ratchet.io.cluster.cycles import COORDINATORS
from ratchet.io.cluster.pods import moment
from ratchet.jobs.status import CycleStatus, cycle_of

_CRON_JOB = "retrain"


class Cycles:
    """Queries a cluster for the facts about its cycles."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def __call__(self) -> CycleFacts:
        """The facts; raises RatchetError if the cluster is unavailable."""
        cron_job = self._api.get(CRON_JOBS, _CRON_JOB)
        return facts_of(self._api.items(JOBS, labels=COORDINATORS), cron_job, datetime.now(UTC))


def facts_of(jobs: Sequence[Json], cron_job: Json | None, now: datetime) -> CycleFacts:
    """The facts in the cycles' Jobs and the CronJob that creates them."""
    newest_first = sorted(jobs, key=lambda job: str(job["metadata"].get("creationTimestamp")), reverse=True)
    cycles = [cycle_of(job, now) for job in newest_first]
    successes = [_unix(cycle.ended) for cycle in cycles if cycle.state == "done"]
    # The CronJob still records a cycle whose Job is gone.
    successes.append(_unix((cron_job or {}).get("status", {}).get("lastSuccessfulTime")))
    return CycleFacts(
        last_success=max((at for at in successes if at is not None), default=None),
        period=_period(cron_job),
        scheduled=None if cron_job is None else _unix(cron_job["metadata"].get("creationTimestamp")),
        running=sum(cycle.state in ("running", "waiting") for cycle in cycles),
        steps=_steps(cycles),
        failed=Counter(_failure(cycle) for cycle in cycles if cycle.state == "failed"),
        newest=[_now(cycle) for cycle in cycles[:MOST_CYCLES]],
    )


def _now(cycle: CycleStatus) -> CycleNow:
    steps = [CycleStep(step.step, step.state, step.seconds, step.said) for step in cycle.steps]
    return CycleNow(cycle.cycle, cycle.state, _unix(cycle.began), _unix(cycle.ended), steps, cycle.said)


def _period(cron_job: Json | None) -> float | None:
    if cron_job is None or cron_job["spec"].get("suspend"):
        return None
    pause = longest_pause(str(cron_job["spec"].get("schedule")))
    return None if pause is None else pause.total_seconds()


def _steps(newest_first: Sequence[CycleStatus]) -> dict[str, float]:
    found: dict[str, float] = {}
    for cycle in newest_first:
        for step in cycle.steps:
            if step.state == "done" and step.seconds is not None:
                found.setdefault(_known(step.step), step.seconds)
    return found


def _failure(cycle: CycleStatus) -> tuple[str, Reason]:
    """The first step that failed, and why; `cycle` if it ended before or after its steps."""
    for step in cycle.steps:
        if step.state == "failed":
            return _known(step.step), step.reason or "other"
    return "cycle", cycle.reason or "other"


def _known(step: str) -> str:
    """A step known to this version, so that the number of names stays small whatever a journal contains."""
    return step if step in STEPS else "other"


def _unix(text: str | None) -> float | None:
    at = moment(text)
    return None if at is None else at.timestamp()
