"""A registered model's output for rows: labels and probabilities, from one pass over them.

`engines.sklearn.scorer` and `engines.spark.scorer` return it to servers and batch scoring.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Scored(NamedTuple):
    """One value per row, in the order of the rows.

    labels: exactly the result of the model's own `predict`, 1 for the positive class. probabilities: calibrated, of
    the positive class, in [0, 1].
    """

    labels: npt.NDArray[Any]
    probabilities: npt.NDArray[np.float64]
