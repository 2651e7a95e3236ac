"""`ratchet in-cluster`: runs a verb where it can reach MLflow, the store and the servers, and follows it to its end."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ratchet.errors import FailedError
from ratchet.io.cluster import by_hand, credentials
from ratchet.io.cluster.api import APPLICATIONS, Api
from ratchet.io.cluster.followed import Followed
from ratchet.io.cluster.logs import event_in
from ratchet.io.cluster.pods import DRIVER
from ratchet.jobs.status import NAMESPACE


@dataclass(frozen=True)
class End:
    """How it ended. sentence: describes a failure; empty if there was none."""

    code: int
    sentence: str = ""


def run(words: Sequence[str], namespace: str | None, context: str | None, show: Callable[[str], None]) -> End:
    """Run a verb with its arguments in a cluster; show: called with each line of output.

    namespace, context: as for `jobs.status`. Raises RatchetError if it can't be started or followed.
    """
    call = by_hand.call_of(words, datetime.now(UTC))
    access = credentials.found(context)
    place = namespace or os.environ.get("RATCHET_NAMESPACE") or NAMESPACE
    begin(Api(access, place, patience=0), call)
    if call.definition.startswith("score-"):
        show(f"{call.resource.kind.lower()}.{call.resource.api_version.partition('/')[0]}/{call.name} created")
    if call.definition != "retrain":
        return follow(Api(access, place), call, show)
    show(f"{datetime.now():%H:%M:%S} cycle {call.name}")  # noqa: DTZ005  # in the user's time zone
    end = follow(Api(access, place), call, lambda line: show(readable(line)))
    show("\nMLflow: make ui, then http://127.0.0.1:5000")
    return end


def begin(api: Api, call: by_hand.Call) -> None:
    """Create the object of a call. Raises FailedError if its definition is not deployed."""
    definition = api.get(call.source, call.definition)
    if definition is None:
        raise FailedError(call.missing)
    user = api.user() or os.environ.get("USER") or "unknown"
    if api.create(call.resource, by_hand.made_from(definition, call, user)) is None:
        message = f"{call.resource.kind} {call.name} was created by another user in the same second; try again"
        raise FailedError(message)


def follow(api: Api, call: by_hand.Call, show: Callable[[str], None]) -> End:
    """Show the log of a call until it ends."""
    containers = (DRIVER,) if call.resource is APPLICATIONS else (call.definition,)
    code = Followed(api, call.resource, call.name, containers, show).end()
    what, where = ("the cycle", "at which step") if call.definition == "retrain" else ("it", "why")
    describe = f"kubectl describe {call.resource.kind.lower()} {call.name} -n {api.namespace}"
    return End(code, f"{what} failed; {describe} says {where}" if code else "")


def readable(line: str) -> str:
    """An event as shown on a terminal: time, name, and its facts as key=value; other lines unchanged."""
    event = event_in(line)
    if event is None or not {"event", "level", "timestamp"} <= event.keys():
        return line
    facts = [
        f"{key}={json.dumps(value, ensure_ascii=False)}"
        for key, value in event.items()
        if key not in ("event", "level", "timestamp")
    ]
    return f"{str(event['timestamp'])[11:19]} {event['event']}  {' '.join(facts)}".rstrip()
