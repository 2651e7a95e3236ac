"""A bare script that labels a table: what `ratchet score sklearn` is measured beside. Usage: MODEL TABLE TARGET."""

import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd

model = mlflow.sklearn.load_model(sys.argv[1])
target = Path(sys.argv[3])
target.mkdir(parents=True)
names = list(model.feature_names_in_)
for number, path in enumerate(sorted(Path(sys.argv[2]).rglob("*.parquet"))):
    rows = pd.read_parquet(path)
    texts = {
        name: rows[name].astype(object).where(rows[name].notna(), np.nan)
        for name in names
        if rows[name].dtype == object
    }
    probability = model.predict_proba(rows[names].assign(**texts))[:, 1]
    rows["probability"] = probability
    rows["predicted_label"] = (probability >= model.threshold).astype("int32")
    rows.to_parquet(target / f"part-{number:05}.parquet")
