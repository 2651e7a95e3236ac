"""Fixed buckets for numbers, which need no knowledge of their range: a number rounded to five binary digits.

The buckets are the same for every feature, window and engine, so counts made anywhere can be compared and added. A
bucket goes by the rounded number itself. The rounding is Veltkamp's (T. J. Dekker, "A floating-point technique for
extending the available precision", Numerische Mathematik 18, 1971): a multiplication and two subtractions, of which
IEEE 754 fixes every bit, so NumPy and the JVM (`engines.spark.features`) agree on every number.
"""

import numpy as np

from ratchet.core.evaluation.counts import Floats

DIGITS = 5
"""Binary digits that are kept: 16 buckets between a power of two and the next; whole numbers up to 32 have one each."""
SPLITTER = 2.0 ** (53 - DIGITS) + 1
SMALLEST, LARGEST = 2.0**-64, 2.0**64
"""Sizes that are told apart: what is smaller counts as zero, what is larger as the largest."""
_MANTISSA_LEFT = 48


def bucket_of(values: Floats) -> Floats:
    """The bucket of each value; NaN, which is missing, stays NaN."""
    bounded = np.clip(values, -LARGEST, LARGEST)
    scaled = bounded * SPLITTER
    rounded = scaled - (scaled - bounded)
    return np.where(np.abs(bounded) < SMALLEST, 0.0, rounded)


def count(values: Floats) -> tuple[dict[float, int], int]:
    """The rows of each bucket, sorted, and the rows that are missing."""
    buckets = bucket_of(values[~np.isnan(values)])
    # Of a rounded number's bits only the first sixteen can be other than zero: a number small enough to be a place.
    places = (buckets + 0.0).view(np.int64) >> _MANTISSA_LEFT & 0xFFFF
    rows = np.bincount(places)
    used = np.flatnonzero(rows)
    numbers = (used.astype(np.uint64) << np.uint64(_MANTISSA_LEFT)).view(np.float64)
    found = dict(zip(numbers.tolist(), rows[used].tolist(), strict=True))
    return dict(sorted(found.items())), len(values) - len(buckets)
