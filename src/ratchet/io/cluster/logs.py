"""Follows a container's log by polling for new lines: none lost, none repeated, no open connection.

The API accepts only whole seconds as the start, and lines of stdout and stderr may be slightly out of order. So the
last seconds are requested again, and lines already seen are dropped.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ratchet.errors import Reason, reason_named
from ratchet.io.cluster.api import Api
from ratchet.io.runner import VERB_FAILED

_OVERLAP = timedelta(seconds=2)
_PREFIX = "ratchet: "
# What Spark's client for Kubernetes logs of a pod that it could not create.
_REFUSED = re.compile(r'Message: (pods "[^"]+" is forbidden: .+?)(?:\. Received status|$)')


@dataclass(frozen=True)
class Said:
    """The last words of a failed verb: its sentence, and its reason where its exit code says another.

    refused: the API server's last words on a pod that a Spark driver could not create.
    """

    sentence: str = ""
    reason: Reason | None = None
    refused: str = ""


NOTHING = Said()


class Follower:
    """The log of one container of one pod. said: the last words of a failed verb in it."""

    def __init__(self, api: Api, pod: str, container: str) -> None:
        self._api = api
        self._pod = pod
        self._container = container
        self._last: datetime | None = None
        self._seen: dict[str, datetime] = {}
        self.said = NOTHING

    def events(self) -> list[Mapping[str, Any]] | None:
        """The new events; None if the log is not available now."""
        lines = self.lines()
        return None if lines is None else [event for line in lines if (event := event_in(line)) is not None]

    def lines(self) -> list[str] | None:
        """The new lines; None if the log is not available now."""
        since = None if self._last is None else self._last - _OVERLAP
        text = self._api.log(self._pod, self._container, None if since is None else f"{since:%Y-%m-%dT%H:%M:%SZ}")
        if text is None:
            return None
        found = list(self._new(text))
        self.said = said_in(found, self.said)
        return found

    def _new(self, text: str) -> Iterator[str]:
        for stamped in text.splitlines():
            stamp, _, line = stamped.partition(" ")
            moment = _moment(stamp)
            if moment is None or stamped in self._seen:
                continue
            self._seen[stamped] = moment
            self._last = max(self._last or moment, moment)
            yield line
        if self._last is not None:
            border = self._last - 2 * _OVERLAP
            self._seen = {stamped: moment for stamped, moment in self._seen.items() if moment >= border}


def said_in(lines: Iterable[str], before: Said = NOTHING) -> Said:
    """The last words of a failed verb, or of a driver, in the lines of a log; `before` where they have none."""
    sentence, reason, refused = before.sentence, before.reason, before.refused
    for line in lines:
        if line.strip().startswith(_PREFIX):
            sentence = line.strip().removeprefix(_PREFIX)
        elif (event := event_in(line)) is not None and event["event"] == VERB_FAILED:
            reason = reason_named(event.get("reason"))
        elif (found := _REFUSED.search(line)) is not None:
            refused = found[1]
    return Said(sentence, reason, refused)


def event_in(line: str) -> Mapping[str, Any] | None:
    """The event that a line of a log is; None where it is none."""
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def _moment(stamp: str) -> datetime | None:
    """The time before a line, to the microsecond; its nanoseconds are in the text that is compared."""
    try:
        return datetime.fromisoformat(stamp).astimezone(UTC)
    except ValueError:
        return None
