"""What comparing a candidate with 1, 10 and 100 existing versions costs, relative to its run without any.

Usage: python bench/versions.py [sklearn|spark] [VERSIONS ...], after `make run` or `ratchet data flights data/flights`.
Trains four models and registers them in turn as often as needed, in an MLflow in a temporary folder. Then trains a
candidate against each number of versions; with none before and after, because the machine is not quiet. The comparison
(`train.compare`) is the trainer's own measurement.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from tempfile import TemporaryDirectory

import mlflow
from mlflow.tracking import MlflowClient

_TRAINED = 4
_NUMBERS = (1, 10, 100)


def main(engine: str, numbers: Sequence[int]) -> None:
    """Measure and print a table in Markdown."""
    with TemporaryDirectory(prefix="ratchet-versions-") as folder:
        variables = {
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            "RATCHET__TRACKING__ARTIFACTS": f"{folder}/artifacts",
        }
        mlflow.set_tracking_uri(variables["MLFLOW_TRACKING_URI"])
        client = MlflowClient()
        client.search_experiments()  # makes the tables
        months = [f"2013-{12 - place:02d}-01" for place in range(_TRAINED)]
        for month in months:
            _train(engine, f"v{month}", month, variables)
        models = [_logged(client, f"v{month}") for month in months]
        alone = [_measured(engine, "alone-before", variables)]
        found = []
        for number in numbers:
            _register(client, f"flights-{engine}", models, number)
            found.append((number, _measured(engine, f"with-{number}", variables)))
        client.delete_registered_model(f"flights-{engine}")
        alone.append(_measured(engine, "alone-after", variables))
    _print(engine, alone, found)


def _measured(engine: str, cycle: str, variables: Mapping[str, str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and the seconds of the comparison of a candidate for December."""
    before, begin = os.times(), time.perf_counter()
    lines = _train(engine, cycle, "2014-01-01", variables)
    wall, after = time.perf_counter() - begin, os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    (compared,) = (line["seconds"] for line in lines if line.get("event") == "train.compare")
    print(f"{cycle}: {wall:.1f} s, CPU {cpu:.1f} s, comparison {compared} s", file=sys.stderr)
    return wall, cpu, compared


def _train(engine: str, cycle: str, until: str, variables: Mapping[str, str]) -> list[dict[str, object]]:
    command = [sys.executable, "-m", "ratchet", "train", engine, "--env", "dev", "--as-of", until, "--cycle", cycle]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        message = f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}"
        raise RuntimeError(message)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _logged(client: MlflowClient, cycle: str) -> tuple[str, str, dict[str, str]]:
    """The run of a cycle, the address of its files, and its test window as a version's tags."""
    experiments = [one.experiment_id for one in client.search_experiments()]
    run = client.search_runs(experiments, f"tags.`ratchet.cycle` = '{cycle}'")[0]
    copied = ("ratchet.test_from", "ratchet.test_until")
    return run.info.run_id, run.data.tags["ratchet.model_uri"], {name: run.data.tags[name] for name in copied}


def _register(client: MlflowClient, name: str, models: Sequence[tuple[str, str, dict[str, str]]], number: int) -> None:
    """Add versions up to a number; the last one serves."""
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    existing = len(client.search_model_versions(f"name = '{name}'", max_results=1_000))
    for place in range(existing, number):
        run, uri, tags = models[place % len(models)]
        source = uri if uri.startswith("models:/") else _folder(client, uri)
        client.create_model_version(name, source, run, tags={**tags, "ratchet.f1": "0.5"}, await_creation_for=0)
    client.set_registered_model_alias(name, "champion", str(number))


def _folder(client: MlflowClient, uri: str) -> str:
    run, _, path = uri.removeprefix("runs:/").partition("/")
    outputs = client.get_run(run).outputs
    if outputs and outputs.model_outputs:
        return f"models:/{outputs.model_outputs[0].model_id}"
    return f"{client.get_run(run).info.artifact_uri}/{path}"


def _print(engine: str, alone: Sequence[tuple[float, ...]], found: Sequence[tuple[int, tuple[float, ...]]]) -> None:
    wall, cpu = (statistics.mean(column) for column in list(zip(*alone, strict=True))[:2])
    print(f"{engine}, without versions: {wall:.1f} s, CPU {cpu:.1f} s. Load at the end: {os.getloadavg()[0]:.1f}\n")
    print("| versions | run | CPU | the comparison alone |\n|---|---|---|---|")
    for number, (its_wall, its_cpu, compared) in found:
        cells = [f"{its_wall / wall:.2f} × ({its_wall:.1f} s)", f"{its_cpu / cpu:.2f} × ({its_cpu:.1f} s)"]
        print(f"| {number} | {' | '.join(cells)} | {compared / wall:.2f} × ({compared:.1f} s) |")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "sklearn", [int(text) for text in sys.argv[2:]] or _NUMBERS)
