"""Scores new days with a registered version: the scikit-learn engine's part of a watch."""

from collections.abc import Sequence

import mlflow
import numpy as np
import pandas as pd
from sklearn.model_selection import FixedThresholdClassifier

from ratchet.core.evaluation.counts import Counts, Floats
from ratchet.core.evaluation.feature_counts import FeatureCounts
from ratchet.core.windows import Window
from ratchet.engines.base import Measured
from ratchet.engines.loading import downloaded, loading
from ratchet.engines.sklearn.features import counted
from ratchet.engines.sklearn.row_form import plain
from ratchet.errors import DataError, FailedError, first_line
from ratchet.io.table import checks, inspection
from ratchet.io.table.inspection import DAY, LABEL, EventTable


def measured(
    model_uri: str,
    table: EventTable,
    window: Window,
    unlabelled: Window,
    levels: int,
    training: Sequence[FeatureCounts],
) -> Measured:
    """As `engines.base.Engine.measure`."""
    rows, newest = (inspection.load(table, days, table.features) for days in (window, unlabelled))
    checks.check_newest(rows.facts, table)
    warnings = checks.check_unlabelled(newest.facts, table)
    if warnings:
        _without_infinite(newest.frame, table.numeric)
    with downloaded("it", model_uri) as local:
        model = loading("it", mlflow.sklearn.load_model, local)
        if not isinstance(model, FixedThresholdClassifier):
            kind = type(model).__name__
            message = f"{model_uri} is a {kind}, not what Ratchet's trainer registers: it has no threshold"
            raise FailedError(message)
        # Code that it carries may be imported only now, and lies in the folder.
        score, young = (_scored(model, model_uri, read.frame[list(table.features)]) for read in (rows, newest))
    counts = Counts.from_rows(rows.frame[DAY], score, rows.frame[LABEL], levels)
    without = Counts.from_rows(newest.frame[DAY], young, np.zeros(len(young), dtype=np.bool_), levels)
    return Measured(counts, float(model.threshold), counted(rows.frame, table, training), without, warnings)


def _without_infinite(frame: pd.DataFrame, numeric: Sequence[str]) -> None:
    """Make infinite numbers missing, in place."""
    for name in numeric:
        frame[name] = frame[name].where(np.isfinite(frame[name]))


def _scored(model: FixedThresholdClassifier, model_uri: str, features: pd.DataFrame) -> Floats:
    if features.empty:
        return np.empty(0)
    try:
        return np.asarray(model.predict_proba(plain(features))[:, 1])
    except Exception as error:
        message = f"{model_uri} can't score the data: {first_line(error)}"
        raise DataError(message) from error
