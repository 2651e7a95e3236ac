"""One cycle at a time in a namespace: a Lease that names the running cycle.

The cycle holds it, not a pod, so a restarted coordinator still has it. Another cycle waits until it is released, until
its holder's Job has ended or is gone, or until the waiting process has seen no renewal for its full duration; seconds
in which the API did not respond don't count.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from ratchet.io.cluster.api import JOBS, LEASES, Api, Json

NAME = "ratchet-cycle"
SECONDS = 60
RENEW_SECONDS = 10.0
_JOB = "ratchet/job"
_UID = "ratchet/job-uid"


@dataclass(frozen=True)
class Holder:
    """The holder of the Lease. cycle: its id. job, uid: the Job that runs it."""

    cycle: str
    job: str
    uid: str


class Lease:
    """The Lease, for one cycle's coordinator. clock: seconds of a monotonic clock."""

    def __init__(self, api: Api, own: Holder, clock: Callable[[], float]) -> None:
        self._api = api
        self._own = own
        self._clock = clock
        self._renewed = float("-inf")
        self._watched: tuple[str, float] | None = None

    def take(self) -> Holder | None:
        """Take or keep the Lease; returns the holder if it is another cycle."""
        found = self._api.get(LEASES, NAME)
        if found is None:
            made = self._api.create(LEASES, self._filled({"metadata": {"name": NAME}}, "new"))
            if made is None:
                return self.take()
            self._mark()
            return None
        holder = _holder(found)
        how = self._how(found, holder)
        if how is None:
            return holder
        if self._api.replace(LEASES, NAME, self._filled(found, how)) is None:
            return holder or self._own  # another cycle was faster; the next poll shows which
        self._mark()
        return None

    def keep(self) -> Holder | None:
        """Renew it if due; returns the new holder if it was lost."""
        if self._clock() - self._renewed < RENEW_SECONDS:
            return None
        return self.take()

    def give_back(self) -> None:
        """Release it, unless another cycle has already taken it."""
        found = self._api.get(LEASES, NAME)
        if found is not None and _holder(found) == self._own:
            found["spec"] |= {"holderIdentity": "", "renewTime": _now()}
            self._api.replace(LEASES, NAME, found)

    def _mark(self) -> None:
        self._renewed = self._clock()
        self._watched = None

    def _how(self, found: Json, holder: Holder | None) -> Literal["renewed", "new"] | None:
        """How it may be taken; None where it may not."""
        if holder == self._own:
            return "renewed"
        if holder is None or self._over(holder) or self._expired(found):
            return "new"
        return None

    def _over(self, holder: Holder) -> bool:
        """Whether the Job of the holder has ended, or is gone."""
        job = self._api.get(JOBS, holder.job)
        if job is None or job["metadata"]["uid"] != holder.uid:
            return True
        conditions = job.get("status", {}).get("conditions", ())
        return any(each["type"] in ("Complete", "Failed") and each["status"] == "True" for each in conditions)

    def _expired(self, found: Json) -> bool:
        version, now = found["metadata"]["resourceVersion"], self._clock()
        if self._watched is None or self._watched[0] != version:
            self._watched = (version, now)
        return now - self._watched[1] >= float(found["spec"].get("leaseDurationSeconds", SECONDS))

    def _filled(self, lease: Json, how: Literal["renewed", "new"]) -> Json:
        spec = lease.get("spec", {})
        changes = spec.get("leaseTransitions", 0) + (how == "new" and bool(spec))
        spec |= {
            "holderIdentity": self._own.cycle,
            "leaseDurationSeconds": SECONDS,
            "renewTime": _now(),
            "leaseTransitions": changes,
        }
        if how == "new":
            spec["acquireTime"] = spec["renewTime"]
        annotations = lease["metadata"].get("annotations", {}) | {_JOB: self._own.job, _UID: self._own.uid}
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": lease["metadata"] | {"annotations": annotations},
            "spec": spec,
        }


def _holder(lease: Json) -> Holder | None:
    cycle, annotations = lease.get("spec", {}).get("holderIdentity"), lease["metadata"].get("annotations", {})
    return Holder(cycle, annotations.get(_JOB, ""), annotations.get(_UID, "")) if cycle else None


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
