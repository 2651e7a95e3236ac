"""The grid on which scores are counted: equal cells in the middle, ever narrower ones towards 0 and 1.

From 1/64 to 63/64 a cell is 1/levels wide. Each time that the distance to the nearer end is halved, so is the width:
below 1/64 a score keeps a fixed number of significant binary digits, and above 63/64 its distance to 1 does. The
narrowest cells are 2^-53 wide. All multiples of 1/levels are on the grid, and it has fewer than 2.5 × levels cells.

Every width is a power of two, and 1 - s is exact for s from 0.5 to 1, so the rounding is exact in binary floating
point. The power of two at or below a number is found with Veltkamp's rounding to a single digit (see `buckets`), so
NumPy and the JVM (`engines.spark.score_grid`) agree on every score.
"""

import numpy as np
import numpy.typing as npt

OUTER = 64
"""Cells are narrower than 1/levels below 1/OUTER and above 1 - 1/OUTER; `levels` is at least OUTER."""
SPLITTER = 2.0**52 + 1
NARROWEST = 2.0**-53
"""The distance from 1 to the next double below it; scikit-learn's log loss clips scores below twice that."""


def rounded(scores: npt.NDArray[np.float64], levels: int) -> npt.NDArray[np.float64]:
    """The greatest point of the grid that is not above each score, from 0 to 1. levels: a power of two."""
    distance = np.minimum(scores, 1 - scores)
    width = np.clip(_power_of_two(distance) * (OUTER / levels), NARROWEST, 1 / levels)
    return np.asarray(np.floor(scores / width) * width)


def _power_of_two(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The greatest power of two that is not above each number; for 0 and for subnormal numbers, something tiny."""
    scaled = numbers * SPLITTER
    nearest = scaled - (scaled - numbers)
    return np.where(nearest > numbers, nearest / 2, nearest)
