"""The rows of one window in memory, for the scikit-learn engine: only its columns, only its days.

Batches are filtered as they arrive and copied to their final place, so the peak is one frame and a few batches. The
maximum number of rows is known in advance; allocated memory is not used until a row is written to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ratchet.core.windows import Window
from ratchet.io.table import reader
from ratchet.io.table.checks import ColumnFacts, WindowFacts
from ratchet.io.table.reader import OTHER, UNREADABLE, WINDOW
from ratchet.io.table.table import DAY, LABEL, EventTable

_LISTED = 10


@dataclass(frozen=True)
class Rows:
    """The rows of a window, and the facts about them for `io.table.checks`.

    frame: features (float64 with NaN, or categories of text), `LABEL` (bool) and `DAY` (int64).
    """

    frame: pd.DataFrame
    facts: WindowFacts


def load(table: EventTable, window: Window, columns: Sequence[str]) -> Rows:
    """Read a window's rows, in the order of the files and their rows, and count what `io.table.checks` judges.

    columns: names of features, or of other columns, which are read according to their type. Raises DataError for a
    file that can't be read, TemporaryError if the store does not respond; all other faults are in the facts.
    """
    most = sum(group.rows for file in table.files for group in file.row_groups if group.touches(window))
    names = [name for name in dict.fromkeys(columns) if name != table.settings.label.column]
    stock: dict[str, _Column] = {
        name: _Numbers(name, most) if reader.as_number(table, name) else _Categories(name, most) for name in names
    }
    label, day = _Labels(most), np.empty(most, dtype=np.int64)
    rows = bad = 0
    for batch in reader.batches(table, reader.pieces(table, [window]), [window], names):
        readable = batch.column(WINDOW).to_numpy() != UNREADABLE
        bad += int((~readable).sum())
        part = batch if readable.all() else batch.filter(pa.array(readable))
        for name, column in stock.items():
            column.put(rows, part.column(name))
        label.put(rows, part.column(LABEL), part.column(OTHER))
        day[rows : rows + part.num_rows] = part.column(DAY).to_numpy()
        rows += part.num_rows
    frame = pd.DataFrame(
        {name: column.series(rows) for name, column in stock.items()} | {LABEL: label.mask[:rows], DAY: day[:rows]},
        copy=False,
    )
    pa.default_memory_pool().release_unused()
    about = tuple(_facts(stock[name].facts(rows), rows, table) for name in names if name in table.features)
    return Rows(frame, WindowFacts(window, rows, label.positives, label.nulls, label.most_frequent(), bad, about))


def of_both_classes(frame: pd.DataFrame, number: int) -> pd.DataFrame:
    """At most so many rows of each class of a frame, from its beginning to its end, in their order."""
    places = [np.flatnonzero(frame[LABEL].to_numpy() == value) for value in (False, True)]
    chosen = [each[np.linspace(0, len(each) - 1, min(number, len(each))).astype(int)] for each in places]
    return frame.iloc[np.sort(np.concatenate(chosen))]


def _facts(of: ColumnFacts, rows: int, table: EventTable) -> ColumnFacts:
    """Those of a raw feature don't tell of its values."""
    return replace(of, distinct=None, constant=of.missing == rows) if of.name in table.raw else of


class _Column(Protocol):
    """A column that is filled batch by batch."""

    def put(self, begin: int, part: pa.Array) -> None: ...

    def series(self, rows: int) -> Any: ...

    def facts(self, rows: int) -> ColumnFacts: ...


class _Numbers:
    """float64, NaN where missing."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._values = np.empty(most, dtype=np.float64)

    def put(self, begin: int, part: pa.Array) -> None:
        self._values[begin : begin + len(part)] = part.fill_null(np.nan).to_numpy()

    def series(self, rows: int) -> npt.NDArray[np.float64]:
        return self._values[:rows]

    def facts(self, rows: int) -> ColumnFacts:
        values = self._values[:rows]
        missing = int(np.isnan(values).sum())
        if missing == rows:
            return ColumnFacts(self._name, missing, 0, None, constant=True)
        # fmin and fmax ignore NaN and also show whether any value is infinite.
        low, high = float(np.fmin.reduce(values)), float(np.fmax.reduce(values))
        infinite = int(np.isinf(values).sum()) if np.isinf(low) or np.isinf(high) else 0
        return ColumnFacts(self._name, missing, infinite, None, constant=low == high and not missing)


class _Categories:
    """pandas categories of text, sorted, so that their order does not depend on the order of the rows."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._codes = np.empty(most, dtype=np.int32)
        self._known: dict[str, int] = {}

    def put(self, begin: int, part: pa.Array) -> None:
        codes = [self._known.setdefault(text, len(self._known)) for text in part.dictionary.to_pylist()]
        places = part.indices.fill_null(-1).to_numpy()
        self._codes[begin : begin + len(part)] = np.array([*codes, -1], dtype=np.int32)[places]

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
    """Whether each row is positive, and the counts of the other values."""

    def __init__(self, most: int) -> None:
        self.mask = np.empty(most, dtype=np.bool_)
        self.nulls = self.positives = 0
        self._others: dict[str, int] = {}

    def put(self, begin: int, part: pa.Array, others: pa.Array) -> None:
        self.mask[begin : begin + len(part)] = part.fill_null(False).to_numpy(zero_copy_only=False)
        self.nulls += part.null_count
        self.positives += part.true_count
        for value in others.drop_null().value_counts().to_pylist():
            self._others[value["values"]] = self._others.get(value["values"], 0) + value["counts"]

    def most_frequent(self) -> dict[str, int]:
        """The most frequent other values with their counts."""
        ranked = sorted(self._others.items(), key=lambda item: (-item[1], item[0]))
        return dict(ranked[:_LISTED])


def _smallest(distinct: int) -> npt.DTypeLike:
    return next(kind for kind in (np.int8, np.int16, np.int32) if distinct <= np.iinfo(kind).max)
