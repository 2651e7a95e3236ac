"""Batch scoring with Spark: each executor reads, scores and writes its part of the table; the driver gets no rows.

Spark's files appear all at once at the end of its job, and `_SUCCESS` afterwards (`io.table.score_target`).
"""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from ratchet.core.model_inputs import ModelInputs
from ratchet.engines.base import Tally
from ratchet.engines.loading import downloaded, loading
from ratchet.engines.spark import reading
from ratchet.engines.spark.errors import spark_errors
from ratchet.engines.spark.scorer import outcome
from ratchet.engines.spark.session import Session
from ratchet.io.table.score_target import LABEL, PROBABILITY, VERSION, Target
from ratchet.io.table.table import ScoringTable
from ratchet.settings import Settings

_GIVEN = "__given__"


class SparkScoring:
    """Implements `engines.base.BatchScorer`, which documents the methods. Spark starts in the constructor."""

    name = "spark"

    def __init__(self, settings: Settings) -> None:
        self._session = Session(settings)
        self._model: Any

    def load(self, model_uri: str, model: str) -> ModelInputs:
        with downloaded(model, model_uri) as local:
            return loading(model, self._load, local, model)

    def _load(self, local: str, model: str) -> ModelInputs:
        import mlflow

        inputs = ModelInputs.of(mlflow.models.Model.load(local), model)
        self._session.get()  # active in this thread, too
        self._model = mlflow.spark.load_model(local, dfs_tmpdir=self._session.temporary)
        return inputs

    def steps(self, table: ScoringTable) -> int | None:
        del table
        return 1

    def score(self, table: ScoringTable, target: Target, version: int, said: Callable[[int], None]) -> Tally:
        from pyspark.sql import functions as f

        spark = self._session.get()
        written = ("s3a://" if target.store.remote else "file://") + target.store.root
        with spark_errors(f"scoring {table.uri}"):
            infinite = {name: spark.sparkContext.accumulator(0) for name in table.numeric}
            rows, given, inputs = reading.unlabelled_frame(spark, table, infinite)
            # Only the features keep their names, and the model drops them, so its columns clash with none of the table.
            features = [f.col(name).alias(feature) for name, feature in zip(inputs, table.features, strict=True)]
            scored = self._model.transform(rows.select(*features, f.struct(*given).alias(_GIVEN)))
            label, probability = outcome(scored)
            added = (label.cast("int").alias(LABEL), probability.alias(PROBABILITY), f.lit(version).alias(VERSION))
            passed = [f.col(f"{_GIVEN}.{name}").alias(own) for name, own in zip(given, table.schema.names, strict=True)]
            writer = scored.select(*passed, *added).write.mode("append")
            # Spark's own _SUCCESS would appear before the target's, without its facts.
            writer.option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false").parquet(written)
            counted = spark.read.parquet(written).agg(f.count(f.lit(1)), f.count_if(f.col(LABEL) == 1)).first()
        said(counted[0])
        return Tally(counted[0], counted[1], {name: one.value for name, one in infinite.items() if one.value})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.leave(kind)
