"""Logs a Spark model to MLflow, with its signature, an input example and its requirements.

`engines.spark.engine` calls it in a separate thread, alongside the scoring of the test window.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ratchet.core.model_inputs import BOOLEANS, RAW
from ratchet.engines.requirements import pinned
from ratchet.io.table.inspection import EventTable

_REQUIREMENTS = ("mlflow", "numpy", "pandas", "pyarrow", "pyspark")


@dataclass(frozen=True)
class Needed:
    """What a model needs to be loaded besides Spark: by its estimator's name, and of a team's own.

    requirements: in pip's form. code: files of their package.
    """

    estimator: str
    requirements: Sequence[str] = ()
    code: Sequence[str] = ()


def log(model: Any, name: str, form: Mapping[str, Any]) -> str:
    """Log a PipelineModel to the active run under a name; returns its address. Raises the errors of Spark and MLflow.

    form: the result of `form`.
    """
    import mlflow

    _write_no_checksums()
    with _without_trial():
        info = mlflow.spark.log_model(model, artifact_path=name, **form)
    return str(info.model_uri)


def save(model: Any, folder: str, form: Mapping[str, Any]) -> None:
    """Save a PipelineModel in the same form to a local folder, which does not exist yet. Raises like `log`."""
    import mlflow

    _write_no_checksums()
    with _without_trial():
        mlflow.spark.save_model(model, folder, **form)


def form(needed: Needed, table: EventTable, example: pd.DataFrame, temporary: str | None) -> dict[str, Any]:
    """How a model is stored, wherever that is: MLflow's arguments.

    example: a few rows of the table's features. temporary: the folder for the model during its upload, as in
    `Session.temporary`.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    inputs = [ColSpec(DataType.double, name) for name in table.numeric]
    inputs += [ColSpec(DataType.string, name) for name in table.texts]
    packages = (*_REQUIREMENTS, "xgboost-cpu") if needed.estimator == "xgboost" else _REQUIREMENTS
    return {
        "dfs_tmpdir": temporary,
        "signature": ModelSignature(Schema(inputs), Schema([ColSpec(DataType.double)])),
        "input_example": example,
        "code_paths": [*needed.code] or None,
        "pip_requirements": sorted({*pinned(packages), *needed.requirements}),
        "metadata": {BOOLEANS: sorted(table.booleans), RAW: sorted(table.raw)},
    }


def _write_no_checksums() -> None:
    """Keep Hadoop from writing checksum files: half of its local files, and useless in an artifact store.

    Each file costs a request now and at each loading of the model, and a local process, since Hadoop runs `chmod`.
    """
    from pyspark.sql import SparkSession

    spark = SparkSession.active()
    files = spark._jvm.org.apache.hadoop.fs.FileSystem  # noqa: SLF001  # no public way
    files.getLocal(spark.sparkContext._jsc.hadoopConfiguration()).setWriteChecksum(False)  # noqa: SLF001


@contextmanager
def _without_trial() -> Iterator[None]:
    """Keep MLflow from loading the saved model to predict the example.

    This takes Spark seconds and only results in a warning; `mislabelled` checks more rows with the logged model and
    fails the run. MLflow has no option for it, and skips it itself if Spark writes directly to the store.
    """
    from mlflow.models import Model

    find = Model.get_serving_input
    Model.get_serving_input = lambda model, path: None  # noqa: ARG005
    try:
        yield
    finally:
        Model.get_serving_input = find
