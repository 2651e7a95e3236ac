"""Moments as records have them."""

from datetime import UTC, datetime


def now() -> str:
    """The present moment in ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
