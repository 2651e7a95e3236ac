"""A step that is a Job: the scikit-learn trainer, the registrar."""

from collections.abc import Sequence

import structlog

from ratchet.io.cluster import pods
from ratchet.io.cluster.api import JOBS, Json
from ratchet.io.cluster.steps import exit_status, pending
from ratchet.io.cluster.steps.step import ClusterStep, StepContext
from ratchet.io.runner import Ended, OnEvent, Order

log = structlog.get_logger()

# Done; or wrong configuration or data, for which the Job's own policy fails it at once.
_ENDS_ITS_JOB = (0, 2, 3)


class JobStep(ClusterStep):
    """A step that runs as a Job, which replaces its pod where that is worth another try."""

    def __init__(self, context: StepContext, order: Order, cycle: str, child: Json, on_event: OnEvent) -> None:
        super().__init__(context, order, cycle, child, on_event)
        self._names = (self._definition,)
        self._failed: set[str] = set()

    def _look(self) -> Ended | None:
        job = self._hasty.get(JOBS, self._name)
        if job is None:
            return Ended(None, f"its Job {self._name} was deleted")
        attempts = self._pods(f"batch.kubernetes.io/job-name={self._name}")
        for pod in attempts:
            self._first_seen.setdefault(pod["metadata"]["uid"], self._context.clock())
        newest = pods.newest(attempts)
        if newest is None:
            return exit_status.of_job(job, (), self._names) or self._waits(self._without_pod(job))
        self._runs(newest, self._names)
        said = [self._follow(pod, self._names) for pod in sorted(attempts, key=_made)]
        self._tell_of_failed(attempts)
        ended = exit_status.of_job(job, attempts, self._names, said[-1])
        if ended is None:
            return self._waits(pending.of_pod(newest, self._events_of(newest)))
        self._ended_at(newest, self._names)
        # Out of memory is the end of a step, though not of its Job.
        return ended if ended.code in _ENDS_ITS_JOB or _has_failed(job) else self._give_up(ended)

    def _without_pod(self, job: Json) -> pending.Waiting | None:
        return pending.of_job(job, self._events_on(self._uid)) if self.age() > 1 else None

    def _halt(self) -> None:
        # Not deleted: the Job and its pods are the evidence. Past its deadline it ends its pods by SIGTERM.
        self._context.api.patch(JOBS, self._name, {"spec": {"activeDeadlineSeconds": 1}})

    def _tell_of_failed(self, attempts: Sequence[Json]) -> None:
        for pod in attempts:
            uid = pod["metadata"]["uid"]
            ended = exit_status.of_pod(pod, self._names)
            if ended is None or ended.code == 0 or uid in self._failed:
                continue
            self._failed.add(uid)
            log.warning(
                "step.attempt_failed",
                step=self._step,
                pod=pod["metadata"]["name"],
                code=ended.code,
                reason=ended.reason,
                why=ended.sentence,
            )


def _made(pod: Json) -> tuple[str, str]:
    return str(pod["metadata"].get("creationTimestamp")), pod["metadata"]["name"]


def _has_failed(job: Json) -> bool:
    conditions = job.get("status", {}).get("conditions", ())
    return any(each["type"] in ("Failed", "FailureTarget") and each["status"] == "True" for each in conditions)
