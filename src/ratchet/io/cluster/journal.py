"""The progress of a cycle, recorded on its own Job: its steps' states, times and ends, and the decisions.

It lasts as long as the Job and can be read without MLflow. A restarted coordinator uses it: a step that has ended is
not started again, even if its object is gone. `ratchet status` reads it; `kubectl describe` shows the events written
alongside it.
"""

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from ratchet.errors import RatchetError, Reason, reason_named
from ratchet.io.cluster.api import EVENTS, JOBS, Api, AwayError, Json
from ratchet.io.cluster.steps.step_objects import CYCLE, STEP
from ratchet.io.runner import Ended

log = structlog.get_logger()

ANNOTATION = "ratchet/journal"
# Why a cycle failed, even if it has no journal.
REASON = "ratchet/reason"
_LONGEST_MESSAGE = 1000

type Decided = Mapping[str, Any]


class Journal:
    """The journal of one cycle. job: the cycle's Job, as the API sent it. step: `watch` where it is a watch's."""

    def __init__(self, api: Api, job: Json, cycle: str, step: str = "retrain") -> None:
        self._api = api
        self._step = step
        self.job = job
        self._content: Json = {"cycle": cycle, "began": _now(), "ended": None, "steps": {}, "decisions": []}

    def open(self, others: list[Json]) -> None:
        """Continue the journal of this Job or of another of the same cycle; then mark the Job."""
        for job in [self.job, *others]:
            written = read(job)
            if written is not None and written["cycle"] == self._content["cycle"]:
                self._content = written
                break
        self._content["ended"] = None
        self._save(self._api, {STEP: self._step, CYCLE: self._content["cycle"]})

    def ended(self, step: str) -> Ended | None:
        """How a step ended, where it has."""
        written = self._content["steps"].get(step, {})
        if "ended" not in written:
            return None
        return Ended(written["code"], written["sentence"], reason_named(written.get("reason")))

    def decisions(self) -> list[Decided]:
        """The registrar's decisions, as its events told them."""
        return list(self._content["decisions"])

    def note(self, step: str, **facts: str | float | None) -> None:
        """Record facts about a step, overwriting earlier ones."""
        written = self._content["steps"].setdefault(step, {})
        if facts.items() - written.items():
            written |= facts
            with suppress(AwayError):  # the next one that is saved holds it, too
                self._save(self._api.at_once())

    def end_step(self, step: str, ended: Ended, facts: Mapping[str, str | float | None]) -> None:
        """Record how a step ended, so that it is not started again."""
        state, reason = ("done", None) if ended.code == 0 else ("failed", ended.reason)
        over: Json = {"state": state, "code": ended.code, "sentence": ended.sentence, "reason": reason}
        over["ended"] = facts.get("ended") or _now()
        self._content["steps"].setdefault(step, {}).update({**facts, **over})
        self._save(self._api)

    def decided(self, event: Decided) -> None:
        """Record a decision; saved with the step's end."""
        known = [each for each in self._content["decisions"] if each.get("engine") != event.get("engine")]
        self._content["decisions"] = [*known, dict(event)]

    def end(self) -> None:
        """Record that the cycle has ended."""
        self._content["ended"] = _now()
        self._save(self._api)

    def event(self, kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """Write an event on the cycle's Job."""
        write_event(self._api, self.job, kind, reason, message)

    def _save(self, api: Api, labels: Mapping[str, str] | None = None) -> None:
        text = json.dumps(self._content, ensure_ascii=False, separators=(",", ":"))
        metadata: Json = {"annotations": {ANNOTATION: text}} | ({"labels": dict(labels)} if labels else {})
        api.patch(JOBS, self.job["metadata"]["name"], {"metadata": metadata})


def read(job: Json) -> Json | None:
    """The journal on a Job; None where there is none."""
    text = job["metadata"].get("annotations", {}).get(ANNOTATION)
    if text is None:
        return None
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) and {"cycle", "steps", "decisions"} <= content.keys() else None


def write_reason(api: Api, job: Json, reason: Reason) -> None:
    """Write on a Job why it failed."""
    api.patch(JOBS, job["metadata"]["name"], {"metadata": {"annotations": {REASON: reason}}})


def write_event(api: Api, job: Json, kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
    """Write an event on a Job, which `kubectl describe job` shows."""
    metadata, now = job["metadata"], _now()
    words = " ".join(message.split())
    body = {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {"name": f"{metadata['name']}.{secrets.token_hex(8)}", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": kind,
        "reason": reason,
        "message": words if len(words) <= _LONGEST_MESSAGE else words[:_LONGEST_MESSAGE] + "…",
        "source": {"component": "ratchet"},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    try:
        # A failure is worth waiting for an unavailable server; progress is not.
        (api if kind == "Warning" else api.at_once()).create(EVENTS, body)
    except RatchetError as error:
        log.warning("cluster.no_event", reason=reason, why=str(error))


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
