"""What the scikit-learn trainer can't do without, and nothing else: read, fit, calibrate, choose, score.

The yardstick of `bench/run.py`: the same columns, windows and pipeline as `ratchet train sklearn`, straight through
pandas and scikit-learn; no checks, no logging, no evidence.
The variables RATCHET__DATA__NUMERIC and RATCHET__DATA__CATEGORICAL name other features, as for Ratchet.
Usage: python bench/bare_sklearn.py [TABLE [FUNCTION]], the function making another pipeline: `our_models.delays:make`
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import json
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import f1_score, precision_recall_curve

from ratchet.engines.sklearn.pipeline import pipeline

begin = time.perf_counter()
config = yaml.safe_load(Path("configs/dev.yaml").read_text())["data"]
table = sys.argv[1] if len(sys.argv) > 1 else config["uri"]
for kind in ("numeric", "categorical"):
    config[kind] = yaml.safe_load(os.environ.get(f"RATCHET__DATA__{kind.upper()}", "null")) or config[kind]
features = [*config["numeric"], *config["categorical"]]


def window(start: str | None, end: str) -> tuple[pd.DataFrame, pd.Series]:
    """Features and labels of the days from start up to end."""
    at = config["timestamp"]
    bounds = [(at, "<", pd.Timestamp(end))] + ([(at, ">=", pd.Timestamp(start))] if start else [])
    frame = pd.read_parquet(table, columns=[*features, "late"], filters=bounds)
    frame[config["categorical"]] = frame[config["categorical"]].astype("category")
    return frame[features], frame["late"].astype(np.int64)


rows, labels = window(None, "2013-11-01")
module, _, name = sys.argv[2].partition(":") if len(sys.argv) > 2 else ("", "", "")  # noqa: PLR2004
if name:
    made = getattr(import_module(module), name)(config["numeric"], config["categorical"], params={}, seed=0)
else:
    made = pipeline("hist_gradient_boosting", {}, config["numeric"], config["categorical"], seed=0)
model = made.fit(rows, labels)
del rows, labels
rows, labels = window("2013-11-01", "2013-12-01")
calibrated = CalibratedClassifierCV(FrozenEstimator(model), method="isotonic").fit(rows, labels)
precision, recall, thresholds = precision_recall_curve(labels, calibrated.predict_proba(rows)[:, 1])
f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
threshold = thresholds[np.argmax(f1[:-1])]
rows, labels = window("2013-12-01", "2014-01-01")
scored = f1_score(labels, calibrated.predict_proba(rows)[:, 1] >= threshold)
print(json.dumps({"f1": round(scored, 4), "threshold": round(threshold, 4), "seconds": time.perf_counter() - begin}))
