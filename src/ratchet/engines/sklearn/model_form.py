"""How a scikit-learn model is stored in MLflow: its signature, an input example and its requirements."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from ratchet.core.model_inputs import BOOLEANS, RAW
from ratchet.engines.requirements import pinned
from ratchet.io.table.inspection import EventTable

_REQUIREMENTS = ("cloudpickle", "mlflow", "numpy", "pandas", "scikit-learn", "scipy")


def form(table: EventTable, example: pd.DataFrame, code: Sequence[str], requirements: Iterable[str]) -> dict[str, Any]:
    """MLflow's arguments, wherever it stores the model.

    example: a few rows of the table's features. code, requirements: of the estimator, if it needs more than others.
    """
    inputs = [ColSpec(DataType.double, name) for name in table.numeric]
    inputs += [ColSpec(DataType.string, name) for name in table.texts]
    return {
        "serialization_format": "cloudpickle",
        "signature": ModelSignature(Schema(inputs), Schema([ColSpec(DataType.long)])),
        "input_example": example,
        "code_paths": [*code] or None,
        "pip_requirements": sorted({*pinned(_REQUIREMENTS), *requirements}),
        "metadata": {BOOLEANS: sorted(table.booleans), RAW: sorted(table.raw)},
    }
