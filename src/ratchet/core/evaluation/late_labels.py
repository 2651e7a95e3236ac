"""Whether labels seem to arrive late: the newest days have far fewer positives than chance explains.

Where a positive becomes known some time after its event, and every row is negative until then, the share of positives
falls towards the end of the table. The newest days are held against the days before by Mann and Whitney's test of ranks
(1947, "On a test of whether one of two random variables is stochastically larger than the other", Annals of
Mathematical Statistics 18), day by day, since rows of one day are alike.
"""

import numpy as np

from ratchet.core.evaluation.counts import Counts, Floats

_NEWEST = 3
# Labels that arrive later than this leave no days to compare with.
_LONGEST = 28
_FEWEST_BEFORE = 14
_CHANCE = 0.002
_FALLEN, _RECOVERED = 1 / 3, 0.8


def days_late(counts: Counts) -> int | None:
    """How many of the newest days have fewer positives than the days before, or two more; None if chance explains it.

    counts: of consecutive windows that end with the data.
    """
    share = _share_by_day(counts)
    before = share[:-_LONGEST] if len(share) >= _LONGEST + _FEWEST_BEFORE else share[: len(share) // 2]
    newest = share[-_NEWEST:]
    if len(before) < _FEWEST_BEFORE or newest.mean() >= _FALLEN * before.mean() or newest[-1] > newest.min():
        return None
    from scipy.stats import mannwhitneyu  # which takes a second to import, and few tables need it

    if mannwhitneyu(newest, before, alternative="less", method="exact").pvalue >= _CHANCE:
        return None
    usual = _RECOVERED * float(np.median(before))
    return next((days for days in range(1, len(share)) if share[-days:][:_NEWEST].mean() >= usual), len(share)) - 1


def _share_by_day(counts: Counts) -> Floats:
    _, where = np.unique(counts.day, return_inverse=True)
    rows, positives = np.bincount(where, counts.rows), np.bincount(where, counts.rows * counts.label)
    return np.asarray(positives / rows)
