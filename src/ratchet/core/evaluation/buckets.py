"""Fixed buckets for numbers, independent of their range: each number is rounded to five binary digits.

The buckets are the same for every feature, window and engine, so counts made anywhere can be compared and added. The
rounded number identifies the bucket. The rounding is Veltkamp's (T. J. Dekker, "A floating-point technique for
extending the available precision", Numerische Mathematik 18, 1971): a multiplication and two subtractions, of which
IEEE 754 fixes every bit.
"""

import numpy as np

from ratchet.core.evaluation.counts import Floats

DIGITS = 5
"""Binary digits kept: 16 buckets between two powers of two; whole numbers up to 32 have one each."""
SPLITTER = 2.0 ** (53 - DIGITS) + 1
SMALLEST, LARGEST = 2.0**-64, 2.0**64
"""The range of magnitudes: smaller ones count as zero, larger ones as the largest."""
_MANTISSA_LEFT = 48


def bucket_of(values: Floats) -> Floats:
    """The bucket of each value; NaN (missing) stays NaN."""
    bounded = np.clip(values, -LARGEST, LARGEST)
    scaled = bounded * SPLITTER
    rounded = scaled - (scaled - bounded)
    return np.where(np.abs(bounded) < SMALLEST, 0.0, rounded)


def count(values: Floats) -> tuple[dict[float, int], int]:
    """The number of rows in each bucket, sorted, and of rows with a missing value."""
    buckets = bucket_of(values[~np.isnan(values)])
    # Only the first sixteen bits of a rounded number can be non-zero, so they are small enough to be an array index.
    places = (buckets + 0.0).view(np.int64) >> _MANTISSA_LEFT & 0xFFFF
    rows = np.bincount(places)
    used = np.flatnonzero(rows)
    numbers = (used.astype(np.uint64) << np.uint64(_MANTISSA_LEFT)).view(np.float64)
    found = dict(zip(numbers.tolist(), rows[used].tolist(), strict=True))
    return dict(sorted(found.items())), len(values) - len(buckets)
