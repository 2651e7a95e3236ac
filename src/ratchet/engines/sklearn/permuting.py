"""Scores rows and copies of them in which one feature is permuted, for `core.evaluation.importance`."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from ratchet.core.evaluation.importance import Permuted
from ratchet.engines.scored import Scored


def scored_permuted(
    score: Callable[[pd.DataFrame], Scored], features: Sequence[str], columns: pd.DataFrame, permuted: pd.DataFrame
) -> Permuted:
    """The output of `score` for the features of the rows, and for each copy; one copy is in memory at a time.

    columns, permuted: the same columns, at least the features, with the same index.
    """
    rows = columns[list(features)]
    scored = [score(rows), *(score(rows.assign(**{name: permuted[name]})) for name in features)]
    labels = np.stack([np.asarray(one.labels).astype(np.int64) == 1 for one in scored])
    return Permuted(tuple(features), labels, np.stack([one.probabilities for one in scored]))
