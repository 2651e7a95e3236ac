"""The calibrator of the Spark engine: from the estimator's `probability` to `score`, in stages of Spark's own.

For few positives it is Platt's sigmoid (see `core.evaluation.few_positives`). Spark has none: an isotonic regression
that maps each number from 0 to 1 to itself takes the number out of the vector, and an SQLTransformer calculates.
"""

from typing import Any

import numpy as np

from ratchet.core.evaluation.few_positives import calibration_method
from ratchet.engines.spark import score_grid
from ratchet.engines.spark.pipeline import PROBABILITY, SCORE

_TAKEN_OUT = "uncalibrated"
# Log-odds have no end; beyond these the estimator's probability says nothing.
_SMALLEST = 2.0**-40
_MOST_STEPS = 100
_RIDGE = 1e-12
_NEGLIGIBLE = 1e-9


def fitted(rows: Any, label: str, positives: int, estimator: str, levels: int) -> Any:
    """A stage fitted on the rows of the calibration window. positives: their number.

    estimator: its name; the sigmoid is fitted on a forest's probability as it is, like scikit-learn's, and otherwise on
    its log-odds. levels: of the grid on which the probabilities come to Python.
    """
    from pyspark.ml.regression import IsotonicRegression

    if calibration_method(positives) == "isotonic":
        isotonic = IsotonicRegression(featuresCol=PROBABILITY, featureIndex=1, labelCol=label, predictionCol=SCORE)
        return isotonic.fit(rows)
    return _sigmoid(rows, label, levels, log_odds=estimator != "random_forest")


def as_it_is(spark: Any, column: str = SCORE) -> Any:
    """A fitted stage that writes the estimator's probability of the positive class to a column, uncalibrated."""
    from pyspark.ml.linalg import Vectors
    from pyspark.ml.regression import IsotonicRegression

    ends = spark.createDataFrame([(Vectors.dense(end, end), end) for end in (0.0, 1.0)], [PROBABILITY, "end"])
    same = IsotonicRegression(featuresCol=PROBABILITY, featureIndex=1, labelCol="end", predictionCol=column)
    return same.fit(ends)


def _sigmoid(rows: Any, label: str, levels: int, *, log_odds: bool) -> Any:
    from pyspark.ml import PipelineModel
    from pyspark.ml.feature import SQLTransformer

    taken_out = as_it_is(rows.sparkSession, _TAKEN_OUT)
    numbers = taken_out.transform(rows)
    point = score_grid.rounded(numbers[_TAKEN_OUT], levels).alias("point")
    counted = numbers.groupBy(point, label).count().toPandas()
    probability = counted["point"].to_numpy().clip(_SMALLEST, 1 - _SMALLEST)
    margin = np.log(probability / (1 - probability)) if log_odds else probability
    slope, intercept = _platt(margin, counted[label].to_numpy() == 1, counted["count"].to_numpy())
    bounded = f"LEAST(GREATEST({_TAKEN_OUT}, {_SMALLEST!r}D), {1 - _SMALLEST!r}D)"
    expression = f"LN({bounded} / (1 - {bounded}))" if log_odds else bounded
    score = f"1 / (1 + EXP(-({slope!r}D * {expression} + {intercept!r}D)))"
    statement = f"SELECT *, {score} AS {SCORE} FROM __THIS__"  # noqa: S608  # made of numbers
    return PipelineModel([taken_out, SQLTransformer(statement=statement)])


def _platt(margin: Any, positive: Any, rows: Any) -> tuple[float, float]:
    """Slope and intercept by maximum likelihood, with Platt's targets (N+ + 1)/(N+ + 2) and 1/(N- + 2).

    Newton's method with halved steps (H.-T. Lin, C.-J. Lin and R. Weng, "A note on Platt's probabilistic outputs for
    support vector machines", Machine Learning 68, 2007). Three arrays of one length; rows: how often each pair occurs.
    """
    positives, negatives = rows[positive].sum(), rows[~positive].sum()
    target = np.where(positive, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    middle, scale = margin.mean(), margin.std() or 1.0
    inputs = np.stack([(margin - middle) / scale, np.ones(len(margin))], axis=1)
    found = np.array([0.0, np.log((positives + 1) / (negatives + 1))])
    for _ in range(_MOST_STEPS):
        score = np.exp(-np.logaddexp(0, -(inputs @ found)))  # the sigmoid, without an overflow
        gradient = inputs.T @ (rows * (score - target))
        curvature = (inputs * (rows * score * (1 - score))[:, None]).T @ inputs + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        gain = float(gradient @ step)
        if gain < _NEGLIGIBLE:
            break
        now, size = _loss(inputs @ found, target, rows), 1.0
        while size > _SMALLEST and _loss(inputs @ (found - size * step), target, rows) > now - 1e-4 * size * gain:
            size /= 2
        found = found - size * step
    slope = float(found[0] / scale)
    return slope, float(found[1] - slope * middle)


def _loss(margin: Any, target: Any, rows: Any) -> float:
    return float((rows * (np.logaddexp(0, margin) - target * margin)).sum())
