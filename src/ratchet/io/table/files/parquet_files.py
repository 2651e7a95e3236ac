"""Parquet files: the facts in their footers, and the columns of their row groups.

The footers are read in parallel: they contain the columns, the number of rows and the range of the timestamps, all
that `io.table.inspection.inspect` needs. Later, only row groups that a window touches are read.
"""

import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ratchet.io.table.clock import Clock, is_text
from ratchet.io.table.columns import check_distinct, plain
from ratchet.io.table.day_range import Timestamps
from ratchet.io.table.files import transaction_log
from ratchet.io.table.files.filesystem import Store, address, changed, explained
from ratchet.io.table.files.transaction_log import Logged, Naming
from ratchet.io.table.table import File, RowGroup

_THREADS = 16
_BATCH_ROWS = 65_536
_INSTANT = pa.timestamp("us", "UTC")
# Includes pandas' name for an unnamed index.
_UNNAMED = re.compile(r"(__index_level_\d+__)?")


def look(
    store: Store, listed: Sequence[Logged], timestamps: Timestamps | None, naming: Naming | None = None
) -> list[tuple[File, pa.Schema]]:
    """The facts in each file's footer. Raises DataError, TemporaryError.

    timestamps: None: the days of the row groups are not needed. naming: the names of columns, if they differ from those
    in the files.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(lambda each: _look(store, each, timestamps, naming), listed))


def _look(store: Store, listed: Logged, timestamps: Timestamps | None, naming: Naming | None) -> tuple[File, pa.Schema]:
    where = address(store, listed.path)
    with explained(where), store.filesystem.open_input_file(listed.path) as handle:
        metadata = pq.read_metadata(handle)
        own = _schema(metadata)
    called = [(field.name, field.name if naming is None else naming.of(field), field.type) for field in own]
    kept = [(stored, name, kind) for stored, name, kind in called if name is not None]
    schema = pa.schema([(name, kind) for _, name, kind in kept])
    check_distinct(schema.names, where)
    stored = tuple(stored for stored, _, _ in kept)
    groups = _row_groups(metadata, schema, stored, timestamps)
    file = File(
        listed.path,
        listed.size,
        metadata.num_rows - len(transaction_log.deleted(store, listed.deletes)),
        groups,
        columns=tuple(schema.names),
        stored=stored,
        types=tuple(schema.types),
        unnamed=tuple(name for name in metadata.schema.names if _UNNAMED.fullmatch(name)),
        deletes=listed.deletes,
        fingerprint=_fingerprint(metadata),
    )
    return file, schema


def _schema(metadata: pq.FileMetaData) -> pa.Schema:
    """The columns of the file with the types of their values, regardless of their storage.

    INT96, Spark's default for timestamps, is an instant, but Arrow treats it as local time.
    """
    parquet = metadata.schema
    instants = {parquet.column(place).path for place in range(len(parquet.names)) if _is_int96(parquet.column(place))}
    fields = [
        field.with_type(_INSTANT if field.name in instants else plain(field.type))
        for field in parquet.to_arrow_schema()
        if not _UNNAMED.fullmatch(field.name)
    ]
    return pa.schema(fields)


def _is_int96(column: Any) -> bool:
    return bool(column.physical_type == "INT96")


def _fingerprint(metadata: pq.FileMetaData) -> str:
    footer = io.BytesIO()
    metadata.write_metadata_file(footer)
    return hashlib.sha256(footer.getbuffer()).hexdigest()


def _row_groups(
    metadata: pq.FileMetaData, schema: pa.Schema, stored: Sequence[str], timestamps: Timestamps | None
) -> tuple[RowGroup, ...]:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    if not groups:
        return ()
    names = dict(zip(stored, schema.names, strict=True))
    paths = [groups[0].column(index).path_in_schema for index in range(groups[0].num_columns)]
    place = {names[path]: index for index, path in enumerate(paths) if path in names}
    text = [place[field.name] for field in schema if is_text(field.type) and field.name in place]
    sizes = [sum(group.column(index).total_uncompressed_size for index in text) for group in groups]
    if timestamps is None or timestamps.column not in place:
        return tuple(RowGroup(group.num_rows, None, None, size) for group, size in zip(groups, sizes, strict=True))
    kind = schema.field(timestamps.column).type
    days = _day_ranges([group.column(place[timestamps.column]) for group in groups], kind, timestamps.clock)
    return tuple(
        RowGroup(group.num_rows, first, last, size, _slack(kind, timestamps.clock, first, last))
        for group, size, (first, last) in zip(groups, sizes, days, strict=True)
    )


def _day_ranges(columns: Sequence[Any], kind: pa.DataType, clock: Clock) -> list[tuple[int, int] | tuple[None, None]]:
    """The local days of the first and the last instant of each row group, from the facts about its timestamps.

    Unknown for text and with a format, whose order may not be that of time, and if the footer has no statistics or
    reports nulls.
    """
    unknown: list[tuple[int, int] | tuple[None, None]] = [(None, None)] * len(columns)
    if is_text(kind) or clock.form is not None:
        return unknown
    told = [index for index, column in enumerate(columns) if _tells(column)]
    try:
        limits = [value for index in told for value in (columns[index].statistics.min, columns[index].statistics.max)]
        days, bad = clock.days(pa.array(limits, type=kind))
    except (pa.ArrowException, AssertionError, OverflowError, ValueError):  # outside the range of Python's datetimes
        return unknown
    for position, index in enumerate(told):
        if not bad[2 * position : 2 * position + 2].any():
            unknown[index] = int(days[2 * position]), int(days[2 * position + 1])
    return unknown


def _slack(kind: pa.DataType, clock: Clock, first: int | None, last: int | None) -> int:
    """As in a RowGroup: 1 if the clock may be set back over midnight between the two days."""
    if first is None or last is None or not _is_instant(kind):
        return 0
    return 1 if clock.repeats_a_day(first, last) else 0


def _is_instant(kind: pa.DataType) -> bool:
    return not is_text(kind) and not pa.types.is_date(kind) and not (pa.types.is_timestamp(kind) and kind.tz is None)


def _tells(column: Any) -> bool:
    statistics = column.statistics if column.is_stats_set else None
    return bool(
        statistics is not None and statistics.has_min_max and statistics.has_null_count and not statistics.null_count
    )


def read(store: Store, file: File, groups: Sequence[int], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The columns of some row groups in order, with the types that `look` returned.

    Raises TemporaryError for a file that has changed since its inspection, or is replaced meanwhile.
    """
    before = _state(store, file)
    with store.filesystem.open_input_file(file.path) as handle:
        reader = pq.ParquetFile(handle, pre_buffer=store.remote, coerce_int96_timestamp_unit="us")
        if _fingerprint(reader.metadata) != file.fingerprint:
            raise changed(address(store, file.path))
        types = dict(zip(file.columns, file.types, strict=True))
        stored = dict(zip(file.columns, file.stored, strict=True))
        wanted = list(columns) or list(file.columns[:1])  # without any column the number of rows would be unknown
        inside = [stored[name] for name in wanted]
        deleted = transaction_log.deleted(store, file.deletes)
        for group in groups:
            place = sum(reader.metadata.row_group(number).num_rows for number in range(group)) if len(deleted) else 0
            for batch in reader.iter_batches(_BATCH_ROWS, row_groups=[group], columns=inside, use_threads=False):
                made = _with_types(batch.select(inside).rename_columns(wanted), wanted, types)
                yield _without(made, deleted, place) if len(deleted) else made
                place += batch.num_rows
    if _state(store, file) != before:
        raise changed(address(store, file.path))


def _without(batch: pa.RecordBatch, deleted: npt.NDArray[np.int64], place: int) -> pa.RecordBatch:
    """The batch without the deleted rows; place: the position of its first row in the file."""
    first, end = np.searchsorted(deleted, [place, place + batch.num_rows])
    kept = np.ones(batch.num_rows, dtype=bool)
    kept[deleted[first:end] - place] = False
    return batch.filter(pa.array(kept))


def _state(store: Store, file: File) -> tuple[int, int]:
    info = store.filesystem.get_file_info(file.path)
    return info.size, info.mtime_ns


def fingerprint(store: Store, path: str) -> str:
    """The hash of a file's footer."""
    with store.filesystem.open_input_file(path) as handle:
        return _fingerprint(pq.read_metadata(handle))


def _with_types(batch: pa.RecordBatch, columns: Sequence[str], types: Mapping[str, pa.DataType]) -> pa.RecordBatch:
    arrays = []
    for name in columns:
        array = batch.column(name)
        if types[name] == _INSTANT and array.type.tz is None:
            array = array.cast(pa.timestamp("us")).cast(_INSTANT)
        elif pa.types.is_string_view(array.type):
            array = array.cast(pa.string())  # Arrow can't filter views
        elif pa.types.is_float16(array.type):
            array = array.cast(pa.float32())  # Arrow can't compare half floats
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, list(columns))
