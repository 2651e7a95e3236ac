"""Reads a window's rows into memory for the scikit-learn trainer, and the facts that decide whether they will do.

Numbers become float64 with NaN, categories pandas' categoricals of text, which hold each text once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ratchet.core.counts import day_number
from ratchet.core.windows import Window
from ratchet.io.checks import ColumnFacts, WindowFacts
from ratchet.io.data import Table
from ratchet.io.store import reading

LABEL = "__label__"
DAY = "__day__"


@dataclass(frozen=True)
class Rows:
    """A window's rows: a column for each feature, LABEL (bool) and DAY (int64, days since 1970-01-01), and its facts."""

    frame: pd.DataFrame
    facts: WindowFacts


def read(table: Table, window: Window, extra: Sequence[str] = ()) -> Rows:
    """Read the rows of a window, and of the columns only features, timestamp, label and `extra`.

    Rows come in the order of the files' names and of the rows in them. Raises DataError where a file is damaged or a
    timestamp can't be read; all else is in the facts, for `checks.check`.
    """
    clock = table.clock
    columns = [*table.features, *extra, clock.column, table.label]
    with reading(table.uri):
        found = table.dataset(extra).to_table(columns=columns, filter=clock.between(window))
    days = clock.days(found[clock.column], table.uri)
    inside = days < day_number(window.end)
    if window.start is not None:
        inside &= days >= day_number(window.start)
    if not inside.all():
        found, days = found.filter(pa.array(inside)), days[inside]
    label = found[table.label]
    positive = _equals(label, table.settings.label.positive)
    facts = WindowFacts(
        window,
        len(days),
        int(positive.sum()),
        label.null_count,
        _other_values(label, positive),
        tuple(_column_facts(table, found)),
    )
    found = found.drop_columns([clock.column, table.label])
    frame = pa.table(_plain(table, found)).to_pandas(split_blocks=True, self_destruct=True)
    frame[LABEL] = positive
    frame[DAY] = days
    return Rows(frame, facts)


def _equals(label: pa.ChunkedArray, positive: bool | float | str) -> np.ndarray:
    """Which rows have the positive value; text in a CSV is compared as the text that the value is written as."""
    if pa.types.is_boolean(label.type):
        wanted = label if positive in (True, 1, "true") else pc.invert(label)
        return np.asarray(pc.fill_null(wanted, fill_value=False))
    if pa.types.is_string(label.type) or pa.types.is_dictionary(label.type):
        texts = pc.cast(label, pa.string())
        if isinstance(positive, bool):
            return np.asarray(pc.fill_null(pc.equal(pc.utf8_lower(texts), str(positive).lower()), fill_value=False))
        return np.asarray(pc.fill_null(pc.equal(texts, str(positive)), fill_value=False))
    try:
        value = pa.scalar(int(positive) if isinstance(positive, bool) else positive).cast(label.type)
    except (pa.ArrowException, ValueError):
        return np.zeros(len(label), dtype=np.bool_)
    return np.asarray(pc.fill_null(pc.equal(label, value), fill_value=False))


def _other_values(label: pa.ChunkedArray, positive: np.ndarray) -> dict[str, int]:
    others = pc.drop_null(label.filter(pa.array(~positive)))
    return {str(item["values"].as_py()): item["counts"].as_py() for item in pc.value_counts(others)}


def _column_facts(table: Table, found: pa.Table) -> Iterator[ColumnFacts]:
    for name in table.numeric:
        column = found[name]
        infinite = pc.sum(pc.is_inf(column)).as_py() or 0 if pa.types.is_floating(column.type) else 0
        ends = pc.min_max(column)
        missing = column.null_count + (
            pc.sum(pc.is_nan(column)).as_py() or 0 if pa.types.is_floating(column.type) else 0
        )
        constant = len(column) > 0 and ends["min"].as_py() == ends["max"].as_py() and missing in (0, len(column))
        yield ColumnFacts(name, missing, infinite, None, constant)
    for name in table.categorical:
        column = found[name]
        distinct = len(pc.unique(column.combine_chunks() if column.num_chunks == 1 else pc.cast(column, pa.string())))
        yield ColumnFacts(name, column.null_count, 0, distinct, len(column) > 0 and distinct == 1)


def _plain(table: Table, found: pa.Table) -> dict[str, pa.ChunkedArray]:
    plain = {}
    for name in found.column_names:
        column = found[name]
        if name in table.numeric:
            plain[name] = pc.cast(column, pa.float64())
        elif pa.types.is_dictionary(column.type):
            plain[name] = column.unify_dictionaries()
        elif pa.types.is_string(column.type) or name in table.categorical:
            plain[name] = pc.dictionary_encode(pc.cast(column, pa.string())).unify_dictionaries()
        else:
            plain[name] = column
    return plain
