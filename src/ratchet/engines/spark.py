"""The Spark engine: one session, the windows in its cache, counts instead of rows on their way to Python.

The registered model is one PipelineModel: preprocessing, estimator, isotonic calibration of its probability into
`score`, and a Binarizer that writes `prediction` at the chosen threshold. It serves without knowing of Ratchet.
"""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import pandas as pd

from ratchet.core.counts import Confusion, Counts
from ratchet.core.feature_counts import FeatureCounts
from ratchet.core.windows import Window, Windows
from ratchet.engines import spark_facts, spark_features, spark_pipeline, spark_rows
from ratchet.engines.base import Measured, Sample, WindowSummary
from ratchet.engines.loading import loading
from ratchet.engines.requirements import pinned
from ratchet.engines.spark_errors import spark_errors
from ratchet.engines.spark_pipeline import ESTIMATORS, PREDICTION, PROBABILITY, SCORE, Categories, Numbers
from ratchet.engines.spark_rows import VALUE, WINDOW
from ratchet.engines.spark_session import Session
from ratchet.errors import DataError
from ratchet.io import checks
from ratchet.io.checks import WindowFacts
from ratchet.io.data import DAY, LABEL, Table
from ratchet.settings import Settings

_SAMPLE_ROWS = 200
_EXAMPLE_ROWS = 3
_REQUIREMENTS = ("mlflow", "numpy", "pandas", "pyarrow", "pyspark")
_TRAIN, _CALIBRATION, _TEST = range(3)


class Spark:
    """Implements `engines.base.Engine`; what the calls mean is said there. Spark begins to start when it is made."""

    name = "spark"

    def __init__(self, settings: Settings) -> None:
        self.warnings: Sequence[str] = ()
        self._settings = settings
        self._session = Session(settings)
        self._table: Table
        self._windows: Windows
        self._rows: Any
        self._numbers: list[Numbers]
        self._categories: list[Categories]
        self._text_counts: list[tuple[FeatureCounts, ...]]
        self._estimator: Any
        self._stages: list[Any] = []
        self._versions_rows: Any
        self._sample: pd.DataFrame | None = None

    def read(
        self, table: Table, windows: Windows, extra: Sequence[str]
    ) -> tuple[WindowSummary, WindowSummary, WindowSummary]:
        spark = self._session.get()
        self._table, self._windows = table, windows
        choice = self._settings.spark
        cores = spark.sparkContext.defaultParallelism
        self._estimator = spark_pipeline.estimator(choice.estimator, choice.params, LABEL, self._settings.seed, cores)
        with spark_errors(f"reading {table.uri}"):
            rows = spark_rows.frame(spark, table, list(windows)).persist()
            groups = _groups(rows, table)
            about = [spark_facts.facts(rows, groups, place, window, table) for place, window in enumerate(windows)]
            _judged(about, table)
            positive = spark_facts.positive_values(groups, table)
            self._rows = _labelled(rows, positive)
            most = spark_pipeline.most_categories(choice.estimator, self._estimator)
            texts = spark_facts.texts(self._rows, table, most, _TRAIN, _TEST)
            self._categories = spark_facts.categories(texts, table, most)
            self._text_counts = spark_facts.counts_of_texts(texts, about[_TRAIN], about[_TEST], table)
            about[_TRAIN] = spark_facts.with_distinct(about[_TRAIN], texts)
            self.warnings = _judged(about, table)
            self._versions_rows = self._window(_TEST)
            if extra:
                rows = spark_rows.frame(spark, table, [windows.test], extra).persist()
                self._versions_rows = _labelled(rows, positive).where(f"{WINDOW} = 0")
        self._numbers = spark_facts.numbers(groups, _TRAIN, about[_TRAIN], table)
        train, calibration, test = (
            spark_facts.summary(groups, place, facts, table) for place, facts in enumerate(about)
        )
        return train, calibration, test

    def fit(self) -> Mapping[str, str]:
        from pyspark.ml import Pipeline

        choice = self._settings.spark
        stages = spark_pipeline.preprocessing(ESTIMATORS[choice.estimator], self._numbers, self._categories)
        with spark_errors(f"fitting {choice.estimator}", parameters="spark.params"):
            fitted = Pipeline(stages=[*stages, self._estimator]).fit(self._window(_TRAIN))
        self._stages = list(fitted.stages)
        return spark_pipeline.parameters([*self._stages[:-1], self._estimator])

    def calibrate(self) -> Counts:
        from pyspark.ml import PipelineModel
        from pyspark.ml.regression import IsotonicRegression

        calibrator = IsotonicRegression(featuresCol=PROBABILITY, featureIndex=1, labelCol=LABEL, predictionCol=SCORE)
        with spark_errors("calibrating"):
            estimated = PipelineModel(self._stages).transform(self._window(_CALIBRATION))
            estimated = estimated.select(PROBABILITY, LABEL, DAY).persist()
            calibration = calibrator.fit(estimated)
            counts = self._counts(calibration.transform(estimated))
            estimated.unpersist()
        self._stages.append(calibration)
        return counts

    def set_threshold(self, threshold: float) -> None:
        self._sample = None
        self._stages.append(spark_pipeline.labeller(threshold))

    def count_test(self) -> Counts:
        with spark_errors("scoring the test window"):
            return self._counts(self._model.transform(self._window(_TEST)))

    def count_features(self) -> tuple[tuple[FeatureCounts, ...], tuple[FeatureCounts, ...]]:
        with spark_errors("counting the features"):
            then, now = spark_features.numbers(self._rows, self._table.numeric, (_TRAIN, _TEST))
        texts_then, texts_now = self._text_counts
        return (*then, *texts_then), (*now, *texts_now)

    def measure(
        self, model_uri: str, table: Table, window: Window, levels: int, training: Sequence[FeatureCounts]
    ) -> Measured:
        spark = self._session.get()
        with spark_errors(f"reading {table.uri}"):
            rows = spark_rows.frame(spark, table, [window]).persist()
            groups = _groups(rows, table)
            checks.check_newest(spark_facts.facts(rows, groups, 0, window, table), table)
            rows = _labelled(rows, spark_facts.positive_values(groups, table)).where(f"{WINDOW} = 0")
        model = self._loaded(_downloaded(model_uri))
        threshold = spark_pipeline.threshold_of(model, model_uri)
        with spark_errors(f"scoring with {model_uri}"):
            counts = self._counts(model.transform(rows), levels)
            (numbers,) = spark_features.numbers(rows, table.numeric, (0,))
            texts = spark_features.texts(rows, table.categorical, training)
        return Measured(counts, threshold, (*numbers, *texts))

    def confusion_of(self, model_uri: str) -> Confusion:
        import mlflow

        local = _downloaded(model_uri)
        schema = mlflow.models.Model.load(local).get_input_schema()
        names = list(self._table.features) if schema is None else schema.input_names()
        lacking = [name for name in names if name not in self._versions_rows.columns]
        if lacking:
            message = f"the column {lacking[0]!r} that it needs is not in the data"
            raise DataError(message)
        with spark_errors("scoring with it"):
            model = self._loaded(local)
            counted = model.transform(self._versions_rows.select(*map(spark_pipeline.quoted, names), LABEL, DAY))
            found = counted.groupBy(DAY, LABEL, PREDICTION).count().toPandas()
        return Confusion.from_rows(found[DAY], found[LABEL], found[PREDICTION], found["count"])

    def log_model(self) -> str:
        import mlflow
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, DataType, Schema

        self._session.get()  # active in this thread, too
        inputs = [ColSpec(DataType.double, name) for name in self._table.numeric]
        inputs += [ColSpec(DataType.string, name) for name in self._table.categorical]
        with spark_errors("logging the model"):
            info = mlflow.spark.log_model(
                self._model,
                artifact_path="model",
                dfs_tmpdir=self._session.temporary,
                signature=ModelSignature(Schema(inputs), Schema([ColSpec(DataType.double)])),
                input_example=self._sampled()[list(self._table.features)].iloc[:_EXAMPLE_ROWS],
                pip_requirements=pinned(_requirements(self._settings.spark.estimator)),
            )
        return str(info.model_uri)

    def sample(self) -> Sample:
        found = self._sampled()
        labels, probabilities = found[PREDICTION].astype(int), found[SCORE]
        return Sample(found[list(self._table.features)], labels.tolist(), probabilities.tolist())

    def mislabelled(self, model_uri: str) -> int:
        import mlflow

        sample = self.sample()
        served = loading("it", mlflow.pyfunc.load_model, model_uri).predict(sample.rows)
        return sum(1 for one, other in zip(served, sample.labels, strict=True) if one != other)

    def close(self) -> None:
        self._session.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.leave(kind)

    @property
    def _model(self) -> Any:
        from pyspark.ml import PipelineModel

        return PipelineModel(self._stages)

    def _window(self, place: int) -> Any:
        return self._rows.where(f"{WINDOW} = {place}")

    def _counts(self, scored: Any, levels: int | None = None) -> Counts:
        from pyspark.sql import functions as f

        levels = levels or self._settings.evaluation.score_levels
        level = f.floor(f.col(SCORE) * levels).alias("level")
        found = scored.groupBy(DAY, level, LABEL).count().toPandas()
        return Counts.from_table(found[DAY], found["level"] / levels, found[LABEL], found["count"], levels)

    def _sampled(self) -> pd.DataFrame:
        """Some test rows, the same ones each time however they lie, with the trainer's own labels for them."""
        from pyspark.sql import functions as f

        if self._sample is None:
            features = [f.col(spark_pipeline.quoted(name)) for name in self._table.features]
            rows = self._window(_TEST)
            few = rows.orderBy(f.xxhash64(DAY, *features)).limit(_SAMPLE_ROWS)
            given = few.select(WINDOW, *features, f.struct(*features).alias("__given__"))
            with spark_errors("sampling the test window"):
                labelled = self._model.transform(given).select("__given__.*", PREDICTION, SCORE)
                self._sample = labelled.toPandas()
        return self._sample

    def _loaded(self, local: str) -> Any:
        import mlflow

        return loading("it", mlflow.spark.load_model, local, dfs_tmpdir=self._session.temporary)


def _groups(rows: Any, table: Table) -> list[spark_facts.Group]:
    """The first time that values are looked at. A number that is none gets the sentence of the other reader."""
    from pyspark.errors import NumberFormatException

    try:
        return spark_facts.groups(rows, table)
    except NumberFormatException:
        spark_rows.scan(table, table.features)
        raise


def _judged(about: Sequence[WindowFacts], table: Table) -> list[str]:
    warnings = [warning for facts in about for warning in checks.check(facts, table)]
    checks.check_together(about, table)
    return warnings


def _labelled(rows: Any, positive: Sequence[object]) -> Any:
    from pyspark.sql import functions as f

    return rows.withColumn(LABEL, f.col(VALUE).isin(list(positive)).cast("double")).drop(VALUE)


def _downloaded(model_uri: str) -> str:
    import mlflow

    return str(loading("it", mlflow.artifacts.download_artifacts, model_uri))


def _requirements(estimator: str) -> Sequence[str]:
    return (*_REQUIREMENTS, "xgboost-cpu") if estimator == "xgboost" else _REQUIREMENTS
