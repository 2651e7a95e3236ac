"""Where training, calibration and test begin and end: by time, never at random.

`jobs.training.train` creates the windows once, from the configuration and `as_of`; the engines read them. All days are
local days in the table's time zone; every window is half-open, [start, end).
"""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from ratchet.errors import ConfigurationError

_PERIOD = re.compile(r"([1-9][0-9]{0,3})(d|w|mo)")


@dataclass(frozen=True)
class Period:
    """A length of time on the calendar: a number of days (`31d`), weeks (`4w`) or months (`1mo`)."""

    number: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> "Period":
        """Parse `31d`, `4w` or `1mo`; raises ValueError with the accepted forms."""
        match = _PERIOD.fullmatch(text)
        if match is None:
            message = f"{text!r} is no period: a number from 1 to 9999 and d, w or mo is, such as 31d, 4w or 1mo"
            raise ValueError(message)
        return cls(int(match[1]), match[2])

    def before(self, day: date) -> date:
        """The day one period before `day`; the 31st becomes the last day of a shorter month.

        Raises ConfigurationError if that is before the calendar begins.
        """
        try:
            if self.unit == "mo":
                months = day.year * 12 + day.month - 1 - self.number
                year, month = divmod(months, 12)
                return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
            return day - timedelta(days=self.number * (7 if self.unit == "w" else 1))
        except (ValueError, OverflowError, calendar.IllegalMonthError) as error:
            message = f"a window of {self.number}{self.unit} before {day} begins before the year 1: take a shorter one"
            raise ConfigurationError(message) from error


@dataclass(frozen=True)
class Window:
    """The days from `start` (None: the first row) to `end`, exclusive.

    known_by: the day by whose beginning a row's label must be known to count; None: whenever it became known. all_rows:
    rows count whether or not their label is known.
    """

    name: str
    start: date | None
    end: date
    known_by: date | None = None
    all_rows: bool = False

    def __str__(self) -> str:
        last = self.end - timedelta(days=1)
        return f"{self.name} window {f'up to {last}' if self.start is None else f'{self.start} to {last}'}"


@dataclass(frozen=True)
class Windows:
    """The three windows of a run, one after the other; between them may be a gap, in which labels become known."""

    train: Window
    calibration: Window
    test: Window

    @property
    def as_of(self) -> date:
        return self.test.end

    @property
    def whole(self) -> Window:
        """All days of the three windows: the training window of a refitted model."""
        return Window("training", self.train.start, self.test.end)

    def in_memory(self, *, refit: bool) -> tuple[Window, ...]:
        """The windows in memory at the same time where most are: during the refit all rows and the test rows."""
        return (self.whole, self.test) if refit else tuple(self)

    def __iter__(self) -> Iterator[Window]:
        return iter((self.train, self.calibration, self.test))


def windows_until(
    as_of: date, test: Period, calibration: Period, train: Period | None, gap: Period | None = None
) -> Windows:
    """Lay out the windows backwards from `as_of`: the test window ends there, preceded by calibration and training.

    gap: between two windows, so that a label of the earlier one was known when the later one began. A row of it whose
    label became known later is none that a model of that day could have learnt from.
    """
    test_start = test.before(as_of)
    calibration_end = test_start if gap is None else gap.before(test_start)
    calibration_start = calibration.before(calibration_end)
    train_end = calibration_start if gap is None else gap.before(calibration_start)
    return Windows(
        Window("training", None if train is None else train.before(train_end), train_end, calibration_start),
        Window("calibration", calibration_start, calibration_end, test_start),
        Window("test", test_start, as_of),
    )
