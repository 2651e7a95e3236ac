"""The calibrator and the threshold where positives are few, on simulated rows: `docs/decisions/0015-few-positives.md`.

Each repeat draws a table in which one row in twenty is positive, fits the default scikit-learn estimator on twice the
rows of the calibration window, calibrates and chooses the threshold in both ways on that window, and measures both on
the same 50,000 new rows. The standard error is that of the paired difference.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from ratchet.core.evaluation.counts import Counts
from ratchet.core.evaluation.metrics import metrics
from ratchet.core.evaluation.threshold import choose, choose_expected
from ratchet.engines.sklearn.pipeline import pipeline

POSITIVES = (20, 200, 1000)
REPEATS = 20
TEST_ROWS = 50_000
_BASE_RATE = 0.05
_LEVELS = 16_384
_FEATURES = [f"x{place}" for place in range(8)]
_WAYS = {"isotonic": choose, "sigmoid": choose_expected}


def main() -> None:
    """Print a Markdown table with a line for each number of positives."""
    print("| positives | F1: isotonic | sigmoid, expected F1 | gain | log loss: isotonic | sigmoid |")
    print("|---|---|---|---|---|---|")
    random = np.random.default_rng(7)
    for positives in POSITIVES:
        found = np.array([_repeat(random, round(positives / _BASE_RATE)) for _ in range(REPEATS)])
        (f1, f1_sigmoid), (loss, loss_sigmoid) = found.mean(axis=0)
        gains = found[:, 0, 1] - found[:, 0, 0]
        error = gains.std(ddof=1) / np.sqrt(REPEATS)
        print(
            f"| {positives} | {f1:.3f} | {f1_sigmoid:.3f} | {gains.mean():+.4f} ± {error:.4f} | {loss:.3f}"
            f" | {loss_sigmoid:.3f} |",
            flush=True,
        )


def _repeat(random: np.random.Generator, rows: int) -> list[list[float]]:
    """F1 and log loss of both ways: two lists in the order of `_WAYS`. rows: of the calibration window."""
    model = pipeline("hist_gradient_boosting", {}, _FEATURES, [], 0).fit(*_drawn(random, 2 * rows))
    window, test = _drawn(random, rows), _drawn(random, TEST_ROWS)
    measured = [_measured(model, method, window, test) for method in _WAYS]
    return [[one[name] for one in measured] for name in ("f1", "log_loss")]


def _measured(model: Pipeline, method: str, window: tuple, test: tuple) -> dict[str, float]:  # type: ignore[type-arg]
    calibrated = CalibratedClassifierCV(FrozenEstimator(model), method=method).fit(*window)
    then, now = (
        Counts.from_rows(np.zeros(len(label)), calibrated.predict_proba(rows)[:, 1], label, _LEVELS)
        for rows, label in (window, test)
    )
    return metrics(now, _WAYS[method](then).value)


def _drawn(random: np.random.Generator, rows: int) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    """Features and labels; the odds grow with some features and with a product of two."""
    features = random.normal(size=(rows, len(_FEATURES)))
    margin = features[:, :4] @ [1.0, 0.7, 0.5, 0.3] + 0.7 * features[:, 4] * features[:, 5]
    chance = 1 / (1 + np.exp(-(margin - 3.87)))
    return pd.DataFrame(features, columns=_FEATURES), (random.random(rows) < chance).astype(np.int64)


if __name__ == "__main__":
    main()
