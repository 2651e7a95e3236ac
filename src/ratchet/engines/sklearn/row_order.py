"""The order in which rows come to the scikit-learn estimators: by day, then by a hash of the row's content.

Some estimators depend on it: boosting finds its bins in a sample of 200,000 positions, a forest draws positions. Rows
are read in the order of the files, which says nothing about them; in this order the same rows give the same model.
"""

import numpy as np
import pandas as pd

from ratchet.core.evaluation.counts import Ints
from ratchet.io.table.inspection import DAY


def ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a window in an order that depends on their content alone; equal rows are interchangeable."""
    return frame.take(_order(frame)).reset_index(drop=True)


def drawn(frame: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    """At most so many rows, drawn by chance: the same ones in the same order, whatever the order of the frame."""
    chosen = np.random.default_rng([seed, 3]).permutation(len(frame))[:rows]
    return frame.take(_order(frame)[chosen]).reset_index(drop=True)


def _order(frame: pd.DataFrame) -> Ints:
    content = pd.util.hash_pandas_object(frame, index=False)
    return np.lexsort((content, frame[DAY]))
