"""A look at any table, before a setting says what its columns are: their names, types, and some of their values.

`jobs.proposing` calls it. It reads what `io.table.reader` reads, in all formats of `data.uri`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratchet.core import time_formats
from ratchet.core.proposal.roles import ISO_8601, Column, Kind
from ratchet.core.time_formats import TimeFormat
from ratchet.errors import DataError
from ratchet.io.table import clock, columns, reader, values
from ratchet.io.table.clock import is_text
from ratchet.io.table.files import table_files
from ratchet.io.table.files.csv_header import EncodingError
from ratchet.io.table.files.filesystem import open_store
from ratchet.io.table.table import Table
from ratchet.settings import Csv

_MOST_ROWS = 50_000
_FIRST_TEXTS = 100
_IN_PATH = {b"from": b"path"}
_DIALECTS = (Csv(), Csv(separator=";", decimal=","), Csv(separator=";"), Csv(separator="\t"), Csv(separator="|"))


@dataclass(frozen=True)
class Sample:
    """columns: of about 50,000 rows from all parts of the table. csv: the dialect that its files seem to have.

    remarks: what a reader of the table is told about its columns.
    """

    columns: list[Column]
    rows: int
    csv: Csv
    remarks: Sequence[str]


def sample(uri: str, time_format: str | None = None) -> Sample:
    """Read a sample. time_format: to look for in text; None: ISO 8601 and the common ones.

    Raises DataError for a table that can't be read or has no rows, TemporaryError.
    """
    try:
        table = _in_its_dialect(uri, _DIALECTS)
    except EncodingError:
        table = _in_its_dialect(uri, [each.model_copy(update={"encoding": "cp1252"}) for each in _DIALECTS])
    step = max(_rows(table) // _MOST_ROWS, 1)
    parts = [
        batch.take(pa.array(range(0, batch.num_rows, step)))
        for piece in _spread(table, step)
        for batch in reader.stored(table, piece, table.schema.names)
        if batch.num_rows
    ]
    if not parts:
        message = f"{uri} has no rows"
        raise DataError(message)
    sought = [TimeFormat.parse(form) for form in ((time_format,) if time_format else time_formats.COMMON)]
    found = [
        _column(field, pa.concat_arrays([_typed(part.column(place), field, table) for part in parts]), sought)
        for place, field in enumerate(table.schema)
    ]
    return Sample(found, _rows(table), table.csv, table.remarks)


def _in_its_dialect(uri: str, dialects: Sequence[Csv]) -> Table:
    """The table; a CSV file that is none with commas, or has one column then, in the dialect that finds most."""
    found, error = [], None
    for csv in dialects:
        try:
            found.append(_looked(uri, csv))
        except DataError as fault:
            error = error or fault
        if found and (found[0].format != "csv" or len(found[0].schema) > 1):
            break
    if not found or (error is not None and len(found[0].schema) == 1):
        assert error is not None  # noqa: S101  # the default dialect's
        raise error
    return max(found, key=_columns_and_numbers)


def _columns_and_numbers(table: Table) -> tuple[int, int]:
    return len(table.schema), sum(columns.is_number(field.type) for field in table.schema)


def _looked(uri: str, csv: Csv) -> Table:
    store = open_store(uri)
    looked = table_files.look(store, table_files.Wanted(csv, (), (), (), (), lambda _: False, timestamps=None))
    whole = table_files.with_partitions(looked.schema, looked.files, ())
    in_path = [field.with_metadata(_IN_PATH) for field in whole if field.name not in looked.schema.names]
    return Table(
        store=store,
        format=looked.format,
        files=looked.files,
        schema=pa.schema([*looked.schema, *in_path]),
        csv=csv,
        numeric=(),
        categorical=(),
        raw=(),
        booleans=frozenset(),
        remarks=looked.remarks,
    )


def _rows(table: Table) -> int:
    return sum(group.rows for file in table.files for group in file.row_groups)


def _spread(table: Table, step: int) -> list[reader.Piece]:
    """Some row groups of all parts of the table; more than one in ten rows are not needed to take every 10th."""
    every = [replace(piece, groups=(group,)) for piece in reader.pieces(table, None) for group in piece.groups]
    return every[:: max(step // 10, 1)]


def _typed(column: pa.Array, field: pa.Field, table: Table) -> pa.Array:
    """A part of a column: numbers as float64, text as text, times and others as they are, as far as needed."""
    if columns.is_number(field.type):
        return values.number(column, reader.decimal(table))
    if is_text(field.type):
        return values.text(column).cast(pa.string())
    return pa.array(column.is_valid()).cast(pa.float64())


def _column(field: pa.Field, found: pa.Array, sought: Sequence[TimeFormat]) -> Column:
    kind, type_name = _kind(field.type), str(field.type)
    if kind in ("time", "other"):
        present = found.to_numpy(zero_copy_only=False) > 0
        return Column(field.name, kind, type_name, present.astype(np.float64), ~present)
    missing = found.is_null().to_numpy(zero_copy_only=False)
    if kind == "text":
        texts, formats = np.asarray(found.to_pylist(), dtype=object), _formats(found.drop_null(), sought)
        in_path = field.metadata == _IN_PATH
        return Column(field.name, kind, type_name, texts, missing, formats=formats, in_path=in_path)
    numbers = found.fill_null(np.nan).to_numpy(zero_copy_only=False)
    given = numbers[~missing]
    whole = bool((given == np.floor(given)).all())
    dates = whole and bool((np.abs(given) < 10**14).all()) and pa.array(given).cast(pa.int64()).cast(pa.string())
    return Column(
        field.name, kind, type_name, numbers, missing, whole=whole, formats=_formats(dates, sought) if dates else ()
    )


def _formats(texts: pa.Array, sought: Sequence[TimeFormat]) -> tuple[str, ...]:
    """The formats of times that all texts have."""
    if not len(texts):
        return ()
    if pc.all(pc.match_substring_regex(texts, clock.ISO_8601)).as_py():
        return (ISO_8601,)
    first = texts[:_FIRST_TEXTS]
    return tuple(form.text for form in sought if _has(first, form) and _has(texts, form))


def _has(texts: pa.Array, form: TimeFormat) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, form.pattern)).as_py())


def _kind(kind: pa.DataType) -> Kind:
    if pa.types.is_boolean(kind):
        return "boolean"
    if columns.is_number(kind):
        return "number"
    if is_text(kind):
        return "text"
    return "time" if pa.types.is_timestamp(kind) or pa.types.is_date(kind) else "other"
