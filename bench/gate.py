"""What the gate says of the flights on every possible end of a test window, and of faults that are put into them.

Ends run from the first with a month of training to the end of the year; windows as by default. A fault is put into the
newest days of every 28th end, for which the gate says nothing of that check without it.

Usage: python -m bench.gate [ADDRESS], which takes about a minute on one core.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial

import numpy as np
import pandas as pd

from ratchet import configuration
from ratchet.core.evaluation.counts import Bools, day_number
from ratchet.core.gate.day_counts import DayCounts, NumberDays, TextDays
from ratchet.core.gate.findings import CHECKS, Finding
from ratchet.core.gate.rules import judge
from ratchet.core.gate.weeks import Weeks
from ratchet.core.windows import Period, Window, Windows, windows_until
from ratchet.engines.sklearn.day_counts import by_day
from ratchet.engines.sklearn.features import Hashes, counted, hashes
from ratchet.io.table import inspection
from ratchet.io.table.inspection import DAY, EventTable
from ratchet.settings.data import Checks

MONTH = Period(1, "mo")
FIRST, LAST = date(2013, 4, 1), date(2014, 1, 1)
EVERY = 28
TOUCHED = 28


@dataclass(frozen=True)
class Rows:
    """Rows of a table, in the order of their days, and their hashes."""

    frame: pd.DataFrame
    hashed: Hashes

    def selected(self, kept: "pd.Series[bool] | np.ndarray") -> "Rows":
        """Some of the rows."""
        return Rows(self.frame[kept], self.hashed[np.asarray(kept)])

    def twice(self, kept: "pd.Series[bool] | np.ndarray") -> "Rows":
        """All rows, and some of them once more."""
        again = self.selected(kept)
        return Rows(pd.concat([self.frame, again.frame]), np.concatenate([self.hashed, again.hashed]))

    def within(self, window: Window) -> "Rows":
        """The rows of a window."""
        day = self.frame[DAY]
        start = int(day.min()) if window.start is None else day_number(window.start)
        return self.selected((day >= start) & (day < day_number(window.end)))


class Played:
    """The table, counted by day as the gate does, and anew only where a fault was put in."""

    def __init__(self, rows: Rows, table: EventTable) -> None:
        self._rows, self._table = rows, table
        self._texts = replace(table, numeric=())
        self._whole: dict[str, DayCounts] = {}

    def found(self, windows: Windows, inject: Callable[[Rows], Rows] | None = None) -> list[Finding]:
        """What the gate finds. inject: puts a fault into the newest days."""
        end = day_number(windows.as_of)
        known = counted(self._rows.within(windows.train).frame, self._texts)
        key = str([sorted(map(str, one.by_value)) for one in known])
        if key not in self._whole:
            self._whole[key] = by_day(self._rows.frame, self._rows.hashed, self._table, known, 0)
        whole = self._whole[key]
        if inject is None:
            return judge(Weeks(selected(whole, whole.day < end), windows))
        day = self._rows.frame[DAY]
        newest = inject(self._rows.selected((day >= end - TOUCHED) & (day < end)))
        parts = [selected(whole, whole.day < end - TOUCHED)]
        parts.append(by_day(newest.frame, newest.hashed, self._table, known, 0))
        return judge(Weeks(DayCounts.together(parts), windows))


def selected(counts: DayCounts, kept: Bools) -> DayCounts:
    """Some days."""
    return DayCounts(
        counts.day[kept],
        counts.rows[kept],
        counts.positives[kept],
        counts.distinct[kept],
        {name: NumberDays(*(each[kept] for each in vars(one).values())) for name, one in counts.numbers.items()},
        {name: TextDays(*(each[kept] for each in vars(one).values())) for name, one in counts.texts.items()},
    )


def half_gone(rows: Rows, end: int, days: int) -> Rows:
    """Half of the rows of the newest days are lost."""
    kept = np.random.default_rng(0).integers(2, size=len(rows.frame)) == 1
    return rows.selected((rows.frame[DAY].to_numpy() < end - days) | kept)


def one_day_gone(rows: Rows, end: int, days: int) -> Rows:
    """One day has no rows."""
    return rows.selected(rows.frame[DAY].to_numpy() != end - days)


def loaded_twice(rows: Rows, end: int, days: int) -> Rows:
    """The rows of the newest days are there twice."""
    return rows.twice(rows.frame[DAY].to_numpy() >= end - days)


def changed(name: str, change: Callable[["pd.Series"], object]) -> Callable[[Rows, int, int], Rows]:
    """The values of a feature differ in the newest days."""

    def changing(rows: Rows, end: int, days: int) -> Rows:
        frame = rows.frame.copy(deep=False)
        column = frame[name].astype(object) if frame[name].dtype == "category" else frame[name].copy()
        newest = frame[DAY] >= end - days
        column[newest] = change(column[newest])
        frame[name] = column.astype("category") if column.dtype == object else column
        return Rows(frame, rows.hashed)

    return changing


type Fault = Callable[[Rows, int, int], Rows]
FAULTS: Mapping[str, tuple[str, Fault, Sequence[int]]] = {
    "half of the rows gone": ("rows", half_gone, (7, 5)),
    "one day without rows": ("days", one_day_gone, (1, 20)),
    "a file loaded twice": ("duplicates", loaded_twice, (1, 7)),
    "`distance` all null": ("missing", changed("distance", lambda _: np.nan), (1, 2, 10)),
    "`wind_gust`, 76 % missing, all null": ("missing", changed("wind_gust", lambda _: np.nan), (2, 7, 21)),
    "`distance` in metres, then feet": ("range", changed("distance", lambda column: column * 3.28), (1, 3, 4, 7)),
    "`temperature` in °C, not °F": ("range", changed("temperature", lambda c: (c - 32) / 1.8), (1, 3, 7)),
    "`wind_speed` in km/h, not mph": ("range", changed("wind_speed", lambda column: column * 1.609), (3, 7)),
    "carrier UA (18 %) renamed": ("unseen", changed("carrier", lambda c: c.replace("UA", "United")), (1, 3, 7)),
    "carrier VX (2 %) renamed": ("unseen", changed("carrier", lambda c: c.replace("VX", "Virgin")), (1, 7, 14)),
}
"""The check that is to find it, what it does to rows, and on how many of the newest days."""


def level(findings: Sequence[Finding], check: str) -> str:
    """The strongest that is found by a check."""
    own = [one.severe for one in findings if one.check == check]
    return "nothing" if not own else "severe" if any(own) else "told"


def months(ends: Mapping[date, list[Finding]]) -> Iterator[str]:
    """A line by check: on how many ends something is told, or severe; and on ends of months."""
    number = sum(end.day == 1 for end in ends)
    yield f"| check | default | told, of {len(ends)} ends | severe | told, of {number} months | severe |"
    yield "|---|---|---|---|---|---|"
    for check in CHECKS:
        every = Counter(level(one, check) for one in ends.values())
        of_months = Counter(level(one, check) for end, one in ends.items() if end.day == 1)
        numbers = [counter[kind] for counter in (every, of_months) for kind in ("told", "severe")]
        yield f"| `{check}` | {getattr(Checks(), check)} | " + " | ".join(map(str, numbers)) + " |"


def main() -> None:
    """Print the tables."""
    settings = configuration.load("dev", [f"data.uri={sys.argv[1]}"] if sys.argv[1:] else [])
    table = inspection.inspect(settings.data)
    frame = inspection.load(table, Window("all", None, table.end), table.features).frame
    rows = Rows(frame, hashes([frame], table.features)[0])
    played, ends = Played(rows, table), {}
    for number in range((LAST - FIRST).days + 1):
        windows = windows_until(FIRST + timedelta(days=number), MONTH, MONTH, None)
        ends[windows.as_of] = played.found(windows)
    print("\n".join(months(ends)))
    said = Counter((one.severe, one.sentence("flights")) for each in ends.values() for one in each)
    for (severe, sentence), number in said.items():
        print(f"{number} ends, {'severe' if severe else 'told'}: {sentence}")
    print("\n| fault | newest days | refused or severe | told | of |\n|---|---|---|---|---|")
    for fault, (_, _, lengths) in FAULTS.items():
        for days in lengths:
            print(line(fault, days, played, ends))


def line(fault: str, days: int, played: Played, ends: Mapping[date, list[Finding]]) -> str:
    """How often a fault is found."""
    check, inject, _ = FAULTS[fault]
    quiet = [end for end in list(ends)[::EVERY] if level(ends[end], check) != "severe"]
    counter: Counter[str] = Counter()
    for end in quiet:
        told = played.found(windows_until(end, MONTH, MONTH, None), partial(inject, end=day_number(end), days=days))
        counter[level([one for one in told if one not in ends[end]], check)] += 1
    return f"| {fault} | {days} | {counter['severe']} | {counter['told']} | {len(quiet)} |"


if __name__ == "__main__":
    main()
