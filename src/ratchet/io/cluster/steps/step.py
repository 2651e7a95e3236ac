"""A step's child while it runs: what the coordinator polls, logs and records about it.

This module has the code shared by Jobs and SparkApplications; `job_step` and `spark_step` have the rest.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from ratchet.io.cluster import pods
from ratchet.io.cluster.api import EVENTS, PODS, Api, AwayError, Json
from ratchet.io.cluster.journal import Journal
from ratchet.io.cluster.logs import NOTHING, Follower, Said
from ratchet.io.cluster.steps import pending
from ratchet.io.cluster.steps.pending import Patience, Waiting
from ratchet.io.cluster.steps.step_objects import CYCLE, DECIDING, STEP, origin_of
from ratchet.io.runner import Ended, OnEvent, Order
from ratchet.settings import Retrain

log = structlog.get_logger()

# What the log of a pod that has ended is waited for, where the kubelet does not answer.
_LOG_SECONDS = 20.0
_LOG_PAUSE = 1.0
# A new pod has no status yet; requesting its events can wait.
_EVENTS_AFTER_SECONDS = 4.0
_OPERATOR_SECONDS = 30.0


@dataclass
class StepContext:
    """What the coordinator has for each of its steps."""

    api: Api
    journal: Journal
    retrain: Retrain
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    away: bool = field(default=False)


class ClusterStep(ABC):
    """A step that runs in the cluster; a `Step` of `io.runner`. child: its object, as the API sent it."""

    def __init__(self, context: StepContext, order: Order, cycle: str, child: Json, on_event: OnEvent) -> None:
        self._context = context
        self._hasty = context.api.at_once()
        self._step = order.step
        self._definition = origin_of(order).definition
        self._cycle = cycle
        self._name: str = child["metadata"]["name"]
        self._uid: str = child["metadata"]["uid"]
        self._on_event = on_event
        self._patience = Patience(context.retrain, context.clock)
        self._followers: dict[str, Follower] = {}
        self._read_to_the_end: set[str] = set()
        self._first_seen: dict[str, float] = {}
        self._told: str | None = None
        self._running: str | None = None
        self._decided = False
        self._facts: dict[str, str | float | None] = {}
        created = pods.moment(child["metadata"].get("creationTimestamp")) or _now()
        self._created = created
        context.journal.note(self._step, state="submitted", submitted=_text(created))
        self._begun = context.clock() - max((_now() - created).total_seconds(), 0.0)

    def poll(self) -> Ended | None:
        """How the step ended; None while it runs, and while the API server is unavailable."""
        try:
            ended = self._look()
        except AwayError as error:
            if not self._context.away:
                log.warning("cluster.away", step=self._step, why=str(error))
            self._context.away = True
            return None
        if self._context.away:
            log.info("cluster.back", step=self._step)
        self._context.away = False
        if ended is not None:
            self._end(ended)
        return ended

    def age(self) -> float:
        """Seconds since its child was made."""
        return self._context.clock() - self._begun

    def stop(self, ended: Ended) -> None:
        """End it; what is left of it is found in the journal."""
        self._halt()
        self._end(ended)

    def leave(self) -> None:  # noqa: B027  # deliberately empty: the step continues for the next coordinator
        """Do nothing: the step continues, and the next coordinator takes it over."""

    @abstractmethod
    def _look(self) -> Ended | None:
        """How the step ended, by one look at its objects."""

    @abstractmethod
    def _halt(self) -> None:
        """Stop everything that belongs to it."""

    def _pods(self, labels: str) -> list[Json]:
        return self._hasty.items(PODS, labels=labels)

    def _give_up(self, ended: Ended) -> Ended:
        self._halt()
        return ended

    def _waits(self, why: Waiting | None) -> Ended | None:
        """The step's end if it has waited too long."""
        if why is None:
            return None
        # The operator's turn is the usual way; it is worth a word only where it takes long.
        told = why.kind != "operator" or self.age() > _OPERATOR_SECONDS
        if told and why.word != self._told:
            self._told = why.word
            log.info("step.waiting", step=self._step, reason=why.reason, word=why.word, why=why.sentence)
            self._context.journal.note(self._step, state="waiting", sentence=why.sentence, reason=why.reason)
            self._event("Normal", "Waiting", f"{self._step} waits: {why.sentence}")
        sibling = why.kind == "room" and self._sibling_at_work()
        if not self._patience.over(why, sibling_at_work=sibling):
            return None
        return self._give_up(Ended(None, why.sentence, why.reason))

    def _runs(self, pod: Json, names: Sequence[str]) -> None:
        """Log and record when it started to run, once per pod."""
        times = pods.times(pod, names)
        if times.started is None or self._running == pod["metadata"]["uid"]:
            return
        self._running = pod["metadata"]["uid"]
        self._patience.begin_anew()
        self._told = None
        made = times.created or self._created
        self._facts = {
            "submitted": _text(self._created),
            "created": _text(times.created),
            "scheduled": _text(times.scheduled),
            "started": _text(times.started),
            "submit_seconds": (made - self._created).total_seconds(),
            "pending_seconds": (times.started - made).total_seconds(),
        }
        log.info("step.started", step=self._step, pod=pod["metadata"]["name"], **self._facts)
        self._context.journal.note(self._step, state="running", sentence="", reason=None, **self._facts)
        self._event("Normal", "Started", f"{self._step} runs in the pod {pod['metadata']['name']}")

    def _follow(self, pod: Json, names: Sequence[str]) -> Said:
        """Pass on what is new in the pod's log; the last words of a failed verb in it.

        The log of a pod that has ended is read to its end, which is waited for a little, and not again.
        """
        status, uid = pods.container(pod, names), pod["metadata"]["uid"]
        if status is None or not pods.begun(status):
            return NOTHING
        follower = self._followers.setdefault(uid, Follower(self._hasty, pod["metadata"]["name"], status["name"]))
        if uid in self._read_to_the_end:
            return follower.said
        phase, deadline = pod["status"]["phase"], self._context.clock() + _LOG_SECONDS
        while True:
            events = follower.events()
            for event in events or ():
                self._pass_on(event)
            # A successful registrar has logged its decisions: until they arrive, part of the log is missing.
            whole = events is not None and (self._decided or self._step not in DECIDING or phase != "Succeeded")
            if phase not in ("Succeeded", "Failed"):
                return follower.said
            if whole or self._context.clock() >= deadline:
                self._read_to_the_end.add(uid)
                return follower.said
            self._context.sleep(_LOG_PAUSE)

    def _pass_on(self, event: Mapping[str, Any]) -> None:
        if str(event.get("event")).removesuffix(".decided") in DECIDING:
            self._decided = True
            self._context.journal.decided(event)
            outcome, version = event.get("outcome"), event.get("version")
            which = f" as version {version}" if version is not None else ""
            kind: Literal["Normal", "Warning"] = "Warning" if outcome == "missing" else "Normal"
            reason = str(outcome or "decided").capitalize()
            words = f"{event.get('engine')}: {outcome}{which}: {event.get('reason')}"
            self._context.journal.event(kind, reason, words)
        self._on_event(event)

    def _events_of(self, pod: Json) -> list[Json]:
        """The events of a pod that waits without its containers saying why."""
        uid = pod["metadata"]["uid"]
        seen = self._first_seen.setdefault(uid, self._context.clock())
        if not pending.needs_events(pod) or self._context.clock() - seen < _EVENTS_AFTER_SECONDS:
            return []
        return self._events_on(uid)

    def _events_on(self, uid: str) -> list[Json]:
        return self._hasty.items(EVENTS, fields=f"involvedObject.uid={uid}")

    def _sibling_at_work(self) -> bool:
        others = self._pods(f"{CYCLE}={self._cycle},{STEP}!={self._step}")
        return any(pods.going(pod) for pod in others)

    def _end(self, ended: Ended) -> None:
        seconds = round(self.age(), 1)
        fields = {"step": self._step, "code": ended.code, "since_submitted": seconds, **self._facts}
        if ended.code == 0:
            log.info("step.done", **fields)
            self._event("Normal", "Done", f"{self._step} is done, {seconds:.0f} s after it was submitted")
        else:
            log.error("step.failed", **fields, reason=ended.reason, why=ended.sentence)
            self._event("Warning", "Failed", f"{self._step} failed: {ended.sentence}")
        self._context.journal.end_step(self._step, ended, self._facts)

    def _event(self, kind: Literal["Normal", "Warning"], what: str, message: str) -> None:
        name = self._definition.title().replace("-", "")
        self._context.journal.event(kind, f"{name}{what}", message)

    def _ended_at(self, pod: Json, names: Sequence[str]) -> None:
        """Write down when the pod's work ended, and how long it took."""
        times = pods.times(pod, names)
        if times.started is not None and times.ended is not None:
            self._facts["ended"] = _text(times.ended)
            self._facts["work_seconds"] = (times.ended - times.started).total_seconds()


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _now() -> datetime:
    return datetime.now(UTC)
