"""Small tables of a team's own, as CSV or Parquet: half a year of events, with what the tests put into them."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

DAYS, A_DAY = 180, 48
ROWS = DAYS * A_DAY
FIRST = datetime(2025, 1, 1)  # noqa: DTZ001


def events(**changed):
    """A frame with a time, a label that follows `usage`, two more features and an id; None removes a column."""
    random = np.random.default_rng(1)
    rows = ROWS
    usage = random.normal(size=rows).round(3)
    frame = pd.DataFrame(
        {
            "happened_at": [FIRST + timedelta(hours=24 / A_DAY * row) for row in range(rows)],
            "customer": [f"c{row:06d}" for row in random.permutation(rows)],
            "usage": usage,
            "age": random.integers(18, 80, rows),
            "plan": random.choice(["basic", "plus", "pro"], rows),
            "churned": np.where(random.random(rows) < 1 / (1 + np.exp(1.5 - usage)), "yes", "no"),
        }
    )
    for name, values in changed.items():
        frame = frame.drop(columns=name) if values is None else frame.assign(**{name: values})
    return frame


def written(frame, path):
    """Write it by the ending of the path; returns the path as text."""
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    return str(path)
