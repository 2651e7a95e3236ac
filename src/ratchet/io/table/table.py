"""The facts about a table that are known before its rows are read.

`io.table.inspection.inspect` returns an `EventTable`, `io.table.scoring_table.inspect` a `ScoringTable`. Reading rows
takes what the two have in common, a `Table`.
"""

from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from ratchet.core.evaluation.counts import day_number
from ratchet.core.windows import Window
from ratchet.io.table.clock import Clock
from ratchet.io.table.files.filesystem import Store
from ratchet.settings import Csv, Data

LABEL = "__ratchet_label__"
"""Name of the label in a frame read by `io.table.inspection`: True is the positive class."""
DAY = "__ratchet_day__"
"""Name of the local day in such a frame: days since 1970-01-01."""


@dataclass(frozen=True)
class RowGroup:
    """Consecutive rows of a file: their number, the local days of first and last instant, the bytes of their text.

    The days are None if unknown. slack: by how many days a row may lie outside them, because the clock was set back
    over midnight.
    """

    rows: int
    first_day: int | None
    last_day: int | None
    text_bytes: int
    slack: int = 0

    def touches(self, window: Window) -> bool:
        """Whether it may have rows of the window."""
        if self.first_day is None or self.last_day is None:
            return True
        begins_before = self.first_day - self.slack < day_number(window.end)
        return begins_before and (window.start is None or self.last_day + self.slack >= day_number(window.start))


@dataclass(frozen=True)
class Deletes:
    """The location of a list of a file's deleted rows: a bitmap in another file, or inline, or a file of positions.

    path: in its filesystem. offset: of a bitmap, in bytes. inline: a bitmap, hexadecimal. data_file: the name of the
    file with the rows in a file of positions.
    """

    path: str = ""
    offset: int | None = None
    inline: str = ""
    data_file: str = ""


@dataclass(frozen=True)
class File:
    """A file of the table. path: in its filesystem. rows: without deleted ones; None: not counted."""

    path: str
    size: int
    rows: int | None
    row_groups: tuple[RowGroup, ...] = ()
    partitions: tuple[tuple[str, str | None], ...] = ()
    """Names and values in the path (`year=2013`), which are also columns."""
    columns: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()
    """The names of the columns within this file."""
    types: tuple[pa.DataType, ...] = ()
    """The types of the columns within this file, which may differ between files; empty for CSV, where all is text."""
    unnamed: tuple[str, ...] = ()
    """Names that pandas generated for an unnamed index; such columns are left out."""
    deletes: tuple[Deletes, ...] = ()
    fingerprint: str = ""
    """The hash of a Parquet file's footer, or of a whole CSV file; it changes with the content."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that was inspected, not read: its files, columns and features.

    schema: the columns that can be read. csv: the dialect of its files if `format` is csv. numeric, categorical, raw:
    the names of the features; raw ones are text that is neither coded nor counted, for a team's own estimator.
    """

    store: Store
    format: str
    files: tuple[File, ...]
    schema: pa.Schema
    csv: Csv
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    raw: tuple[str, ...]
    booleans: frozenset[str]
    """The categorical features whose text is `true` or `false`, however the files write that."""
    remarks: tuple[str, ...]
    """Warnings for users that need not stop a run."""

    @property
    def uri(self) -> str:
        return self.store.uri

    @property
    def features(self) -> tuple[str, ...]:
        return self.numeric + self.texts

    @property
    def texts(self) -> tuple[str, ...]:
        """The features that a model gets as text."""
        return self.categorical + self.raw


@dataclass(frozen=True, kw_only=True)
class EventTable(Table):
    """A table of labelled events, for training and watching.

    schema: the columns of the files; those in paths (`year=2013/`) only if a setting names them. settings: its label
    and timestamp. clock: reads the timestamps. end: the local day after the last row's. version: of a Delta or Iceberg
    table, in words.
    """

    settings: Data
    clock: Clock
    end: date
    version: str | None

    @property
    def entities(self) -> tuple[str, ...]:
        """The column of `data.entity`; empty without it."""
        return () if self.settings.entity is None else (self.settings.entity,)


@dataclass(frozen=True, kw_only=True)
class ScoringTable(Table):
    """A table to score: its features are a model's inputs. schema: all columns, including those in paths."""

    @property
    def rows(self) -> int:
        return sum(file.rows or 0 for file in self.files)
