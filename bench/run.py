"""`make bench`: what Ratchet costs beside bare scripts that do only what can't be left out.

Each figure is a ratio of pairs run in turn on this machine, with the load beside it. Usage: python bench/run.py
[quick|full|NAME ...]. `quick` (the default) takes the flights as they are, ten minutes on two cores; `full` adds 3.3
million rows for both engines and 10 million for Spark, twenty minutes more. NAME is one of them: sklearn, spark, cycle,
sklearn-10, spark-10, spark-30, the number being how many times over the flights are taken; sklearn-few, 5,000 of
them with four features; sklearn-own, spark-own, the estimators of `examples/own-model`.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import mlflow

sys.path.insert(0, str(Path(__file__).parent))

from larger import write, write_few
from measure import Ratio, Taken, measure, paired

FOLDER = Path(tempfile.gettempdir()) / "ratchet-bench"
TABLE = "data/flights"
PYTHON = sys.executable
QUICK = ("sklearn", "spark", "cycle")
SIZES = {"quick": QUICK, "full": (*QUICK, "sklearn-10", "spark-10", "spark-30")}
_FEW = 5_000
_FOUR = {"RATCHET__DATA__NUMERIC": "[hour, distance, temperature]", "RATCHET__DATA__CATEGORICAL": "[carrier]"}
OWN = {
    "sklearn": "our_models.delays:make",
    "spark": "our_models.spark_delays:stages",
}
_MIB = 1024**2


_PAGE = """# What Ratchet costs

Made by `make bench`: each figure is the median of pairs run in turn with a bare script (`bench/bare_*.py`) that reads,
fits, calibrates, chooses the threshold and scores with the same settings, and nothing else.

{machine}. Load: the one-minute average at the end of the pairs.

| measurement | wall | to reach | peak memory | to reach | bare | load |
|---|---|---|---|---|---|---|
{rows}
"""


def main(names: Sequence[str]) -> None:
    """Run the measurements and write the table."""
    chosen = [name for given in names for name in SIZES.get(given, (given,))]
    rows = "\n".join(_measured(name) for name in chosen)
    machine = f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {sys.version.split()[0]}"
    text = _PAGE.format(machine=machine, rows=rows)
    (FOLDER / f"{'-'.join(names)}.md").write_text(text, encoding="utf-8")
    print(text)


def _measured(name: str) -> str:
    variables = _fresh()
    if name == "cycle":
        return _cycle(variables)
    if name == "sklearn":
        _five_versions(variables)
        return _row("sklearn, flights, 5 versions", paired(_train(name), _bare(name), variables, 3), 1.8, 1.2)
    if name == "spark":
        return _row("spark, flights", paired(_train(name), _bare(name), variables, 3), 1.3, None)
    engine, _, times = name.partition("-")
    if times == "own":
        variables["PYTHONPATH"] = "examples/own-model"
        command = [*_train(engine), "--set", f"{engine}.estimator={OWN[engine]}"]
        return _row(f"{engine}, own", paired(command, [*_bare(engine), OWN[engine]], variables, 3), None, None)
    if times == "few":
        variables |= {"RATCHET__DATA__URI": str(FOLDER / "few"), **_FOUR}
        write_few(_FEW, FOLDER / "few")
        ratio = paired(_train(engine), _bare(engine, str(FOLDER / "few")), variables, 5)
        return _row(f"{engine}, {_FEW:,} rows, 4 features", ratio, 2.0, None)
    table = _larger(int(times))
    variables |= {"RATCHET__DATA__URI": table, "RATCHET__SPARK__DRIVER_MEMORY": "8GiB", "DRIVER_MEMORY": "8g"}
    ratio = paired(_train(engine), _bare(engine, table), variables, 1)
    wall = {"sklearn-10": 1.15, "spark-10": 1.3}.get(name)
    return _row(f"{engine}, {int(times) * 0.327:.1f} million rows", ratio, wall, 1.2 if engine == "sklearn" else None)


def _train(engine: str) -> list[str]:
    # The bare scripts fit once.
    return [PYTHON, "-m", "ratchet", "train", engine, "--env", "dev", "--set", "windows.refit=false"]


def _bare(engine: str, table: str = TABLE) -> list[str]:
    return [PYTHON, f"bench/bare_{engine}.py", table]


def _fresh() -> dict[str, str]:
    """Variables that give the next measurement an MLflow of its own, with its tables: they are made once, a set-up."""
    shutil.rmtree(FOLDER / "mlflow", ignore_errors=True)
    (FOLDER / "mlflow").mkdir(parents=True)
    uri = f"sqlite:///{FOLDER}/mlflow/mlflow.db"
    mlflow.MlflowClient(uri).search_experiments()
    return {
        "MLFLOW_TRACKING_URI": uri,
        "RATCHET__TRACKING__ARTIFACTS": f"{FOLDER}/mlflow/artifacts",
    }


def _five_versions(variables: dict[str, str]) -> None:
    """Register five versions, each forced through, so that the trainer has five to score."""
    for month in range(7, 12):
        until = ["--as-of", f"2013-{month:02d}-01", "--set", "sklearn.params.max_iter=50"]
        measure([*_train("sklearn"), *until, "--cycle", f"v{month}"], variables)
        # By hand: what the registrar would say of them does not matter, only that there are versions to score.
        _register(f"v{month}", variables["MLFLOW_TRACKING_URI"])


def _register(cycle: str, uri: str) -> None:
    mlflow.set_tracking_uri(uri)
    run = mlflow.search_runs(
        search_all_experiments=True, filter_string=f"tags.`ratchet.cycle` = '{cycle}'", output_format="list"
    )[0]
    mlflow.register_model(run.data.tags["ratchet.model_uri"], "flights-sklearn")


def _cycle(variables: dict[str, str]) -> str:
    command = [PYTHON, "-m", "ratchet", "retrain", "--env", "dev"]
    bare = [measure(_bare(engine), variables) for engine in ("sklearn", "spark")]
    ours = measure(command, variables)
    wall = sum(one.wall for one in bare)
    both = Taken(wall, sum(one.cpu for one in bare), max(one.peak for one in bare), 0)
    ratio = Ratio(ours.wall / wall, ours.peak / both.peak, ours, both, os.getloadavg()[0])
    return _row("a whole cycle beside both scripts in turn", ratio, 1.5, None)


def _larger(times: int) -> str:
    folder = FOLDER / f"flights-{times}"
    if not folder.exists():
        write(times, folder)
    return str(folder)


def _row(name: str, ratio: Ratio, wall: float | None, peak: float | None) -> str:
    cells: Sequence[str] = (
        name,
        f"{ratio.wall:.2f} × ({ratio.ours.wall:.1f} s, CPU {ratio.ours.cpu:.0f} s)",
        "" if wall is None else f"≤ {wall} ×",
        f"{ratio.peak:.2f} × ({ratio.ours.peak / _MIB:.0f} MiB; Python {ratio.ours.python_peak / _MIB:.0f})",
        "" if peak is None else f"≤ {peak} ×",
        f"{ratio.bare.wall:.1f} s, CPU {ratio.bare.cpu:.0f} s, {ratio.bare.peak / _MIB:.0f} MiB",
        f"{ratio.load:.1f}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main(sys.argv[1:] or ["quick"])
