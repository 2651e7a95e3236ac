"""Counts Spark's rows by day, in its tasks: the Spark engine's part of `core.gate.day_counts`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratchet.core.evaluation.feature_counts import FeatureCounts
from ratchet.core.gate.day_counts import DayCounts
from ratchet.engines.spark.in_tasks import per_partition
from ratchet.engines.spark.pipeline import quoted
from ratchet.io.table.inspection import DAY, LABEL, EventTable


def by_day(
    rows: Any, distinct: Mapping[int, int], table: EventTable, training: Sequence[FeatureCounts], oldest: int
) -> DayCounts:
    """The counts of the rows of all windows.

    distinct: by day, see `window_facts.EqualRows`. training: names the known texts. oldest: the first day by itself.
    """
    known = {one.feature: pa.array(list(map(str, one.by_value)), pa.string()) for one in training}
    numeric, texts = table.numeric, table.texts

    def counted(part: pa.Table) -> DayCounts:
        day, positive, *cells = part.columns
        numbers, words = cells[: len(numeric)], cells[len(numeric) :]
        return DayCounts.of_rows(
            np.maximum(day.to_numpy(), oldest - 1),
            positive.to_numpy() == 1,
            None,
            {name: values.to_numpy() for name, values in zip(numeric, numbers, strict=True)},
            {name: _codes(column, known[name]) for name, column in zip(texts, words, strict=True)},
        )

    def count(parts: Iterator[pa.Table]) -> DayCounts | None:
        found = [counted(part) for part in parts]
        return DayCounts.together(found) if found else None

    wanted = rows.select(DAY, LABEL, *map(quoted, (*numeric, *texts)))
    found = DayCounts.together([part for part in per_partition(wanted, count) if part is not None])
    return replace(found, distinct=np.array([distinct[day] for day in found.day.tolist()]))


def _codes(column: pa.ChunkedArray, known: pa.Array) -> tuple[Any, Any]:
    """The code of each row's text, -1 where missing; and whether each code's text is known."""
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes, pc.is_in(encoded.dictionary, known).to_numpy(zero_copy_only=False)
