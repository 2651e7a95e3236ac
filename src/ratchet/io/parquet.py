"""Parquet files: what their footers say, and their rows in order.

The footers are read all at once, in a few threads: they hold the columns, the rows and how far the timestamps reach,
which is what `io.data.inspect` needs. Only row groups that a window touches are read later.
"""

import functools
import hashlib
import io
import operator
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from ratchet.core.windows import Window
from ratchet.io.clock import Clock, is_text
from ratchet.io.columns import check_distinct, plain
from ratchet.io.store import Store, explained
from ratchet.io.table import File, RowGroup, Table

_THREADS = 16
_BATCH_ROWS = 65_536


def look(store: Store, paths: Sequence[tuple[str, int]], timestamp: str, clock: Clock) -> list[tuple[File, pa.Schema]]:
    """What each file's footer says; paths: with their sizes in bytes. Raises DataError, TemporaryError."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(lambda item: _look(store, item[0], item[1], timestamp, clock), paths))


def _look(store: Store, path: str, size: int, timestamp: str, clock: Clock) -> tuple[File, pa.Schema]:
    with explained(address(store, path)), store.filesystem.open_input_file(path) as handle:
        metadata = pq.read_metadata(handle)
        schema = metadata.schema.to_arrow_schema()
    check_distinct(schema.names, address(store, path))
    groups = _row_groups(metadata, schema, timestamp, clock)
    file = File(
        path,
        size,
        metadata.num_rows,
        groups,
        columns=tuple(schema.names),
        types=tuple(schema.types),
        fingerprint=_fingerprint(metadata),
    )
    return file, schema


def address(store: Store, path: str) -> str:
    """The address of a file, for a person."""
    return f"s3://{path}" if store.remote else path


def _fingerprint(metadata: pq.FileMetaData) -> str:
    footer = io.BytesIO()
    metadata.write_metadata_file(footer)
    return hashlib.sha256(footer.getbuffer()).hexdigest()


def _row_groups(metadata: pq.FileMetaData, schema: pa.Schema, timestamp: str, clock: Clock) -> tuple[RowGroup, ...]:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    if not groups:
        return ()
    place = {groups[0].column(index).path_in_schema: index for index in range(groups[0].num_columns)}
    text = [place[field.name] for field in schema if is_text(plain(field.type)) and field.name in place]
    days = _day_ranges(groups, place.get(timestamp), schema, timestamp, clock)
    return tuple(
        RowGroup(group.num_rows, first, last, sum(group.column(index).total_uncompressed_size for index in text))
        for group, (first, last) in zip(groups, days, strict=True)
    )


def _day_ranges(
    groups: Sequence[Any], place: int | None, schema: pa.Schema, timestamp: str, clock: Clock
) -> list[tuple[int, int] | tuple[None, None]]:
    """First and last local day of each row group; unknown in text, or where the footer is silent or tells of nulls."""
    unknown: list[tuple[int, int] | tuple[None, None]] = [(None, None)] * len(groups)
    if place is None or is_text(kind := plain(schema.field(timestamp).type)):
        return unknown
    columns = [group.column(place) for group in groups]
    told = [index for index, column in enumerate(columns) if _tells(column)]
    limits = [value for index in told for value in (columns[index].statistics.min, columns[index].statistics.max)]
    try:
        days, bad = clock.days(pa.array(limits, type=kind))
    except (pa.ArrowException, AssertionError, OverflowError):
        return unknown
    for position, index in enumerate(told):
        if not bad[2 * position] and not bad[2 * position + 1]:
            # A clock that is set back over midnight makes a later instant an earlier day: one day of slack.
            unknown[index] = (int(days[2 * position]), int(days[2 * position + 1]))
    return unknown


def _tells(column: Any) -> bool:
    statistics = column.statistics if column.is_stats_set else None
    return bool(
        statistics is not None and statistics.has_min_max and statistics.has_null_count and not statistics.null_count
    )


def batches(table: Table, window: Window | None, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Rows of the row groups that the window (None: everything) touches, file after file, in the files' own order.

    Raises DataError, with the file's name, for one that can't be read, TemporaryError where the store does not answer.
    """
    schema = pa.schema([table.schema.field(name) for name in dict.fromkeys(columns)])
    found = [(file, _fragment(table, file, window)) for file in table.files]
    parts = [(address(table.store, file.path), fragment) for file, fragment in found if fragment is not None]
    if not parts:
        return
    with explained(table.uri):
        try:
            yield from _scan(table, schema, [fragment for _, fragment in parts])
        except (OSError, pa.ArrowException):
            _find_broken(table, schema, parts)
            raise


def _scan(table: Table, schema: pa.Schema, fragments: Sequence[Any]) -> Iterator[pa.RecordBatch]:
    dataset = ds.FileSystemDataset(fragments, schema, ds.ParquetFileFormat(), table.filesystem)
    # From a disk one thread is as fast as several, which decode more row groups at once than anyone waits for; from a
    # bucket they hide the latency.
    yield from dataset.to_batches(
        batch_size=_BATCH_ROWS, batch_readahead=4, fragment_readahead=2, use_threads=table.store.remote
    )


def _find_broken(table: Table, schema: pa.Schema, parts: Sequence[tuple[str, Any]]) -> None:
    """Read one by one what could not be read together: Arrow does not say which file it was."""
    for where, fragment in parts:
        with explained(where):
            for _ in _scan(table, schema, [fragment]):
                pass


def _fragment(table: Table, file: File, window: Window | None) -> Any:
    touched = [index for index, group in enumerate(file.row_groups) if window is None or group.touches(window)]
    if not touched:
        return None
    known = [ds.field(name) == value for name, value in file.partitions if name in table.schema.names]
    values = functools.reduce(operator.and_, known) if known else None
    return ds.ParquetFileFormat().make_fragment(file.path, table.filesystem, values, row_groups=touched)
