"""How far the timestamps of each file reach, where no footer says it: found by reading that one column.

`io.data.inspect` calls it for CSV, for text, and for Parquet without statistics; it is also where timestamps that
can't be read are found.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from ratchet.core.windows import Window
from ratchet.errors import DataError
from ratchet.io import delimited, parquet
from ratchet.io.table import File, RowGroup, Table


def batches(table: Table, window: Window | None, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Rows of a table of either format, in order, at least those of the window (None: all)."""
    reader = parquet.batches if table.format == "parquet" else delimited.batches
    return reader(table, window, columns)


def with_reach(table: Table, file: File) -> File:
    """The file with first and last day in all of its row groups. Raises DataError for timestamps that can't be read."""
    if file.row_groups and all(group.first_day is not None for group in file.row_groups if group.rows):
        return file
    rows, first, last, bad_rows = 0, [], [], 0
    seal = hashlib.sha256()
    for batch in batches(replace(table, files=(file,)), None, [table.settings.timestamp]):
        days, bad = table.clock.days(batch.column(0))
        seal.update(days.tobytes())
        rows += len(days)
        bad_rows += int(bad.sum())
        if not bad.all():
            first.append(int(days[~bad].min()))
            last.append(int(days[~bad].max()))
    if bad_rows:
        raise DataError(_unreadable(table, file, bad_rows))
    groups = file.row_groups or (RowGroup(rows, None, None, file.size),)
    reached = tuple(
        replace(group, first_day=min(first, default=None), last_day=max(last, default=None)) for group in groups
    )
    return replace(file, rows=rows, row_groups=reached, fingerprint=file.fingerprint or seal.hexdigest())


def _unreadable(table: Table, file: File, rows: int) -> str:
    settings = table.settings
    how = "as text in ISO 8601" if settings.timestamp_unit is None else f"as an epoch in {settings.timestamp_unit}"
    where = parquet.address(table.store, file.path)
    return f"the timestamp column {settings.timestamp!r} of {where} is missing or can't be read {how} in {rows:,} rows"
