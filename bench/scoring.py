"""What `ratchet score sklearn` takes for 3.3 million rows beside a bare script. Usage: python bench/scoring.py PAIRS"""

import os
import shutil
import sys
from pathlib import Path

import mlflow
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))

from larger import write
from measure import measure, paired
from run import FOLDER, PYTHON

MODEL, TIMES = "flights-sklearn", 10
_MIB = 1024**2


def main(pairs: int) -> None:
    """Train a model, score with it and with the bare script in turn, and print both."""
    shutil.rmtree(FOLDER / "scoring", ignore_errors=True)
    (FOLDER / "scoring").mkdir(parents=True)
    uri = f"sqlite:///{FOLDER}/scoring/mlflow.db"
    variables = {"MLFLOW_TRACKING_URI": uri, "RATCHET__TRACKING__ARTIFACTS": f"{FOLDER}/scoring/artifacts"}
    measure([PYTHON, "-m", "ratchet", "train", "sklearn", "--env", "dev"], variables)
    mlflow.set_tracking_uri(uri)
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    version = mlflow.register_model(run.data.tags["ratchet.model_uri"], MODEL).version
    table, target = FOLDER / f"flights-{TIMES}", FOLDER / "scoring" / "scores"
    if not table.exists():
        write(TIMES, table)
    rows = sum(pq.read_metadata(path).num_rows for path in table.rglob("*.parquet"))
    score = [PYTHON, "-m", "ratchet", "score", "sklearn", str(table), str(target), "--version", str(version)]
    clean = f"rm -rf {target}-bare && exec {PYTHON} bench/bare_score.py models:/{MODEL}/{version} {table} {target}-bare"
    found = paired([*score, "--env", "dev"], ["sh", "-c", clean], variables, pairs)
    for name, taken in (("ratchet score", found.ours), ("bare script", found.bare)):
        speed = f"{rows / taken.wall:,.0f} rows/s"
        print(f"{name}: {taken.wall:.1f} s, {speed}, CPU {taken.cpu:.0f} s, {taken.peak / _MIB:.0f} MiB")
    print(f"{rows:,} rows, {found.wall:.2f} x, {os.cpu_count()} cores, load {found.load:.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
