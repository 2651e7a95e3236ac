"""`core.evaluation.score_grid` as an expression of Spark's own functions, operation by operation."""

from typing import Any

from ratchet.core.evaluation.score_grid import NARROWEST, OUTER, SPLITTER


def rounded(score: Any, levels: int) -> Any:
    """The column with the greatest point of the grid that is not above each score."""
    from pyspark.sql import functions as f

    distance = f.least(score, 1 - score)
    scaled = distance * SPLITTER
    nearest = scaled - (scaled - distance)
    power = f.when(nearest > distance, nearest / 2).otherwise(nearest)
    width = f.greatest(f.least(power * (OUTER / levels), f.lit(1 / levels)), f.lit(NARROWEST))
    return f.floor(score / width) * width
