"""The Spark engine: one session, the windows in its cache, counts instead of rows on their way to Python.

The registered model is one PipelineModel: preprocessing, estimator, calibration of its probability into `score`,
and a Binarizer that writes `prediction` at the chosen threshold. It serves without knowing of Ratchet.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import lru_cache
from itertools import chain
from types import TracebackType
from typing import Any, Self

import pandas as pd

from ratchet import background
from ratchet.core.evaluation.counts import Confusion, Counts
from ratchet.core.evaluation.feature_counts import FeatureCounts
from ratchet.core.evaluation.importance import Permuted
from ratchet.core.gate.day_counts import DayCounts, oldest_day
from ratchet.core.search import Params
from ratchet.core.slices import Grouping, Slice
from ratchet.core.windows import Window, Windows
from ratchet.engines.base import LOGGED_AS, Drawn, Measured, Role, Sample, Sliced, WindowSummary
from ratchet.engines.loading import downloaded, loading
from ratchet.engines.own_code import digest
from ratchet.engines.spark import (
    calibration,
    day_counts,
    features,
    logging,
    own,
    permuting,
    pipeline,
    reading,
    slicing,
    window_facts,
)
from ratchet.engines.spark.errors import spark_errors
from ratchet.engines.spark.features import Numeric
from ratchet.engines.spark.folding import folded
from ratchet.engines.spark.measuring import counted, measured
from ratchet.engines.spark.pipeline import PREDICTION, PROBABILITY, Categories, Numbers
from ratchet.engines.spark.recipe import Recipe, recipe
from ratchet.engines.spark.sampling import Picked, labelled, picked
from ratchet.engines.spark.session import Session
from ratchet.engines.spark.window_facts import Text
from ratchet.errors import DataError
from ratchet.io.table import checks
from ratchet.io.table.checks import WindowFacts
from ratchet.io.table.inspection import DAY, LABEL, EventTable
from ratchet.io.table.reader import OTHER, WINDOW
from ratchet.settings import Settings

_EXAMPLE_ROWS = 3
# Of the versions that were loaded the last ones are kept: the champion is scored on all rows, on slices, and permuted.
_KEPT_VERSIONS = 4
_ALL = _TRAIN, _CALIBRATION, _TEST = range(3)


class Spark:
    """Implements `engines.base.Engine`, which documents the calls. Creating one starts Spark in the background."""

    name = "spark"

    def __init__(self, settings: Settings) -> None:
        self.warnings: Sequence[str] = ()
        self._settings = settings
        self.session = Session(settings)
        self._table: EventTable
        self._windows: Windows
        self._rows: Any
        self._distinct: Mapping[int, int]
        self._numeric: list[dict[str, Numeric]]
        self._row_counts: list[int]
        self._numbers: list[Numbers]
        self._categories: list[Categories]
        self._features: tuple[tuple[FeatureCounts, ...], tuple[FeatureCounts, ...]]
        self._recipe: Recipe
        self._imported: dict[str, str] = {}
        self._folds: Sequence[tuple[Any, Any]] = ()
        self._tuned: Params = {}
        self._positives: int
        self._stages: dict[Role, list[Any]] = {}
        self._fitted_stages: int
        self._versions_rows: Any
        self._kept_version = lru_cache(_KEPT_VERSIONS)(self._load_version)
        self._groupings: tuple[Grouping, ...]
        self._picking: Future[Picked]
        self._samples: dict[Role, Sample] = {}

    def read(
        self, table: EventTable, windows: Windows, extra: Sequence[str]
    ) -> tuple[WindowSummary, WindowSummary, WindowSummary]:
        spark = self._begin(table, windows)
        with spark_errors(f"reading {table.uri}"):
            rows = reading.frame(spark, table, list(windows), table.entities).persist()
            most = self._recipe.most_categories()
            # Spark plans each of them on one core; the first one fills the cache for the others.
            texts = background.begin("texts", window_facts.texts, rows, table, most, [_TRAIN], _TEST)
            numbers = background.begin("numbers", features.numbers, rows, table.numeric, _ALL)
            equal = background.begin("equal", window_facts.equal_rows, rows, table, _TEST, oldest_day(windows))
            groups = window_facts.groups(rows, table)
            numeric = numbers.result()
            about = [
                window_facts.facts(groups, numeric[place], place, window, table) for place, window in enumerate(windows)
            ]
            _judged(about, table)
            self._rows = rows
            text_counts = self._keep_texts(texts.result(), about, most)
            known = [checks.check_entities(window_facts.entities(rows, name, _TEST), table) for name in table.entities]
            self.warnings = [*_judged(about, table), *checks.check_copies(equal.result().copies, table), *chain(*known)]
            self._distinct = equal.result().distinct
            self._versions_rows = self._rows_for_versions(extra)
        self._keep(about, numeric, text_counts)
        train, calibration, test = (window_facts.summary(groups, place, facts) for place, facts in enumerate(about))
        return train, calibration, test

    def _begin(self, table: EventTable, windows: Windows) -> Any:
        """Begin with a table, forgetting an earlier one; returns the session."""
        spark = self.session.get()
        self._table, self._windows = table, windows
        self._folds, self._tuned = (), {}
        self._kept_version.cache_clear()
        self._recipe = recipe(self._settings, table, spark.sparkContext.defaultParallelism)
        if (code := self._recipe.code) is not None:
            self._imported[code.files.stem] = digest(code.files)
        return spark

    def _keep_texts(
        self, found: Mapping[str, list[Text]], about: list[WindowFacts], most: int
    ) -> list[tuple[FeatureCounts, ...]]:
        """Keep the categories of texts and add their number to `about`; returns their counts, training and test."""
        self._categories = window_facts.categories(found, self._table, most)
        counts = window_facts.counts_of_texts(found, about[_TRAIN], about[_TEST], self._table)
        about[_TRAIN] = window_facts.with_distinct(about[_TRAIN], found)
        return counts

    def _keep(
        self,
        about: Sequence[WindowFacts],
        numeric: list[dict[str, Numeric]],
        text_counts: Sequence[Sequence[FeatureCounts]],
    ) -> None:
        """Keep what the fit and the counts of features need. text_counts: of the training and the test window."""
        self._numeric, self._row_counts = numeric, [facts.rows for facts in about]
        self._numbers = window_facts.numbers(numeric[:1], about[_TRAIN].rows)
        then, now = (
            (*features.counts(numeric[place]), *counts)
            for place, counts in zip((_TRAIN, _TEST), text_counts, strict=True)
        )
        self._features = then, now
        self._positives = about[_CALIBRATION].positives

    def _rows_for_versions(self, extra: Sequence[str]) -> Any:
        """The test rows, with the columns that only existing versions need."""
        spark = self.session.get()
        rows = self._window(_TEST)
        if extra:
            rows = reading.frame(spark, self._table, [self._windows.test], extra).where(f"{WINDOW} = 0")
        # Each version is one job over few rows: with one task per file, starting tasks would dominate.
        return rows.coalesce(spark.sparkContext.defaultParallelism).persist()

    def count_days(self) -> DayCounts:
        with spark_errors("counting by day"):
            oldest, training = oldest_day(self._windows), self._features[0]
            return day_counts.by_day(self._rows, self._distinct, self._table, training, oldest)

    def count_folds(self, params: Params) -> tuple[Counts, ...]:
        if not self._folds:
            self._probe()
            with spark_errors("counting the rows of the folds"):
                self._folds = folded(self._window(_TRAIN), self._windows, self._settings)
        return tuple(self._fold(earlier, later, params) for earlier, later in self._folds)

    def _fold(self, earlier: Any, later: Any, params: Params) -> Counts:
        stages = self._recipe.fitted(self._numbers, self._categories, earlier, params)
        with spark_errors("scoring a fold"):
            return self._counted(_model([*stages, calibration.as_it_is(self.session.get())]).transform(later))

    def count_untuned(self) -> tuple[Counts, Counts]:
        stages = self._recipe.fitted(self._numbers, self._categories, self._window(_TRAIN), {})
        with spark_errors("calibrating the untuned model"):
            calibrator, counts = self._calibrated(stages)
            return counts, self._counted(_model([*stages, calibrator]).transform(self._window(_TEST)))

    def tune(self, params: Params) -> None:
        self._tuned = params

    def fit(self) -> Mapping[str, str]:
        self._picking = background.begin("pick", self._pick)
        self._probe()
        stages = self._recipe.fitted(self._numbers, self._categories, self._window(_TRAIN), self._tuned)
        self._stages["measured"], self._fitted_stages = [*stages], len(stages)
        return self._recipe.parameters(stages, self._tuned)

    def _probe(self) -> None:
        self._recipe.probe(self._numbers, self._categories, self._window(_TRAIN))

    def calibrate(self) -> Counts:
        with spark_errors("calibrating"):
            calibrator, counts = self._calibrated(self._stages["measured"])
        self._stages["measured"].append(calibrator)
        return counts

    def _calibrated(self, stages: Sequence[Any]) -> tuple[Any, Counts]:
        """A calibrator for fitted stages, and the counts of the calibration window with it."""
        choice, levels = self._settings.spark.estimator, self._settings.evaluation.score_levels
        estimated = _model(stages).transform(self._window(_CALIBRATION))
        estimated = estimated.select(PROBABILITY, LABEL, DAY).persist()
        calibrator = calibration.fitted(estimated, LABEL, self._positives, choice, levels)
        counts = self._counted(calibrator.transform(estimated))
        estimated.unpersist()
        return calibrator, counts

    def set_threshold(self, threshold: float) -> None:
        self._samples = {}
        self._stages["measured"].append(pipeline.labeller(threshold))

    def refit(self) -> float:
        self.session.get()  # active in this thread, too
        rows = self._rows.where(reading.column(WINDOW).isin(list(_ALL)))
        numbers = window_facts.numbers(self._numeric, sum(self._row_counts))
        with spark_errors("counting the texts of all windows"):
            most = self._recipe.most_categories()
            texts = window_facts.texts(rows, self._table, most, _ALL, _TEST)
        categories = window_facts.categories(texts, self._table, most)
        stages = self._recipe.fitted(numbers, categories, rows, self._tuned)
        self._stages["refitted"] = [*stages, *self._stages["measured"][self._fitted_stages :]]
        with spark_errors("labelling the test window with both models"):
            return self._labelled_differently()

    def _labelled_differently(self) -> float:
        from pyspark.sql import functions as f

        names = list(self._table.features)
        kept, before = [f"kept{place}" for place in range(len(names))], max(names, key=len) + "'"
        copies = [reading.column(name).alias(copy) for name, copy in zip(names, kept, strict=True)]
        measured = self._model("measured").transform(self._window(_TEST).select("*", *copies))
        again = [f.col(copy).alias(name) for copy, name in zip(kept, names, strict=True)]
        refitted = self._model("refitted").transform(measured.select(f.col(PREDICTION).alias(before), *again))
        (row,) = refitted.select(f.avg((reading.column(before) != f.col(PREDICTION)).cast("double"))).collect()
        return float(row[0])

    def count_test(self) -> Counts:
        with spark_errors("scoring the test window"):
            return self._counted(self._model("measured").transform(self._window(_TEST)))

    def count_slices(self, slices: Sequence[Slice], model_uri: str | None = None) -> Sliced:
        if model_uri is None:
            with spark_errors("counting the values of the slices"):
                self._groupings = slicing.groupings(self._versions_rows, slices)
            model, names = self._model("measured"), list(self._table.features)
        else:
            model, names = self._version(model_uri)
            pipeline.threshold_of(model, model_uri)
        with spark_errors("summing up the slices"):
            rows = slicing.numbered(self._versions_rows, self._groupings, names)
            return Sliced(self._groupings, slicing.sums(model.transform(rows), self._settings.evaluation.score_levels))

    def count_features(self) -> tuple[tuple[FeatureCounts, ...], tuple[FeatureCounts, ...]]:
        return self._features

    def measure(
        self,
        model_uri: str,
        table: EventTable,
        window: Window,
        unlabelled: Window,
        levels: int,
        training: Sequence[FeatureCounts],
    ) -> Measured:
        days = (window, unlabelled)
        return measured(self.session.get(), self._loaded, model_uri, table, days, levels, training)

    def confusion_of(self, model_uri: str) -> Confusion:
        model, names = self._version(model_uri)
        with spark_errors("scoring with it"):
            counted = model.transform(self._versions_rows.select(*map(pipeline.quoted, names), LABEL, DAY))
            found = counted.groupBy(DAY, LABEL, PREDICTION).count().toPandas()
        return Confusion.from_rows(found[DAY], found[LABEL], found[PREDICTION], found["count"])

    def draw(self, rows: int) -> Drawn:
        self.session.get()  # active in this thread, too
        with spark_errors("sampling the test window"):
            few = permuting.drawn(self._versions_rows.drop(OTHER, WINDOW), rows, self._settings.seed)
        return Drawn(few.drop(columns=[DAY, LABEL]), few[DAY].to_numpy(), few[LABEL].to_numpy() == 1)

    def score_permuted(self, columns: pd.DataFrame, permuted: pd.DataFrame, model_uri: str | None = None) -> Permuted:
        spark = self.session.get()  # active in this thread, too
        if model_uri is None:
            model, names = self._model("measured"), list(self._table.features)
        else:
            model, names = self._version(model_uri)
        with spark_errors("scoring permuted rows"):
            return permuting.scored_permuted(spark, model, names, columns, permuted)

    def _version(self, model_uri: str) -> tuple[Any, list[str]]:
        """A registered version, and the columns that it needs; raises as `confusion_of` does."""
        self.session.get()  # active in this thread, too
        return self._kept_version(model_uri)

    def _load_version(self, model_uri: str) -> tuple[Any, list[str]]:
        import mlflow

        with downloaded("it", model_uri) as local:
            schema = mlflow.models.Model.load(local).get_input_schema()
            names = list(self._table.features) if schema is None else schema.input_names()
            lacking = [name for name in names if name not in self._versions_rows.columns]
            if lacking:
                message = f"the column {lacking[0]!r} that it needs is not in the data"
                raise DataError(message)
            return self._loaded(local), names

    def log_model(self, role: Role = "measured") -> str:
        self.session.get()  # active in this thread, too
        with spark_errors("logging the model"):
            return logging.log(self._model(role), LOGGED_AS[role], self._form(role))

    def save_model(self, folder: str) -> None:
        self.session.get()  # active in this thread, too
        with spark_errors("saving the model"):
            logging.save(self._model("measured"), folder, self._form("measured"))

    def _form(self, role: Role) -> dict[str, Any]:
        example = self._picking.result().features.iloc[:_EXAMPLE_ROWS]
        return logging.form(self._recipe.needed(self._stages[role]), self._table, example, self.session.temporary)

    def sample(self, role: Role = "measured") -> Sample:
        if role not in self._samples:
            few = self._picking.result()
            with spark_errors("labelling the sample"):
                self._samples[role] = labelled(self._model(role), few)
        return self._samples[role]

    def mislabelled(self, model_uri: str, role: Role = "measured") -> int:
        import mlflow

        sample = self.sample(role)
        with downloaded("it", model_uri) as local:
            served = loading("it", mlflow.pyfunc.load_model, local).predict(sample.rows)
        return sum(1 for one, other in zip(served, sample.labels, strict=True) if one != other)

    def close(self) -> None:
        self.session.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session.leave(kind)

    def _model(self, role: Role) -> Any:
        return _model(self._stages[role])

    def _window(self, place: int) -> Any:
        return self._rows.where(f"{WINDOW} = {place}")

    def _counted(self, scored: Any) -> Counts:
        return counted(scored, self._settings.evaluation.score_levels)

    def _pick(self) -> Picked:
        with spark_errors("sampling the test window"):
            return picked(self._window(_TEST), self._table.features)

    def _loaded(self, local: str) -> Any:
        import mlflow

        own.check_code(local, self._imported)
        return loading("it", mlflow.spark.load_model, local, dfs_tmpdir=self.session.temporary)


def _model(stages: Sequence[Any]) -> Any:
    from pyspark.ml import PipelineModel

    return PipelineModel(list(stages))


def _judged(about: Sequence[WindowFacts], table: EventTable) -> list[str]:
    warnings = [warning for facts in about for warning in checks.check(facts, table)]
    checks.check_together(about, table)
    return warnings
