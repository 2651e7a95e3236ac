"""A registered model's output for rows: labels and probabilities, from one pass over them.

`engines.sklearn.scorer` and `engines.spark.scorer` make it; servers and batch scoring read it.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Scored(NamedTuple):
    """A value of each row, in the rows' order.

    labels: exactly what the model's own `predict` returns, 1 where it says positive. probabilities: the calibrated ones
    of the positive class, in [0, 1].
    """

    labels: npt.NDArray[Any]
    probabilities: npt.NDArray[np.float64]
