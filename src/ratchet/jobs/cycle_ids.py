"""The id of a cycle: it names the runs and, on a cluster, the objects of the cycle."""

import re
import secrets
from datetime import UTC, datetime

from ratchet.errors import ConfigurationError


def new() -> str:
    """An id made from the time, and two random letters, for cycles that begin in one second."""
    return f"retrain-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(1)}"


def checked(cycle: str) -> str:
    """The same id; raises ConfigurationError where it could not name an object of a cluster."""
    if not re.fullmatch(r"[a-z]([-a-z0-9]{0,50}[a-z0-9])?", cycle):
        message = (
            f"--cycle {cycle!r}: an id begins with a letter and has at most 52 lower-case letters, digits, hyphens"
        )
        raise ConfigurationError(message)
    return cycle
