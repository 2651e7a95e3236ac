"""The candidate of each decision, trained once and kept as what it does on every later day.

It is trained as `ratchet train sklearn` does, and refitted as a version that is served may be: the pipeline is fitted
on all rows before `as_of`, the map of the calibrator and the threshold stay those that were tested.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from bench.rule.world import World
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from ratchet.core.evaluation.counts import Bools, Confusion, Counts, Floats
from ratchet.core.evaluation.threshold import choose
from ratchet.core.windows import Windows
from ratchet.engines.sklearn.pipeline import pipeline
from ratchet.io.table.inspection import DAY, LABEL
from ratchet.settings import Settings


@dataclass(frozen=True)
class Candidate:
    """A trained version.

    number: its place among the decisions, from 1. counts: of its test window. measured, refitted: its labels by day, of
    all days from the first of its test window on; those of the refitted model count from `as_of` on. flips: the share
    of its test rows that the refitted model labels differently.
    """

    number: int
    windows: Windows
    counts: Counts
    threshold: float
    measured: Confusion
    refitted: Confusion
    flips: float


@dataclass(frozen=True)
class Trained:
    """The two models of a version and their threshold."""

    measured: CalibratedClassifierCV
    refitted: CalibratedClassifierCV
    threshold: float


def candidates(world: World, settings: Settings) -> Iterator[Candidate]:
    """Train the candidate of each decision, in order."""
    for number, as_of in enumerate(world.decisions, 1):
        yield _candidate(world, number, world.windows(as_of), settings)


def train(world: World, windows: Windows, settings: Settings) -> Trained:
    """Train and refit a version."""
    levels = settings.evaluation.score_levels
    calibration = world.between(windows.calibration.start, windows.calibration.end)
    model = CalibratedClassifierCV(
        FrozenEstimator(_fitted(world, world.between(None, windows.train.end), settings)), method="isotonic"
    )
    model.fit(calibration[world.features], calibration[LABEL].astype(np.int64))
    threshold = choose(_counts(calibration, scores(model, world, calibration), levels)).value
    return Trained(model, _refitted(model, world, windows, settings), threshold)


def _candidate(world: World, number: int, windows: Windows, settings: Settings) -> Candidate:
    levels = settings.evaluation.score_levels
    trained = train(world, windows, settings)
    threshold = trained.threshold
    later = world.between(windows.test.start, None)
    score = scores(trained.measured, world, later)
    measured = score >= threshold
    refitted = scores(trained.refitted, world, later) >= threshold
    test = slice(len(world.between(windows.test.start, windows.test.end)))
    return Candidate(
        number,
        windows,
        _counts(later[test], score[test], levels),
        threshold,
        _confusion(later, measured),
        _confusion(later, refitted),
        float(np.mean(measured[test] != refitted[test])),
    )


def _fitted(world: World, rows: pd.DataFrame, settings: Settings) -> Pipeline:
    numeric = [name for name in world.numeric if rows[name].notna().any()]
    params = settings.sklearn.params if world.estimator == settings.sklearn.estimator else {}
    made = pipeline(world.estimator, params, numeric, world.categorical, settings.seed)
    return made.fit(rows[world.features], rows[LABEL].astype(np.int64))


def _refitted(
    model: CalibratedClassifierCV, world: World, windows: Windows, settings: Settings
) -> CalibratedClassifierCV:
    inner = copy.copy(model.calibrated_classifiers_[0])
    inner.estimator = FrozenEstimator(_fitted(world, world.between(None, windows.as_of), settings))
    served = copy.copy(model)
    served.calibrated_classifiers_ = [inner]
    return served


def scores(model: CalibratedClassifierCV, world: World, rows: pd.DataFrame) -> Floats:
    """The calibrated scores of rows."""
    return np.asarray(model.predict_proba(rows[world.features])[:, 1], dtype=np.float64)


def _counts(rows: pd.DataFrame, score: Floats, levels: int) -> Counts:
    return Counts.from_rows(rows[DAY], score, rows[LABEL], levels)


def _confusion(rows: pd.DataFrame, predicted: Bools) -> Confusion:
    return Confusion.from_rows(rows[DAY], rows[LABEL], predicted, np.ones(len(rows), dtype=np.int64))
