"""The scikit-learn engine: one process, the windows in memory.

The registered model is a FixedThresholdClassifier around the calibrated pipeline, so that what serves applies the
chosen threshold to calibrated probabilities without knowing of Ratchet.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from types import TracebackType
from typing import Any, Self

import mlflow
import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import FixedThresholdClassifier

from ratchet.core.evaluation import score_grid
from ratchet.core.evaluation.counts import Confusion, Counts, Floats
from ratchet.core.evaluation.feature_counts import FeatureCounts
from ratchet.core.evaluation.importance import Permuted
from ratchet.core.gate.day_counts import DayCounts, Hashes
from ratchet.core.search import Params
from ratchet.core.slices import Grouping, Slice
from ratchet.core.windows import Window, Windows
from ratchet.engines.base import LOGGED_AS, Drawn, Measured, MonthSummary, Role, Sample, Sliced, WindowSummary
from ratchet.engines.requirements import not_compared
from ratchet.engines.sklearn import calibration, model_form, slicing
from ratchet.engines.sklearn.day_counts import of_windows
from ratchet.engines.sklearn.features import copies, counted, entities, hashes
from ratchet.engines.sklearn.folding import check_space, folded
from ratchet.engines.sklearn.logged_model import LoggedModel, LoggedModels, logged_model
from ratchet.engines.sklearn.measuring import measured
from ratchet.engines.sklearn.permuting import scored_permuted
from ratchet.engines.sklearn.recipe import Recipe, recipe
from ratchet.engines.sklearn.refitting import with_pipeline, with_threshold
from ratchet.engines.sklearn.row_form import plain
from ratchet.engines.sklearn.row_order import drawn, ordered
from ratchet.engines.sklearn.scorer import OnePass
from ratchet.errors import DataError
from ratchet.io.table import checks, inspection
from ratchet.io.table.inspection import DAY, LABEL, EventTable, Rows
from ratchet.settings import Settings

_SAMPLE_ROWS = 200


class ScikitLearn:
    """Implements `engines.base.Engine`, which documents the calls."""

    name = "sklearn"

    def __init__(self, settings: Settings) -> None:
        self.warnings: Sequence[str] = ()
        self._settings = settings
        self._table: EventTable
        self._windows: Windows
        self._train: pd.DataFrame | None
        self._calibration: pd.DataFrame | None
        self._test: pd.DataFrame
        self._hashed: list[Hashes]
        self._test_score: Floats
        self._groupings: tuple[Grouping, ...]
        self._plain_test: dict[tuple[str, ...], pd.DataFrame] = {}
        self._features_then: tuple[FeatureCounts, ...]
        self._folds: Sequence[tuple[slice, slice]] = ()
        self._tuned: Params = {}
        self._params: Mapping[str, object] = {}
        self._recipe: Recipe
        self._pipeline: Any
        self._calibrated: CalibratedClassifierCV
        self._models: dict[Role, FixedThresholdClassifier] = {}
        self._versions = LoggedModels()

    def read(
        self, table: EventTable, windows: Windows, extra: Sequence[str]
    ) -> tuple[WindowSummary, WindowSummary, WindowSummary]:
        check_space(self._settings)
        choice, peak = self._settings.sklearn, windows.in_memory(refit=self._settings.windows.refit)
        inspection.check_memory(table, peak, choice.estimator, choice.memory_limit)
        self._table, self._windows = table, windows
        self._recipe = recipe(self._settings, table)
        self._plain_test.clear()
        names = [*table.features, *table.entities]
        loaded = [inspection.load(table, window, names) for window in (windows.train, windows.calibration)]
        loaded.append(inspection.load(table, windows.test, [*names, *extra]))
        facts = [rows.facts for rows in loaded]
        warnings = [warning for one in facts for warning in checks.check(one, table)]
        checks.check_together(facts, table)
        frames = [rows.frame for rows in loaded]
        self._hashed = hashes(frames, table.features)
        equal = copies(self._hashed)
        known = [warning for name in table.entities for warning in checks.check_entities(entities(frames, name), table)]
        self.warnings = [*warnings, *checks.check_copies(equal, table), *known]
        for frame, name in product(frames[:2], {*table.entities} - {*table.features}):
            frame.pop(name)
        self._train, self._calibration, self._test = frames
        # Counted now, because the fit releases the training rows.
        self._features_then = counted(loaded[0].frame, table)
        train, calibration, test = map(_summary, loaded)
        return train, calibration, test

    def count_days(self) -> DayCounts:
        hashed, self._hashed = self._hashed, []
        frames = (self._train, self._calibration, self._test)
        return of_windows(frames, hashed, self._table, self._windows, self._features_then)

    def count_folds(self, params: Params) -> tuple[Counts, ...]:
        frame = self._searched()
        return tuple(self._fold(frame.iloc[earlier], frame.iloc[later], params) for earlier, later in self._folds)

    def _searched(self) -> pd.DataFrame:
        """The training rows in their order, of which a search needs parts again and again, and their folds."""
        if not self._folds:
            self._train = ordered(self._held(self._train))
            self._recipe.probe(self._train)
            self._folds = folded(self._train, self._windows, self._settings)
        return self._held(self._train)

    def _fold(self, earlier: pd.DataFrame, later: pd.DataFrame, params: Params) -> Counts:
        fitted = self._recipe.fitted(earlier, self._recipe.grown(earlier, params))
        return self._counted(later, fitted.predict_proba(self._features(later))[:, 1])

    def count_untuned(self) -> tuple[Counts, Counts]:
        train, later = self._searched(), ordered(self._held(self._calibration))
        fitted = self._recipe.fitted(train, self._recipe.grown(train, {}))
        calibrated = calibration.fitted(fitted, self._features(later), later[LABEL])
        score, test = (calibrated.predict_proba(self._features(rows))[:, 1] for rows in (later, self._test))
        return self._counted(later, score), self._counted(self._test, test)

    def tune(self, params: Params) -> None:
        self._tuned = params

    def fit(self) -> Mapping[str, str]:
        frame, self._train = ordered(self._held(self._train)), None
        self._recipe.probe(frame)
        self._params = self._recipe.grown(frame, self._tuned)
        with self._recipe.logged():
            self._pipeline = self._recipe.fitted(frame, self._params)
        return self._recipe.parameters(self._pipeline, self._params)

    def _held(self, frame: pd.DataFrame | None) -> pd.DataFrame:
        assert frame is not None  # noqa: S101  # the order of calls is the protocol's
        return frame

    def calibrate(self) -> Counts:
        frame, self._calibration = ordered(self._held(self._calibration)), None
        with self._recipe.errors("predict_proba on the calibration window"):
            self._calibrated = calibration.fitted(self._pipeline, self._features(frame), frame[LABEL])
        return self._counts(frame)

    def set_threshold(self, threshold: float) -> None:
        self._models["measured"] = with_threshold(self._calibrated, threshold, self._features(self._test.iloc[:2]))

    def refit(self) -> float:
        rows = ordered(inspection.load(self._table, self._windows.whole, self._table.features).frame)
        fitted = self._recipe.fitted(rows, self._params)
        features, threshold = self._features(self._test), self._models["measured"].threshold
        self._models["refitted"] = with_threshold(with_pipeline(self._calibrated, fitted), threshold, features.iloc[:2])
        measured, refitted = (self._models[role].predict(features) for role in ("measured", "refitted"))
        return float(np.mean(measured != refitted))

    def count_test(self) -> Counts:
        self._test_score = self._scores(self._test)
        return self._counted(self._test, self._test_score)

    def confusion_of(self, model_uri: str) -> Confusion:
        with self._version(model_uri) as (model, names):
            return self._confusion(model.labels(self._rows_for_versions(names)))

    def draw(self, rows: int) -> Drawn:
        few = drawn(self._test, rows, self._settings.seed)
        return Drawn(plain(few.drop(columns=[DAY, LABEL])), few[DAY].to_numpy(), few[LABEL].to_numpy())

    def score_permuted(self, columns: pd.DataFrame, permuted: pd.DataFrame, model_uri: str | None = None) -> Permuted:
        if model_uri is None:
            return scored_permuted(OnePass(self._models["measured"]).score, self._table.features, columns, permuted)
        with self._version(model_uri) as (model, names):
            return scored_permuted(model.score, names, columns, permuted)

    @contextmanager
    def _version(self, model_uri: str) -> Iterator[tuple[LoggedModel, tuple[str, ...]]]:
        """A registered version, and the columns that it needs; raises as `confusion_of` does."""
        with self._versions.use(model_uri) as model:
            names = tuple(self._table.features) if model.names is None else model.names
            lacking = [name for name in names if name not in self._test.columns]
            if lacking:
                message = f"the column {lacking[0]!r} that it needs is not in the data"
                raise DataError(message)
            yield model, names

    def count_slices(self, slices: Sequence[Slice], model_uri: str | None = None) -> Sliced:
        if model_uri is None:
            score, predicted = self._test_score, self._test_score >= self._models["measured"].threshold
            self._groupings = slicing.groupings(self._test, slices)
        else:
            with self._version(model_uri) as (model, names):
                predicted, score = model.score(self._rows_for_versions(names))
        rounded = score_grid.rounded(score, self._settings.evaluation.score_levels)
        return Sliced(self._groupings, slicing.sums(self._test, self._groupings, rounded, np.asarray(predicted) == 1))

    def count_features(self) -> tuple[tuple[FeatureCounts, ...], tuple[FeatureCounts, ...]]:
        return self._features_then, counted(self._test, self._table, self._features_then)

    def measure(
        self,
        model_uri: str,
        table: EventTable,
        window: Window,
        unlabelled: Window,
        levels: int,
        training: Sequence[FeatureCounts],
    ) -> Measured:
        return measured(model_uri, table, window, unlabelled, levels, training)

    def log_model(self, role: Role = "measured") -> str:
        info = mlflow.sklearn.log_model(self._models[role], name=LOGGED_AS[role], **self._form())
        return str(info.model_uri)

    def save_model(self, folder: str) -> None:
        with not_compared():
            mlflow.sklearn.save_model(self._models["measured"], folder, **self._form())

    def _form(self) -> dict[str, Any]:
        example = plain(self._features(self._test.iloc[:3]))
        return model_form.form(self._table, example, self._recipe.code, self._recipe.requirements(self._pipeline))

    def sample(self, role: Role = "measured") -> Sample:
        few = self._test.iloc[np.linspace(0, len(self._test) - 1, _SAMPLE_ROWS).astype(np.int64)]
        features = self._features(few)
        model = self._models[role]
        labels, probabilities = model.predict(features), model.predict_proba(features)[:, 1]
        return Sample(plain(features), labels.tolist(), probabilities.tolist())

    def mislabelled(self, model_uri: str, role: Role = "measured") -> int:
        sample = self.sample(role)
        with logged_model(model_uri) as model:
            served = model.labels(sample.rows)
        return int((served != np.asarray(sample.labels)).sum())

    def close(self) -> None:
        self._train = self._calibration = None
        self._plain_test.clear()
        self._versions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _features(self, frame: pd.DataFrame) -> pd.DataFrame:
        return self._recipe.features(frame)

    def _rows_for_versions(self, names: tuple[str, ...]) -> pd.DataFrame:
        """The test rows as versions receive them; one frame for all that need the same columns."""
        if names not in self._plain_test:
            self._plain_test[names] = plain(self._test[list(names)])
        return self._plain_test[names]

    def _counts(self, frame: pd.DataFrame) -> Counts:
        return self._counted(frame, self._scores(frame))

    def _scores(self, frame: pd.DataFrame) -> Floats:
        with self._recipe.errors("predict_proba"):
            score: Floats = self._calibrated.predict_proba(self._features(frame))[:, 1]
        return score

    def _counted(self, frame: pd.DataFrame, score: Floats) -> Counts:
        return Counts.from_rows(frame[DAY], score, frame[LABEL], self._settings.evaluation.score_levels)

    def _confusion(self, predicted: Any) -> Confusion:
        return Confusion.from_rows(
            self._test[DAY], self._test[LABEL], predicted, np.ones(len(predicted), dtype=np.int64)
        )


def _summary(read: Rows) -> WindowSummary:
    months = read.frame[DAY].to_numpy().astype("datetime64[D]").astype("datetime64[M]")
    table = read.frame[LABEL].groupby(months).agg(["size", "sum"])
    return WindowSummary(
        read.facts.window,
        read.facts.rows,
        read.facts.positives,
        tuple(MonthSummary(f"{month:%Y-%m}", int(row["size"]), int(row["sum"])) for month, row in table.iterrows()),
        {column.name: column.missing for column in read.facts.columns if column.missing},
    )
