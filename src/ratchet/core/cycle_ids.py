"""The id of a cycle or a watch; it names the runs and, on a cluster, the objects of the cycle."""

import hashlib
import re
import secrets
from datetime import UTC, date, datetime

from ratchet.errors import ConfigurationError

WATCHED = "retrain-watched-"


def new(verb: str = "retrain") -> str:
    """An id made from the time and two random letters, which separate cycles that begin in the same second."""
    return f"{verb}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(1)}"


def from_watch(model: str, newest: date) -> str:
    """The id of the cycle that a watch starts for a model: one per newest day, however often it is watched."""
    return f"{WATCHED}{newest:%Y%m%d}-{hashlib.sha256(model.encode()).hexdigest()[:6]}"


def from_slot(scheduled: str, verb: str = "retrain") -> str:
    """The id of a schedule slot, from its due time: a slot that fires twice is one cycle.

    scheduled: a time in ISO 8601 with its zone. Raises ConfigurationError for anything else.
    """
    try:
        due = datetime.fromisoformat(scheduled)
    except ValueError as error:
        message = f"the slot {scheduled!r} of the cycle's Job is no time in ISO 8601"
        raise ConfigurationError(message) from error
    # In UTC, because a clock that is set back shows the same hour twice, and those are two slots.
    return f"{verb}-{due.astimezone(UTC):%Y%m%d-%H%M}"


def checked(cycle: str, given_by: str = "--cycle") -> str:
    """Return the id; raises ConfigurationError if it is no valid name for an object of a cluster.

    given_by: the source of the id, for the message.
    """
    if not re.fullmatch(r"[a-z]([-a-z0-9]{0,44}[a-z0-9])?", cycle):
        message = (
            f"{given_by} {cycle!r}: an id begins with a letter and has at most 46 lower-case letters, digits, hyphens"
        )
        raise ConfigurationError(message)
    return cycle
