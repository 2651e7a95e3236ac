"""The rows of one window in memory, for the scikit-learn engine: only its columns, only its days.

Batches are cut to the window as they arrive, text is kept as codes, and each column is turned into its final form and
let go before the next: the peak is one frame and one column.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ratchet.core.counts import day_number
from ratchet.core.windows import Window
from ratchet.errors import DataError
from ratchet.io import labels
from ratchet.io.checks import ColumnFacts, WindowFacts
from ratchet.io.clock import is_text
from ratchet.io.columns import plain
from ratchet.io.reach import batches
from ratchet.io.table import DAY, LABEL, Table


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
    label = table.settings.label
    names = [name for name in dict.fromkeys(columns) if name != label.column]
    stock, days, bad = _collect(table, window, [*names, label.column])
    counted = labels.count(stock[label.column], label.positive)
    positive = _is_in(stock.pop(label.column), counted.positive_values)
    made: dict[str, Any] = {}
    about: list[ColumnFacts] = []
    for name in names:
        made[name], facts = _made(table, name, stock.pop(name))
        about += [facts] if name in table.features else []
    pa.default_memory_pool().release_unused()
    frame = pd.DataFrame({**made, LABEL: positive, DAY: days}, copy=False)
    positives = int(positive.sum())
    return Rows(frame, WindowFacts(window, len(days), positives, counted.nulls, counted.others, bad, tuple(about)))


def _made(table: Table, name: str, column: pa.ChunkedArray) -> tuple[Any, ColumnFacts]:
    return _numbers(name, column) if _as_number(table, name) else _categories(name, column)


def _collect(
    table: Table, window: Window, names: list[str]
) -> tuple[dict[str, pa.ChunkedArray], npt.NDArray[np.int64], int]:
    """The window's rows by column, with text as codes, their local days, and the rows without a day."""
    parts: dict[str, list[pa.Array]] = {name: [] for name in names}
    kept_days, bad_rows = [np.empty(0, dtype=np.int64)], 0
    start = None if window.start is None else day_number(window.start)
    for batch in batches(table, window, [*names, table.settings.timestamp]):
        days, bad = table.clock.days(batch.column(table.settings.timestamp))
        bad_rows += int(bad.sum())
        keep = ~bad & (days < day_number(window.end))
        if start is not None:
            keep &= days >= start
        if not keep.any():
            continue
        whole = bool(keep.all())
        mask = None if whole else pa.array(keep)
        kept_days.append(days if whole else days[keep])
        for name in names:
            column = batch.column(name) if whole else batch.column(name).filter(mask)
            parts[name].append(_coded(column))
    return {name: _chunked(table, name, arrays) for name, arrays in parts.items()}, np.concatenate(kept_days), bad_rows


def _coded(column: pa.Array) -> pa.Array:
    return column.dictionary_encode() if is_text(column.type) else column


def _chunked(table: Table, name: str, arrays: list[pa.Array]) -> pa.ChunkedArray:
    return pa.chunked_array(arrays) if arrays else pa.chunked_array([], type=table.schema.field(name).type)


def _as_number(table: Table, name: str) -> bool:
    """A column that only an existing version needs is a number where its type is one."""
    if name in table.features:
        return name in table.numeric
    return not is_text(plain(table.schema.field(name).type))


def _is_in(column: pa.ChunkedArray, values: Sequence[object]) -> npt.NDArray[np.bool_]:
    if not values:
        return np.zeros(len(column), dtype=np.bool_)
    kind = plain(column.type)
    chunks = [_decoded(chunk) for chunk in column.chunks]
    chosen = pa.array(values, type=kind)
    masks = [pc.is_in(chunk, value_set=chosen).to_numpy(zero_copy_only=False) for chunk in chunks]
    return np.concatenate(masks) if masks else np.zeros(0, dtype=np.bool_)


def _decoded(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _numbers(name: str, column: pa.ChunkedArray) -> tuple[npt.NDArray[np.float64], ColumnFacts]:
    values = np.empty(len(column), dtype=np.float64)
    begin = 0
    for chunk in column.chunks:
        values[begin : begin + len(chunk)] = _floats(name, chunk)
        begin += len(chunk)
    missing = int(np.isnan(values).sum())
    if missing == len(values):
        return values, ColumnFacts(name, missing, 0, None, constant=True)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    infinite = int(np.isinf(values).sum()) if np.isinf(low) or np.isinf(high) else 0
    return values, ColumnFacts(name, missing, infinite, None, constant=low == high and not missing)


def _floats(name: str, chunk: pa.Array) -> npt.NDArray[np.float64]:
    try:
        floats = _decoded(chunk).cast(pa.float64(), safe=False)
    except pa.ArrowInvalid as error:
        message = f"the column {name!r} is no number: {str(error).splitlines()[0]}"
        raise DataError(message) from error
    return np.asarray(floats.fill_null(np.nan).to_numpy(zero_copy_only=False), dtype=np.float64)


def _categories(name: str, column: pa.ChunkedArray) -> tuple[pd.Categorical, ColumnFacts]:
    texts = column if pa.types.is_dictionary(column.type) else column.cast(pa.string()).dictionary_encode()
    texts = texts.cast(pa.dictionary(pa.int32(), pa.string())).unify_dictionaries()
    dictionary = texts.chunk(0).dictionary if texts.num_chunks else pa.array([], pa.string())
    indices = [chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in texts.chunks]
    codes = np.concatenate(indices) if indices else np.empty(0, dtype=np.int32)
    # The order of the categories must not depend on the order of the files.
    order = pc.sort_indices(dictionary).to_numpy()
    names = dictionary.take(pa.array(order)).to_pylist()
    rank = np.empty(len(order) + 1, dtype=_smallest(len(order)))
    rank[order] = np.arange(len(order))
    rank[-1] = -1
    codes = rank[codes]
    used = np.bincount(codes[codes >= 0], minlength=len(names)) > 0
    missing = int((codes < 0).sum())
    distinct = int(used.sum())
    facts = ColumnFacts(name, missing, 0, distinct, constant=distinct + bool(missing) <= 1)
    return pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype=object)), facts


def _smallest(distinct: int) -> npt.DTypeLike:
    return next(kind for kind in (np.int8, np.int16, np.int32) if distinct <= np.iinfo(kind).max)
