"""What the trainers' tests stand on: a small slice of the flights, and settings for it."""

import atexit
import fcntl
import os
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd
import pytest
import yaml
from mlflow.tracking import MlflowClient

from ratchet.jobs import flights
from ratchet.settings import Settings

NUMERIC = ("hour", "minute", "day_of_week", "distance", "scheduled_duration", "temperature", "humidity", "plane_age")
CATEGORICAL = ("carrier", "origin", "destination", "plane_manufacturer")
FEATURES = [*NUMERIC, *CATEGORICAL]
# A JVM that lives for a minute has no use for what its second compiler makes meanwhile. With the first alone it gets so
# small a cache for its code that it would spend a tenth of its time on making room there.
_SHORT_JVM = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"
# More rounds than any test waits for: a fit that is cut short.
ENDLESS = "sklearn.params.max_iter=1000000"


def made_once(tmp_path_factory, name, make):
    """A folder that `make(folder)` fills: where tests run in several processes, one makes it and the others wait."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            try:
                make(folder)
            except BaseException:
                shutil.rmtree(folder)
                raise
    return folder


@pytest.fixture(scope="session")
def flights_slice(tmp_path_factory):
    """The address of every twentieth flight from January to May."""

    def write(folder):
        frame = flights._flights()
        frame = frame[frame["year_month"] <= "2013-05"].iloc[::20]
        for month, rows in frame.groupby("year_month"):
            part = folder / f"year_month={month}"
            part.mkdir()
            rows.drop(columns="year_month").to_parquet(part / "part-0.parquet", index=False)

    return str(made_once(tmp_path_factory, "flights", write))


def tree(uri, folder, **sections):
    """The settings of a small trainer, as they stand in a file; folder: where MLflow keeps its file and artifacts."""
    return {
        "model": "flights",
        "data": {
            "uri": uri,
            "timestamp": "scheduled_departure",
            "timezone": "America/New_York",
            "label": {"column": "late", "positive": True},
            "numeric": list(NUMERIC),
            "categorical": list(CATEGORICAL),
        },
        "sklearn": {"params": {"max_iter": 20, "learning_rate": 0.1, "max_leaf_nodes": 31}},
        "spark": {"params": {"maxIter": 10}, "conf": {"spark.driver.defaultJavaOptions": _SHORT_JVM}},
        "evaluation": {"bootstrap_samples": 200},
        "tracking": {"uri": f"sqlite:///{folder}/mlflow.db", "artifacts": f"{folder}/artifacts"},
        "retrain": {"engines": ["sklearn"]},
        **sections,
    }


def small_settings(uri, folder, **sections):
    content = tree(uri, folder, **sections)
    for section, key in (("data", "numeric"), ("data", "categorical"), ("retrain", "engines")):
        content[section][key] = tuple(content[section][key])
    return Settings.model_validate(content)


def write_configuration(folder, uri, **sections):
    """A working directory whose configs/test.yaml is `tree`, and with an empty MLflow if it has none."""
    (folder / "configs").mkdir()
    (folder / "configs" / "test.yaml").write_text(yaml.safe_dump(tree(uri, folder, **sections)))
    empty_mlflow(folder)
    return folder


def empty_mlflow(folder):
    """MLflow's database with nothing in it: MLflow itself takes seconds to make one."""
    if not (folder / "mlflow.db").exists():
        shutil.copyfile(_empty_database(), folder / "mlflow.db")


@cache
def _empty_database():
    folder = mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()
    return f"{folder}/mlflow.db"


def window(uri, month):
    """The features and labels of a month, read with nothing of Ratchet's."""
    frame = pd.read_parquet(Path(uri) / f"year_month={month}" / "part-0.parquet")
    return frame[FEATURES].astype(dict.fromkeys(NUMERIC, "float64")), frame["late"]
