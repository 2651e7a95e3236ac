"""Feature drift between two windows: a distance for each feature, computed from counts.

The distance is Jensen and Shannon's, with base-2 logarithms: the square root of ½ KL(p‖m) + ½ KL(q‖m), m = ½ (p + q),
over the shares p and q of the rows in each bucket, including one for missing values (J. Lin, "Divergence measures based
on the Shannon entropy", IEEE Transactions on Information Theory 37, 1991; that its root is a metric: D. Endres and J.
Schindelin, ibid. 49, 2003). It is 0 if the shares are equal and 1 if the windows have no bucket in common; if a small
share s of the rows has moved to values that did not occur before, it is about √(s/2): 0.07 for 1 %, 0.16 for 5 %, 0.23
for 10 %. `docs/decisions/0009-drift.md` explains the choice.
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np

from ratchet.core.evaluation.counts import Floats
from ratchet.core.evaluation.feature_counts import FeatureCounts, Key
from ratchet.errors import FailedError

_LONGEST_NAME = 200


@dataclass(frozen=True)
class FeatureDrift:
    """The drift of one feature.

    distance: from 0 to 1. chance: the approximate distance of two samples of these sizes without drift.
    missing_training, missing_newest: the share of rows without a value.
    """

    feature: str
    kind: str
    distance: float
    chance: float
    missing_training: float
    missing_newest: float


def drift(training: Sequence[FeatureCounts], newest: Iterable[FeatureCounts]) -> list[FeatureDrift]:
    """One row per feature in both windows, the largest drift first."""
    later = {one.feature: one for one in newest}
    found = [_moved(one, later[one.feature]) for one in training if one.feature in later]
    return sorted(found, key=lambda one: (-one.distance, one.feature))


def distance(one: Floats, other: Floats) -> float:
    """Jensen and Shannon's distance between two arrays of rows by bucket; 0 if either has no rows."""
    if not one.sum() or not other.sum():
        return 0.0
    p, q = one / one.sum(), other / other.sum()
    middle = (p + q) / 2
    divergence = (_information(p, middle) + _information(q, middle)) / 2
    return math.sqrt(min(max(divergence, 0.0), 1.0))


def metrics(rows: Sequence[FeatureDrift]) -> dict[str, float]:
    """`drift.<feature>` for each feature and `drift_max`; characters that MLflow rejects become `_`."""
    named: dict[str, float] = {}
    for row in sorted(rows, key=lambda row: row.feature):
        base = name = f"drift.{re.sub(r'[^0-9A-Za-z_. -]', '_', row.feature)[:_LONGEST_NAME]}"
        number = 1
        while name in named:
            number += 1
            name = f"{base}-{number}"
        named[name] = row.distance
    return named | ({"drift_max": max(row.distance for row in rows)} if rows else {})


def to_csv(rows: Iterable[FeatureDrift]) -> str:
    """The rows with a header: `drift.csv`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(field.name for field in fields(FeatureDrift))
    writer.writerows(astuple(row) for row in rows)
    return text.getvalue()


def from_csv(text: str) -> list[FeatureDrift]:
    """Parse the output of `to_csv`; raises FailedError if it is anything else."""
    try:
        return [
            FeatureDrift(row["feature"], row["kind"], *(float(row[field.name]) for field in fields(FeatureDrift)[2:]))
            for row in csv.DictReader(io.StringIO(text, newline=""))
        ]
    except (KeyError, TypeError, ValueError) as error:
        message = f"the rows of a table of drift can't be read: {error!r}"
        raise FailedError(message) from error


def _moved(training: FeatureCounts, newest: FeatureCounts) -> FeatureDrift:
    one, other = _aligned(training, newest)
    return FeatureDrift(
        training.feature,
        training.kind,
        distance(one, other),
        _chance(one, other),
        training.missing / max(training.rows, 1),
        newest.missing / max(newest.rows, 1),
    )


def _aligned(training: FeatureCounts, newest: FeatureCounts) -> tuple[Floats, Floats]:
    keys: list[Key] = list(training.by_value)
    keys += [key for key in newest.by_value if key not in training.by_value]
    one, other = (
        np.array([*(part.by_value.get(key, 0) for key in keys), part.other, part.missing], dtype=np.float64)
        for part in (training, newest)
    )
    return one, other


def _chance(one: Floats, other: Floats) -> float:
    """The mean divergence of two samples of one distribution over b buckets is about (b−1)(1/n+1/m)/(8 ln 2).

    This follows from the chi-square distribution, which the divergence approaches for many rows.
    """
    n, m = float(one.sum()), float(other.sum())
    used = int(((one + other) > 0).sum())
    if not n or not m:
        return 0.0
    return min(math.sqrt(max(used - 1, 0) * (1 / n + 1 / m) / (8 * math.log(2))), 1.0)


def _information(shares: Floats, middle: Floats) -> float:
    """KL(shares ‖ middle) in bits; exactly 0 if both are equal."""
    used = shares > 0
    return float((shares[used] * np.log2(shares[used] / middle[used])).sum())
