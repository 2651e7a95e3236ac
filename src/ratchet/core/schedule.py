"""How often a cycle is due, from the schedule of its CronJob; used by the exporter."""

import re
from datetime import datetime, timedelta
from itertools import islice, pairwise, takewhile

from cronsim import CronSim, CronSimError

_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = re.compile(r"@every (?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
# The range examined: more than a year of days, or the first thousand due times if they are closer together.
_BEGIN = datetime(2024, 1, 1)  # noqa: DTZ001  # what a clock on the wall shows
_DAYS = 400
_MOST = 1000


def longest_pause(schedule: str) -> timedelta | None:
    """The longest time between two due times of a schedule in Kubernetes' syntax; None if it is invalid.

    In wall-clock time, so the time zone does not matter: in the night when clocks are set back a daily cycle is an hour
    later, but still daily.
    """
    text = schedule.strip()
    if every := _EVERY.fullmatch(text):
        hours, minutes, seconds = (int(part or 0) for part in every.groups())
        return timedelta(hours=hours, minutes=minutes, seconds=seconds) or None
    try:
        due = CronSim(_NAMED.get(text, text).replace("?", "*"), _BEGIN)
        first = [*islice(due, 2)]
        more = takewhile(lambda at: at <= _BEGIN + timedelta(days=_DAYS), islice(due, _MOST))
        return max((later - earlier for earlier, later in pairwise([*first, *more])), default=None)
    except CronSimError:
        return None
