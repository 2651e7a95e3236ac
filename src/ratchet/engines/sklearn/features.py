"""Counts the rows of a frame: the scikit-learn engine's part of `core.evaluation.feature_counts` and `checks`."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ratchet.core.evaluation import buckets
from ratchet.core.evaluation.feature_counts import FeatureCounts, Key
from ratchet.core.gate import day_counts
from ratchet.core.gate.day_counts import Hashes
from ratchet.io.table.checks import Copies, Entities
from ratchet.io.table.inspection import LABEL, EventTable

# Assigning buckets needs several numbers per row; this chunk size keeps them small compared with the frame.
_ROWS_AT_ONCE = 262_144


def counted(
    frame: pd.DataFrame, table: EventTable, training: Sequence[FeatureCounts] = ()
) -> tuple[FeatureCounts, ...]:
    """The counts of a frame read by `io.table.inspection`, in the order of the table's features.

    training: counts that name the texts to count separately; by default the frame's own most frequent ones.
    """
    known: dict[str, Mapping[Key, int]] = {name: {} for name in table.raw}
    known |= {one.feature: one.by_value for one in training}
    numbers = [_numbers(name, frame[name]) for name in table.numeric]
    texts = [_texts(name, frame[name], known) for name in table.texts]
    return (*numbers, *texts)


def hashes(frames: Sequence[pd.DataFrame], features: Sequence[str]) -> list[Hashes]:
    """64 bits for each row's features and label."""
    return [day_counts.hashes(frame[[*features, LABEL]]) for frame in frames]


def copies(hashed: Sequence[Hashes]) -> Copies:
    """Rows of the windows that equal others. hashed: of training, calibration, test."""
    train, calibration, test = hashed
    known, rows = np.unique(np.concatenate([train, calibration]), return_counts=True)
    return Copies(len(test), int(np.isin(test, known).sum()), int(rows.sum()), int(rows[rows > 1].sum()))


def entities(frames: Sequence[pd.DataFrame], name: str) -> Entities:
    """Test rows by entity. frames: training, calibration, test, with the entity's column."""
    train, calibration, test = (frame[name].dropna() for frame in frames)
    known = test[test.isin(train.unique()) | test.isin(calibration.unique())]
    return Entities(len(test), len(known), known.nunique())


def _numbers(name: str, column: "pd.Series[float]") -> FeatureCounts:
    values = np.asarray(column, dtype=np.float64)
    found: dict[float, int] = {}
    missing = 0
    for begin in range(0, len(values), _ROWS_AT_ONCE):
        rows, lacking = buckets.count(values[begin : begin + _ROWS_AT_ONCE])
        missing += lacking
        for bucket, number in rows.items():
            found[bucket] = found.get(bucket, 0) + number
    return FeatureCounts.of_numbers(name, found, missing)


def _texts(name: str, column: "pd.Series[str]", known: Mapping[str, Mapping[Key, int]]) -> FeatureCounts:
    codes = column.cat.codes.to_numpy()
    rows = np.zeros(len(column.cat.categories) + 1, dtype=np.int64)
    for begin in range(0, len(codes), _ROWS_AT_ONCE):
        rows += np.bincount(codes[begin : begin + _ROWS_AT_ONCE].astype(np.int64) + 1, minlength=len(rows))
    missing, *filled = rows.tolist()
    texts = {text: number for text, number in zip(column.cat.categories, filled, strict=True) if number}
    return FeatureCounts.of_texts(name, texts, missing, known.get(name))
