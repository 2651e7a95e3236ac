"""Counts the rows of a frame by day: the scikit-learn engine's part of `core.gate.day_counts`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ratchet.core.evaluation.feature_counts import FeatureCounts
from ratchet.core.gate.day_counts import DayCounts, Hashes, oldest_day
from ratchet.core.windows import Windows
from ratchet.io.table.inspection import DAY, LABEL, EventTable


def of_windows(
    frames: Sequence[pd.DataFrame | None],
    hashed: Sequence[Hashes],
    table: EventTable,
    windows: Windows,
    training: Sequence[FeatureCounts],
) -> DayCounts:
    """The counts of the training, calibration and test window. hashed, training: as in `by_day`."""
    oldest = oldest_day(windows)
    held = [(frame, own) for frame, own in zip(frames, hashed, strict=True) if frame is not None]
    return DayCounts.together([by_day(frame, own, table, training, oldest) for frame, own in held])


def by_day(
    frame: pd.DataFrame, hashed: Hashes, table: EventTable, training: Sequence[FeatureCounts], oldest: int
) -> DayCounts:
    """The counts of a window. hashed: by row. training: names the known texts. oldest: the first day by itself."""
    known = {one.feature: [str(key) for key in one.by_value] for one in training}
    return DayCounts.of_rows(
        np.maximum(frame[DAY].to_numpy(), oldest - 1),
        frame[LABEL].to_numpy(),
        hashed,
        {name: frame[name].to_numpy() for name in table.numeric},
        {
            name: (frame[name].cat.codes.to_numpy(), np.asarray(frame[name].cat.categories.isin(known[name])))
            for name in table.texts
        },
    )
