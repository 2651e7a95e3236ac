"""Weeks counted back from the end of the test window; sums over them even out the days of the week."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np

from ratchet.core.evaluation.counts import Bools, Floats, Ints, day_number, day_of
from ratchet.core.gate.day_counts import DayCounts, oldest_day
from ratchet.core.windows import Windows

DAYS = 7


@dataclass(frozen=True)
class Span:
    """Some consecutive days in a window, named after it. last: inclusive."""

    window: str
    first: date
    last: date

    def __str__(self) -> str:
        if self.first == self.last:
            return f"on {self.first} ({self.window} window)"
        return f"from {self.first} to {self.last} ({self.window} window)"


class Weeks:
    """The weeks of the windows, in order. Days before the oldest one counted by itself are in none.

    end: the number of the day after the last one. oldest: of the first day that is counted by itself.
    """

    def __init__(self, counts: DayCounts, windows: Windows) -> None:
        self.counts, self._windows = counts, windows
        self.end = day_number(windows.as_of)
        self.oldest = max(oldest_day(windows), int(counts.day[0]))
        self._number = max((self.end - self.oldest) // DAYS, 1)
        place = self._number - 1 - (self.end - 1 - counts.day) // DAYS
        self._kept = place >= 0
        self._place = place[self._kept]

    def sums(self, by_day: Ints | Floats) -> Floats:
        """Sums by week of an array with one element for each of the counts' days."""
        return np.bincount(self._place, by_day[self._kept], self._number)

    @cached_property
    def rows(self) -> Floats:
        return self.sums(self.counts.rows)

    @cached_property
    def judged(self) -> Bools:
        """Whether a week has days of the calibration or the test window; the others are the history."""
        assert self._windows.calibration.start is not None  # noqa: S101
        return self._first + DAYS > day_number(self._windows.calibration.start)

    @cached_property
    def whole(self) -> Bools:
        """Whether all days of a week lie in a window, and none in a gap between two."""
        return np.array([all(self.window_of(first + day) for day in range(DAYS)) for first in self._first.tolist()])

    def span(self, week: int) -> Span:
        """The days of a week, in the window of its last one."""
        first = int(self._first[week])
        return Span(self.window_of(first + DAYS - 1), day_of(first), day_of(first + DAYS - 1))

    def days_of(self, first: int, last: int) -> Span:
        """The span of some days, by their numbers; in the window of the last one."""
        return Span(self.window_of(last), day_of(first), day_of(last))

    def is_judged(self, day: int) -> bool:
        """Whether a day lies in the calibration or the test window."""
        return self.window_of(day) in ("calibration", "test")

    @cached_property
    def judged_days(self) -> Bools:
        """`is_judged` of each of the counts' days."""
        return np.array([self.is_judged(day) for day in self.counts.day.tolist()])

    @property
    def _first(self) -> Ints:
        return self.end - DAYS * np.arange(self._number, 0, -1)

    def window_of(self, day: int) -> str:
        """The name of the window that a day lies in; empty if it lies in none."""
        return next((name for name, first, end in self._windows_by_number if first <= day < end), "")

    @cached_property
    def _windows_by_number(self) -> list[tuple[str, int, int]]:
        first = int(self.counts.day[0])
        return [
            (window.name, first if window.start is None else day_number(window.start), day_number(window.end))
            for window in self._windows
        ]
