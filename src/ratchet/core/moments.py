"""Times as written to records."""

from datetime import UTC, datetime


def now() -> str:
    """The current time in ISO 8601, in milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
