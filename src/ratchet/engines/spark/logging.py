"""Logs a Spark model to MLflow: with signature, input example, and the packages that serve it.

`engines.spark.engine` calls it in a thread of its own, beside its scoring of the test window.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

from ratchet.core.model_inputs import BOOLEANS
from ratchet.engines.requirements import pinned
from ratchet.io.table.inspection import EventTable

_REQUIREMENTS = ("mlflow", "numpy", "pandas", "pyarrow", "pyspark")


def log(model: Any, name: str, estimator: str, table: EventTable, example: pd.DataFrame, temporary: str | None) -> str:
    """Log a PipelineModel to the active run under a name; returns its address.

    example: a few rows of the table's features. temporary: where the model lies on its way, as
    `spark_session.Session.temporary` says. Raises what Spark and MLflow raise.
    """
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    _write_no_checksums()
    inputs = [ColSpec(DataType.double, name) for name in table.numeric]
    inputs += [ColSpec(DataType.string, name) for name in table.categorical]
    packages = (*_REQUIREMENTS, "xgboost-cpu") if estimator == "xgboost" else _REQUIREMENTS
    with _without_trial():
        info = mlflow.spark.log_model(
            model,
            artifact_path=name,
            dfs_tmpdir=temporary,
            signature=ModelSignature(Schema(inputs), Schema([ColSpec(DataType.double)])),
            input_example=example,
            pip_requirements=pinned(packages),
            metadata={BOOLEANS: sorted(table.booleans)},
        )
    return str(info.model_uri)


def _write_no_checksums() -> None:
    """Keep Hadoop from writing checksum files: half of its local files, and of no use in an artifact store.

    Each file is a request there, now and at each loading of the model, and a process here: Hadoop runs `chmod`.
    """
    from pyspark.sql import SparkSession

    spark = SparkSession.active()
    files = spark._jvm.org.apache.hadoop.fs.FileSystem  # noqa: SLF001  # no public way
    files.getLocal(spark.sparkContext._jsc.hadoopConfiguration()).setWriteChecksum(False)  # noqa: SLF001


@contextmanager
def _without_trial() -> Iterator[None]:
    """Keep MLflow from loading a model that it has just saved on a local disk, to predict the example with it.

    That takes Spark seconds, and no more than warns; `mislabelled` does it for more rows with what is in the store, and
    refuses. MLflow has no switch for it, and leaves it out itself where Spark writes to the store.
    """
    from mlflow.models import Model

    find = Model.get_serving_input
    Model.get_serving_input = lambda model, path: None  # noqa: ARG005
    try:
        yield
    finally:
        Model.get_serving_input = find
