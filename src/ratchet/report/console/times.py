"""Times as people read them, in UTC."""

from datetime import UTC, date, datetime, timedelta
from xml.etree.ElementTree import Element

from ratchet.report.console.elements import element

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_EPOCH = date(1970, 1, 1)


def day_of(number: int) -> str:
    """A day by its number since 1970: 23 Nov 2026."""
    day = _EPOCH + timedelta(days=number)
    return f"{day.day} {day:%b %Y}"


def moment(seconds: float) -> Element:
    """A Unix time: 23 Nov 2026, 04:10 UTC."""
    at = datetime.fromtimestamp(seconds, UTC)
    return element("time", f"{at.day} {at:%b %Y, %H:%M} UTC", datetime=at.isoformat(timespec="seconds"))


def ago(seconds: float) -> str:
    """How long ago, in its greatest unit: 3 days ago."""
    for length, unit in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"


def took(seconds: float | None) -> str:
    """A duration: 45 s, 12 min, 1 h 05 min; a dash if unknown."""
    if seconds is None:
        return "–"
    if seconds < _MINUTE:
        return f"{max(seconds, 0):.0f} s"
    minutes = int(seconds // _MINUTE)
    return f"{minutes} min" if seconds < _HOUR else f"{minutes // _MINUTE} h {minutes % _MINUTE:02d} min"
