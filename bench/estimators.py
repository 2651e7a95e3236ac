"""The scikit-learn engine's estimators on the flights: F1, seconds and peak memory of each in a process of its own.

The windows and the steps are those of a trainer with its defaults: training until November, calibration and threshold
on November, F1 on December. Usage: python bench/estimators.py [TABLE]
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

NAMES = ("hist_gradient_boosting", "xgboost", "lightgbm", "random_forest", "logistic_regression")


def measured(name: str, table: str) -> dict[str, float]:
    """F1, trees, seconds and CPU seconds of the fit, seconds of the scores, MiB before the fit and at its peak."""
    import numpy as np
    import pandas as pd
    import yaml
    from sklearn.metrics import f1_score, precision_recall_curve

    from ratchet.engines.sklearn import boosting, calibration
    from ratchet.engines.sklearn.pipeline import pipeline

    config = yaml.safe_load(Path("configs/dev.yaml").read_text())["data"]
    at, features = config["timestamp"], [*config["numeric"], *config["categorical"]]
    frame = pd.read_parquet(table, columns=[at, *features, "late"]).sort_values(at, kind="stable", ignore_index=True)
    frame[config["categorical"]] = frame[config["categorical"]].astype("category")
    label = frame["late"].astype(np.int64)
    month = frame[at].dt.month
    train, november, december = (np.flatnonzero(rows) for rows in (month < 11, month == 11, month == 12))  # noqa: PLR2004
    rows, before = frame[features].iloc[train], _mib()
    begin, used = time.perf_counter(), time.process_time()
    params: dict[str, object] = {}
    if name in ("xgboost", "lightgbm"):
        unfitted = pipeline(name, {}, config["numeric"], config["categorical"], 0)
        day = frame[at].iloc[train].dt.dayofyear.to_numpy()
        params = boosting.trees(unfitted, rows, label.iloc[train], day)
    model = pipeline(name, params, config["numeric"], config["categorical"], 0).fit(rows, label.iloc[train])
    fit, cpu, peak = time.perf_counter() - begin, time.process_time() - used, _mib()
    calibrated = calibration.fitted(model, frame[features].iloc[november], label.iloc[november])
    score = calibrated.predict_proba(frame[features].iloc[november])[:, 1]
    precision, recall, thresholds = precision_recall_curve(label.iloc[november], score)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    threshold = thresholds[np.argmax(f1[:-1])]
    begin = time.perf_counter()
    score = calibrated.predict_proba(frame[features].iloc[december])[:, 1]
    scored = time.perf_counter() - begin
    value = float(f1_score(label.iloc[december], score >= threshold))
    trees = float(str(params.get("n_estimators", "nan")))
    return {"f1": value, "trees": trees, "fit": fit, "cpu": cpu, "score": scored, "before": before, "peak": peak}


def _mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "data/flights"
    if len(sys.argv) > 2:  # noqa: PLR2004  # one estimator, in a process of its own
        print(json.dumps(measured(sys.argv[2], chosen)))
        sys.exit()
    names = f"{'estimator':24} {'F1':>6} {'trees':>6} {'fit s':>6} {'CPU s':>6}"
    print(f"{names} {'score s':>8} {'MiB':>6} {'of which fit':>13}")
    for each in NAMES:
        done = subprocess.run([sys.executable, __file__, chosen, each], check=True, capture_output=True, text=True)
        one = json.loads(done.stdout)
        seconds = f"{one['fit']:6.1f} {one['cpu']:6.1f} {one['score']:8.2f}"
        memory = f"{one['peak']:6.0f} {one['peak'] - one['before']:13.0f}"
        print(f"{each:24} {one['f1']:6.3f} {one['trees']:6.0f} {seconds} {memory}", flush=True)
