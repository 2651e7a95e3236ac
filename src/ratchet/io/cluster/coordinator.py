"""The cluster as the runner of a cycle's steps: the coordinator's work apart from polling them.

It runs in the cycle's own Job. It creates the children, or takes over those created earlier by itself or by another Job
of the same cycle; it renews the Lease; when terminated it leaves the children running, since its replacement continues
with them.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import structlog

from ratchet.core import cycle_ids
from ratchet.errors import ConfigurationError, RatchetError, TemporaryError
from ratchet.io.cluster import credentials, cycles
from ratchet.io.cluster.api import JOBS, Api, AwayError, Json
from ratchet.io.cluster.journal import Journal, write_event, write_reason
from ratchet.io.cluster.lease import Holder, Lease
from ratchet.io.cluster.steps import step_objects
from ratchet.io.cluster.steps.children import Children
from ratchet.io.cluster.steps.job_step import JobStep
from ratchet.io.cluster.steps.spark_step import SparkStep
from ratchet.io.cluster.steps.step import ClusterStep, StepContext
from ratchet.io.cluster.steps.step_objects import CYCLE, DECIDING, STEP
from ratchet.io.runner import Ended, OnEvent, Order, Step
from ratchet.settings import Retrain

log = structlog.get_logger()

SLOT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
# Poll often in a step's first minutes, so that a short step is noticed at once; later it does not matter.
_EAGER_SECONDS = 180.0
_EAGER_POLL = 1.0
_CALM_POLL = 2.0
_AWAY_POLL = 5.0


class ClusterRunner:
    """The cluster, for the coordinator of one cycle; a `Runner` of `io.runner`. job_name: the coordinator's own Job."""

    def __init__(
        self,
        api: Api,
        retrain: Retrain,
        job_name: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = api
        self._retrain = retrain
        self._job_name = job_name
        self._clock = clock
        self._sleep = sleep
        self._eager_until = clock()
        self._steps: list[ClusterStep] = []
        self._lease: Lease | None = None  # a watch has none

    @property
    def poll_seconds(self) -> float:
        """The poll interval: short at first, longer while the API server is unavailable."""
        if self._context.away:
            return _AWAY_POLL
        return _EAGER_POLL if self._clock() < self._eager_until else _CALM_POLL

    @contextmanager
    def cycle(self, cycle: str | None) -> Iterator[str]:
        """Give this cycle exclusive use of the namespace; its id is that of the Job's slot, or the Job's own name."""
        job = self._own_job()
        found = cycle_ids.checked(cycle) if cycle is not None else id_of(job)
        self._lease = Lease(self._api, Holder(found, self._job_name, job["metadata"]["uid"]), self._clock)
        with self._begun(job, found, "retrain"):
            yield found

    def lost(self) -> list[tuple[str, str]]:
        """The cycles and watches of the namespace that nothing has been told of, because their pods are gone."""
        return cycles.lost(self._api)

    @contextmanager
    def watch(self) -> Iterator[str]:
        """Watch alongside any cycle in the namespace; the id is that of the Job's slot, or the Job's own name."""
        job = self._own_job()
        found = id_of(job, "watch")
        with self._begun(job, found, "watch"):
            yield found

    def begin_cycle(self, name: str, arguments: Sequence[str]) -> str | None:
        """Create a cycle's Job of this name; returns why not if it exists or another cycle is running."""
        return cycles.begin(self._api, name, arguments)

    def _own_job(self) -> Json:
        job = self._api.get(JOBS, self._job_name)
        if job is None:
            message = f"there is no Job {self._job_name} in the namespace {self._api.namespace}; RATCHET_JOB names it"
            raise ConfigurationError(message)
        return job

    @contextmanager
    def _begun(self, job: Json, cycle: str, step: str) -> Iterator[None]:
        """Open the journal, on which everything else stands, and close it when what is inside has ended."""
        uid = job["metadata"]["uid"]
        self._journal = Journal(self._api, job, cycle, step)
        self._context = StepContext(self._api, self._journal, self._retrain, self._clock, self._sleep)
        self._have_the_lease()
        others = self._api.items(JOBS, labels=f"{CYCLE}={cycle},{STEP}={step}")
        owners = {uid} | {other["metadata"]["uid"] for other in others}
        self._children = Children(self._context, owners)
        self._journal.open([other for other in others if other["metadata"]["uid"] != uid])
        try:
            yield
        except Exception:
            with suppress(RatchetError):  # the cycle's own error must be reported
                self._close()
            raise
        # Not where it was interrupted: then the cycle goes on without this process, and with the next.
        self._close()

    def together(self) -> bool:
        """True, because the scheduler decides whether both fit; one that doesn't waits."""
        return True

    def start(self, order: Order, cycle: str, on_event: OnEvent) -> Step:
        """Create a step's child or take it over; a step that can't be started counts as ended."""
        if (ended := self._journal.ended(order.step)) is not None:
            log.info("step.already_ended", step=order.step, code=ended.code, why=ended.sentence)
            for decision in self._journal.decisions() if order.step in DECIDING else ():
                on_event(decision)
            return Over(ended)
        self._have_the_lease()
        self._eager_until = self._clock() + _EAGER_SECONDS
        try:
            child = self._children.of(order, cycle)
        except AwayError:
            raise
        except RatchetError as error:
            ended = Ended.by(error)
            fields = {"code": ended.code, "reason": ended.reason, "why": ended.sentence}
            log.error("step.failed", step=order.step, **fields)  # noqa: TRY400  # one line
            self._journal.event("Warning", "NotStarted", f"{order.step} failed: {ended.sentence}")
            self._journal.end_step(order.step, ended, {})
            return Over(ended)
        kind = JobStep if step_objects.origin_of(order).resource is JOBS else SparkStep
        return _Kept(kind(self._context, order, cycle, child, on_event), self._keep_the_lease)

    def _have_the_lease(self) -> None:
        if self._lease is None:
            return
        deadline, told = self._clock() + 2 * self._retrain.deadline_minutes * 60, None
        while (holder := self._lease.take()) is not None:
            who = f"the cycle {holder.cycle} (Job {holder.job}) is at work in the namespace {self._api.namespace}"
            if self._retrain.when_busy == "fail":
                message = f"{who}, and retrain.when_busy is fail"
                raise TemporaryError(message)
            if self._clock() >= deadline:
                message = f"{who} and has been for {2 * self._retrain.deadline_minutes} minutes"
                raise TemporaryError(message)
            if holder != told:
                log.info("retrain.waiting", why=who, cycle=holder.cycle, job=holder.job)
                self._journal.event("Normal", "WaitingForCycle", f"waits: {who}")
            told = holder
            self._sleep(_CALM_POLL)

    def _keep_the_lease(self) -> None:
        with suppress(AwayError):
            if self._lease is not None and (holder := self._lease.keep()) is not None:
                log.warning("retrain.lease_lost", cycle=holder.cycle, job=holder.job)

    def _close(self) -> None:
        self._journal.end()
        if self._lease is not None:
            self._lease.give_back()


class Over:
    """A step that had already ended; a `Step` of `io.runner`."""

    def __init__(self, ended: Ended) -> None:
        self._ended = ended

    def poll(self) -> Ended | None:
        return self._ended

    def age(self) -> float:
        return 0.0

    def stop(self, ended: Ended) -> None:
        """Do nothing, since the step has ended."""

    def leave(self) -> None:
        """Do nothing, since the step has ended."""


class _Kept:
    """A step that also renews the Lease at each poll."""

    def __init__(self, step: ClusterStep, keep: Callable[[], None]) -> None:
        self._step = step
        self._keep = keep
        self.age, self.stop, self.leave = step.age, step.stop, step.leave

    def poll(self) -> Ended | None:
        self._keep()
        return self._step.poll()


def id_of(job: Json, verb: str = "retrain") -> str:
    """The id of the cycle that a Job runs: that of its slot, or the Job's own name if it was created manually."""
    slot = job["metadata"].get("annotations", {}).get(SLOT)
    if slot is not None:
        return cycle_ids.from_slot(slot, verb)
    return cycle_ids.checked(job["metadata"]["name"], "the name of the cycle's Job")


def open_cluster(retrain: Retrain, variables: Mapping[str, str] = os.environ) -> ClusterRunner:
    """The cluster that this process is a pod of; raises ConfigurationError elsewhere."""
    job, namespace, way_in = (
        variables.get("RATCHET_JOB"),
        variables.get("RATCHET_NAMESPACE"),
        credentials.inside(variables),
    )
    if not job or not namespace or way_in is None:
        message = (
            "retrain.runner is kubernetes, and this is no Job of a cluster: start one there with `kubectl create job"
            " --from=cronjob/retrain NAME`, or set retrain.runner to processes"
        )
        raise ConfigurationError(message)
    return ClusterRunner(Api(way_in, namespace), retrain, job)


def tell(error: RatchetError, event: str, variables: Mapping[str, str] = os.environ) -> None:
    """Record why the cycle or the watch failed on the Job of this process, if it has one.

    event: the reason of the event that reports it.
    """
    name, namespace, way_in = (
        variables.get("RATCHET_JOB"),
        variables.get("RATCHET_NAMESPACE"),
        credentials.inside(variables),
    )
    if not name or not namespace or way_in is None:
        return
    api = Api(way_in, namespace, patience=0)
    with suppress(RatchetError):
        if (job := api.get(JOBS, name)) is not None:
            write_event(api, job, "Warning", event, str(error))
            write_reason(api, job, error.reason)
