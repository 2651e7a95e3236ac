"""Scores rows and copies of them in which one feature is permuted, for `core.evaluation.importance`.

Many copies are scored at once: a model of a hundred trees is a hundred parallel loops for each call, and for the few
rows of one copy, threads would mostly wait for each other.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from ratchet.core.evaluation.importance import Permuted
from ratchet.engines.scored import Scored

_VALUES_AT_ONCE = 4_000_000


def scored_permuted(
    score: Callable[[pd.DataFrame], Scored], features: Sequence[str], columns: pd.DataFrame, permuted: pd.DataFrame
) -> Permuted:
    """The output of `score` for the features of the rows, and for each copy.

    columns, permuted: the same columns, at least the features, with the same index. At most four million values, or one
    copy, are in memory at a time.
    """
    rows, names = columns[list(features)], [None, *features]
    at_once = max(1, _VALUES_AT_ONCE // max(rows.size, 1))
    labels, scores = [], []
    for first in range(0, len(names), at_once):
        copies = [rows if name is None else rows.assign(**{name: permuted[name]}) for name in names[first:][:at_once]]
        scored = score(pd.concat(copies, ignore_index=True))
        labels.append(np.asarray(scored.labels).astype(np.int64) == 1)
        scores.append(scored.probabilities)
    shape = len(names), len(rows)
    return Permuted(tuple(features), np.concatenate(labels).reshape(shape), np.concatenate(scores).reshape(shape))
