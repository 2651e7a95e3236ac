"""Features that alone separate the classes: what is known only after the event usually does, and little else.

A feature's values are put into groups: texts, or ranges of numbers, and the missing ones. Each row gets the share of
positives that its group has in the other half of the sample, so a value that occurs once, such as an id, says nothing.
What counts is the area under the ROC curve (Hanley and McNeil, 1982, "The meaning and use of the area under a receiver
operating characteristic curve", Radiology 143).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ratchet.core.evaluation.counts import Bools, Floats, Ints

SUSPECT = 0.99
"""The area from which a feature is suspected."""
_RANGES = 100
# Of each class; with fewer rows, chance separates them.
_FEWEST = 20


def suspected(values: npt.NDArray[Any], missing: Bools, positive: Bools) -> float | None:
    """The area under the ROC curve if a feature is suspected, else None.

    values: numbers, or objects that can be sorted. missing: where there is none. positive: the label of each row.
    """
    if min(int(positive.sum()), int((~positive).sum())) < _FEWEST:
        return None
    found = area(_rates(_groups(values, missing), positive), positive)
    if values.dtype.kind == "f":  # the groups at the border of two classes hold rows of both
        ordered = area(np.where(missing, -np.inf, values), positive)
        found = max(found, ordered, 1 - ordered)
    return found if found >= SUSPECT else None


def area(score: Floats, positive: Bools) -> float:
    """The probability that a positive row has a greater score than a negative one; ties count half."""
    _, where, rows = np.unique(score, return_inverse=True, return_counts=True)
    ranks = np.cumsum(rows) - (rows - 1) / 2
    above = float(ranks[where][positive].sum()) - positive.sum() * (positive.sum() + 1) / 2
    return above / (int(positive.sum()) * int((~positive).sum()))


def _groups(values: npt.NDArray[Any], missing: Bools) -> Ints:
    """The number of each row's group; the last one is that of missing values."""
    groups = np.zeros(len(values), dtype=np.int64)
    present = values[~missing]
    if present.dtype.kind == "f":
        edges = np.unique(np.quantile(present, np.linspace(0, 1, _RANGES + 1)[1:-1])) if len(present) else np.empty(0)
        groups[~missing] = np.searchsorted(edges, present, side="left")
    else:
        groups[~missing] = np.unique(present, return_inverse=True)[1]
    groups[missing] = groups.max() + 1
    return groups


def _rates(groups: Ints, positive: Bools) -> Floats:
    """The share of positives of each row's group in the other half of the rows, drawn towards that of all rows."""
    half = np.random.default_rng(0).permutation(len(groups)) % 2
    rate = np.empty(len(groups))
    most, base = int(groups.max()) + 1, float(positive.mean())
    for own in (0, 1):
        other = half != own
        rows = np.bincount(groups[other], minlength=most)
        positives = np.bincount(groups[other], weights=positive[other], minlength=most)
        rate[~other] = ((positives + base) / (rows + 1))[groups[~other]]
    return rate
