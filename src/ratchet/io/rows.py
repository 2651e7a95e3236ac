"""The rows of one window in memory, for the scikit-learn engine: only its columns, only its days.

Batches are cut to the window as they arrive and put straight into their final place, so the peak is one frame and the
batches on their way. How many rows can come is known before; memory that no row touches is never taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ratchet.core.counts import day_number
from ratchet.core.windows import Window
from ratchet.errors import DataError
from ratchet.io.checks import ColumnFacts, WindowFacts
from ratchet.io.clock import is_text
from ratchet.io.columns import plain
from ratchet.io.labels import is_positive
from ratchet.io.reach import batches
from ratchet.io.table import DAY, LABEL, Table

_LISTED = 10


@dataclass(frozen=True)
class Rows:
    """A window that was read, and what it looks like to the rules of bad data.

    frame: features (float64 with NaN, or categories of text), `LABEL` (bool) and `DAY` (int64).
    """

    frame: pd.DataFrame
    facts: WindowFacts


def load(table: Table, window: Window, columns: Sequence[str]) -> Rows:
    """Read a window's rows, in the order of the files and of the rows in them, and count what `io.checks` judges.

    columns: names of features, or of other columns, which then come in the form that fits their type. Raises DataError
    for a file that can't be read, TemporaryError where the store does not answer; all else is in the facts.
    """
    most = sum(group.rows for file in table.files for group in file.row_groups if group.touches(window))
    names = [name for name in dict.fromkeys(columns) if name != table.settings.label.column]
    stock: dict[str, _Column] = {name: _column(table, name, most) for name in names}
    label, day = _Labels(table.settings.label.positive, most), np.empty(most, dtype=np.int64)
    rows, bad = _fill(table, window, stock, label, day)
    frame = pd.DataFrame(
        {name: column.series(rows) for name, column in stock.items()} | {LABEL: label.mask[:rows], DAY: day[:rows]},
        copy=False,
    )
    pa.default_memory_pool().release_unused()
    about = tuple(stock[name].facts(rows) for name in names if name in table.features)
    return Rows(frame, WindowFacts(window, rows, label.positives, label.nulls, label.most_frequent(), bad, about))


class _Column(Protocol):
    """A column that is being filled, batch by batch."""

    def put(self, begin: int, part: pa.Array) -> None: ...

    def series(self, rows: int) -> Any: ...

    def facts(self, rows: int) -> ColumnFacts: ...


def _column(table: Table, name: str, most: int) -> _Column:
    """A column that only an existing version needs is a number where its type is one."""
    kind = plain(table.schema.field(name).type)
    number = name in table.numeric or (name not in table.features and not is_text(kind))
    return _Numbers(name, most) if number else _Categories(name, most)


def _fill(
    table: Table, window: Window, stock: dict[str, _Column], label: "_Labels", day: npt.NDArray[np.int64]
) -> tuple[int, int]:
    """Put the window's rows in their place; returns how many, and how many rows have no timestamp."""
    rows = bad_rows = 0
    for batch in batches(table, window, [*stock, table.settings.label.column, table.settings.timestamp]):
        days, bad = table.clock.days(batch.column(table.settings.timestamp))
        bad_rows += int(bad.sum())
        keep = _inside(days, window) & ~bad
        if not keep.all():
            batch, days = batch.filter(pa.array(keep)), days[keep]  # noqa: PLW2901  # only what is left counts
        for name, column in stock.items():
            column.put(rows, batch.column(name))
        label.put(rows, batch.column(table.settings.label.column))
        day[rows : rows + len(days)] = days
        rows += len(days)
    return rows, bad_rows


def _inside(days: npt.NDArray[np.int64], window: Window) -> npt.NDArray[np.bool_]:
    keep = days < day_number(window.end)
    return keep if window.start is None else keep & (days >= day_number(window.start))


class _Numbers:
    """float64, NaN where missing."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._values = np.empty(most, dtype=np.float64)

    def put(self, begin: int, part: pa.Array) -> None:
        try:
            floats = _decoded(part).cast(pa.float64(), safe=False)
        except pa.ArrowInvalid as error:
            message = f"the column {self._name!r} is no number: {str(error).splitlines()[0]}"
            raise DataError(message) from error
        self._values[begin : begin + len(part)] = floats.fill_null(np.nan).to_numpy(zero_copy_only=False)

    def series(self, rows: int) -> npt.NDArray[np.float64]:
        return self._values[:rows]

    def facts(self, rows: int) -> ColumnFacts:
        values = self._values[:rows]
        missing = int(np.isnan(values).sum())
        if missing == rows:
            return ColumnFacts(self._name, missing, 0, None, constant=True)
        # fmin and fmax pass over NaN, and tell at once whether anything is infinite.
        low, high = float(np.fmin.reduce(values)), float(np.fmax.reduce(values))
        infinite = int(np.isinf(values).sum()) if np.isinf(low) or np.isinf(high) else 0
        return ColumnFacts(self._name, missing, infinite, None, constant=low == high and not missing)


class _Categories:
    """pandas' categories of text, sorted, so that their order does not depend on the order of the rows."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._codes = np.empty(most, dtype=np.int32)
        self._known: dict[str, int] = {}

    def put(self, begin: int, part: pa.Array) -> None:
        texts, indices = _encoded(part)
        codes = [self._known.setdefault(text, len(self._known)) for text in texts.cast(pa.string()).to_pylist()]
        self._codes[begin : begin + len(part)] = np.array([*codes, -1], dtype=np.int32)[indices]

    def series(self, rows: int) -> pd.Categorical:
        names = sorted(self._known)
        rank = np.empty(len(names) + 1, dtype=_smallest(len(names)))
        rank[[self._known[name] for name in names]] = np.arange(len(names))
        rank[-1] = -1
        self._codes = rank[self._codes[:rows]]
        return pd.Categorical.from_codes(self._codes, categories=pd.Index(names, dtype=object))

    def facts(self, rows: int) -> ColumnFacts:
        missing, distinct = int((self._codes[:rows] < 0).sum()), len(self._known)
        return ColumnFacts(self._name, missing, 0, distinct, constant=distinct + bool(missing) <= 1)


class _Labels:
    """Whether a row is positive, and how often each other value occurs."""

    def __init__(self, positive: bool | float | str, most: int) -> None:
        self.mask = np.empty(most, dtype=np.bool_)
        self.nulls = self.positives = 0
        self._positive = positive
        self._others: dict[str, int] = {}

    def put(self, begin: int, part: pa.Array) -> None:
        values, indices = _encoded(part)
        texts = values.to_pylist()
        hits = np.array([*(is_positive(value, self._positive) for value in texts), False], dtype=np.bool_)
        self.mask[begin : begin + len(part)] = hits[indices]
        times = np.bincount(indices % (len(texts) + 1), minlength=len(texts) + 1).tolist()
        for value, hit, count in zip([*texts, None], hits, times, strict=True):
            self._count(value, int(count), hit=bool(hit))

    def _count(self, value: object, times: int, *, hit: bool) -> None:
        if hit:
            self.positives += times
        elif value is None or value != value:  # noqa: PLR0124  # NaN alone differs from itself
            self.nulls += times
        elif times:
            self._others[str(value)] = self._others.get(str(value), 0) + times

    def most_frequent(self) -> dict[str, int]:
        """The other values with their rows; of very many only the most frequent."""
        ranked = sorted(self._others.items(), key=lambda item: (-item[1], item[0]))
        return dict(ranked[:_LISTED])


def _encoded(part: pa.Array) -> tuple[pa.Array, npt.NDArray[np.int32]]:
    """Distinct values that occur, and where each row's stands among them; −1 where it is missing."""
    encoded = _decoded(part).dictionary_encode()
    return encoded.dictionary, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)


def _decoded(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _smallest(distinct: int) -> npt.DTypeLike:
    return next(kind for kind in (np.int8, np.int16, np.int32) if distinct <= np.iinfo(kind).max)
