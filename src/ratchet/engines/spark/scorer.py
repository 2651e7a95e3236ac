"""Labels and probabilities of a registered Spark model, from one pass over the rows.

A server uses a `SparkScorer` for pandas frames; batch scoring uses `outcome` on Spark frames.
"""

from typing import Any

import numpy as np

from ratchet.engines.scored import Scored
from ratchet.engines.spark.pipeline import PREDICTION, PROBABILITY, SCORE
from ratchet.errors import FailedError


class SparkScorer:
    """A loaded model that returns labels and probabilities; thread-safe.

    model: the result of `mlflow.pyfunc.load_model`; its Spark session must stay active.
    """

    def __init__(self, model: Any) -> None:
        from mlflow.pyfunc import PyFuncModel

        # MLflow's own wrapper enforces the signature just as `model.predict` does.
        self._served = PyFuncModel(model.metadata, _OnePass(model), predict_fn="score")

    def score(self, rows: Any) -> Scored:
        """Score any input that the model's `predict` accepts, such as a DataFrame; raises the same errors."""
        scored: Scored = self._served.predict(rows)
        return scored


class _OnePass:
    def __init__(self, model: Any) -> None:
        from pyspark.sql import SparkSession

        self._spark = SparkSession.builder.getOrCreate()
        self._model = model.get_raw_model()
        self._types = _types(model)

    def score(self, rows: Any) -> Scored:
        frame = self._spark.createDataFrame(rows, schema=self._types)
        scored = self._model.transform(frame)
        found = scored.select(*outcome(scored)).collect()
        pairs = np.array(found, dtype=np.float64).reshape(-1, 2)
        return Scored(pairs[:, 0], pairs[:, 1])


def outcome(scored: Any) -> tuple[Any, Any]:
    """The columns with label and probability of the positive class in rows that a model has transformed.

    Raises FailedError if the model adds no label or no probability.
    """
    from pyspark.ml.functions import vector_to_array

    columns = scored.columns
    if PREDICTION in columns and SCORE in columns:
        return scored[PREDICTION], scored[SCORE]
    if PREDICTION in columns and PROBABILITY in columns:
        return scored[PREDICTION], vector_to_array(scored[PROBABILITY])[1]
    message = f"the model gives no label and probability: it writes the columns {', '.join(columns)}"
    raise FailedError(message)


def _types(model: Any) -> Any:
    """The signature as a Spark schema, so that no type is inferred from the rows; every value may be missing."""
    from pyspark.sql.types import StructField, StructType

    schema = model.metadata.get_input_schema()
    if schema is None or not schema.has_input_names():
        return None
    return StructType([StructField(field.name, field.dataType, nullable=True) for field in schema.as_spark_schema()])
