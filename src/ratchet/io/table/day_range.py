"""The day range of a file, found by reading its timestamps; and the error message if they can't be read.

Needed for CSV, for timestamps as text, and for Parquet without statistics.
"""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratchet.errors import DataError
from ratchet.io.table.clock import FIRST_YEAR, LAST_YEAR, Clock, is_text

_EPOCH = re.compile(r"^'[0-9]{9,19}(\.[0-9]+)?'$")


@dataclass(frozen=True)
class Timestamps:
    """The column with the timestamps, and the clock that reads it."""

    column: str
    clock: Clock


@dataclass
class Reach:
    """Grows batch by batch. first, last, slack: as in a RowGroup. wrong: the first row without a valid timestamp."""

    timestamps: Timestamps
    rows: int = 0
    first: int | None = None
    last: int | None = None
    slack: int = 0
    bad_rows: int = 0
    wrong: tuple[int, object] | None = None

    def __post_init__(self) -> None:
        self._kind: pa.DataType = pa.string()

    def add(self, column: pa.Array) -> None:
        """Add the next timestamps, as they are in the file."""
        days, bad = self.timestamps.clock.days(column)
        self._kind = column.type
        if bad.any():
            place = int(bad.argmax())
            self.wrong = self.wrong or (self.rows + place + 1, _shown(column, place))
            self.bad_rows += int(bad.sum())
            days, column = days[~bad], column.filter(pa.array(~bad))
        self.rows += len(bad)
        if len(days):
            first, last = int(days.min()), self._last(column, days)
            self.slack = max(self.slack, int(days.max()) - last)
            self.first = first if self.first is None else min(first, self.first)
            self.last = last if self.last is None else max(last, self.last)

    def _last(self, column: pa.Array, days: npt.NDArray[np.int64]) -> int:
        """The day of the newest instant, which is not the last day if the clock was set back over midnight."""
        if is_text(column.type) or pa.types.is_dictionary(column.type):
            return int(days.max())
        newest, _ = self.timestamps.clock.days(pa.array([pc.max(column)], column.type))
        return int(newest[0])

    def check(self, where: str) -> None:
        """Raise DataError if a row has no valid timestamp; where: the file's address."""
        if self.wrong is None:
            return
        row, value = self.wrong
        clock = self.timestamps.clock
        how, hint = clock.words(is_text(self._kind)), ""
        if clock.form is None and clock.unit is None and is_text(self._kind):
            epoch = _EPOCH.search(str(value)) is not None
            hint = "; an epoch needs data.timestamp_unit" if epoch else "; other text needs data.timestamp_format"
        rows = "1 row" if self.bad_rows == 1 else f"{self.bad_rows:,} rows"
        message = (
            f"the timestamp column {self.timestamps.column!r} of {where} is missing or can't be read{how} in {rows} "
            f"(the years {FIRST_YEAR} to {LAST_YEAR} are accepted); row {row:,} has {value}{hint}"
        )
        raise DataError(message)


def _shown(column: pa.Array, place: int) -> str:
    """A value as text; not via Python's datetimes, which end in 9999 and have no nanoseconds."""
    if not column[place].is_valid:
        return "none"
    try:
        return repr(column.slice(place, 1).cast(pa.string())[0].as_py())
    except pa.ArrowException:  # an unknown zone
        return repr(column[place].value)
