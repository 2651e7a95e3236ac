"""What `ratchet exporter` costs: the time of a scrape and of the console's page, its memory, what it takes from MLflow.

Usage: python bench/exporter.py [RUNS [PYTHON]]. A real MLflow server is filled with that many runs of two models (400,
a quarter of them versions, 40 features with a drift each, the newest with a year of days); then the exporter asks it,
and is scraped again and again.

PYTHON runs the exporter. That of an environment with what its image has (`uv sync --no-dev --group cluster`) says what
its pod takes: MLflow imports more where there is more.
"""

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

ENGINES = ("sklearn", "spark")
PARAMS, METRICS, FEATURES = 90, 30, 40
RUNS_A_PROMOTION = 8
SCRAPES, PAGES, DAYS = 500, 100, 365
# MLflow's client would print a line for each run.
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
ASKING_SECONDS = 5


def main(runs: int, python: str) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as uri:
        _fill(uri, runs)
        with _exporter(uri, Path(folder), python) as (process, address):
            page = _first(address)
            times = sorted(_scrape(address)[1] for _ in range(SCRAPES))
            pages = [_scrape(address.removesuffix("metrics")) for _ in range(PAGES)]
            before, begin = sum(process.cpu_times()[:2]), time.perf_counter()
            time.sleep(12 * ASKING_SECONDS)
            cpu, wall = sum(process.cpu_times()[:2]) - before, time.perf_counter() - begin
            memory = process.memory_info().rss
    samples = len(re.findall(r"^ratchet_", page, re.MULTILINE))
    print(f"{runs} runs, {runs // 4} versions, {samples} samples, {len(page) / 1024:.1f} KiB a scrape")
    print(f"scrape: median {1000 * statistics.median(times):.1f} ms, p99 {1000 * times[int(0.99 * SCRAPES)]:.1f} ms")
    size, durations = len(pages[-1][0].encode()) / 1024, [seconds for _, seconds in pages]
    print(f"console: {size:.1f} KiB, median {1000 * statistics.median(durations):.1f} ms")
    print(f"memory: {memory / 1024**2:.0f} MiB")
    askings = wall / ASKING_SECONDS
    print(f"CPU: {1000 * cpu / askings:.0f} ms for one asking of MLflow, {100 * cpu / askings / 60:.2f} % of a core")
    print(f"load: {os.getloadavg()[0]:.1f}")


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    port = _free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        f"{folder}/artifacts",
    ]
    variables = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _first(f"http://127.0.0.1:{port}/health")
            yield f"http://127.0.0.1:{port}"
        finally:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.terminate()
            process.terminate()


def _fill(uri: str, runs: int) -> None:
    client = MlflowClient(uri)
    experiment = client.create_experiment("flights")
    for engine in ENGINES:
        client.create_registered_model(f"flights-{engine}")
    for number in range(runs):
        engine, promoted = ENGINES[number % 2], number % RUNS_A_PROMOTION in (0, 1)
        tags = {"ratchet.model": "flights", "ratchet.engine": engine, "ratchet.cycle": f"cycle-{number // 2}"}
        tags |= {"ratchet.decision": "promoted" if promoted else "held", "ratchet.reason": "because " * 20}
        run = client.create_run(experiment, start_time=int(time.time() * 1000) - (runs - number) * 3_600_000, tags=tags)
        drift = [Metric(f"drift.feature_{each}", each / 100, 0, 0) for each in range(FEATURES)]
        days = range(DAYS if number >= runs - RUNS_A_PROMOTION else 1)
        rolling = [Metric("rolling_f1", 0.5, 0, 16_000 + day) for day in days]
        rolling += [Metric("rolling_f1_floor", 0.45, 0, 16_000 + day) for day in days]
        others = [Metric("f1", 0.53, 0, 0), *(Metric(f"metric_{each}", 0.5, 0, 0) for each in range(METRICS))]
        params = [Param(f"param.{each}", "some value") for each in range(PARAMS)]
        client.log_batch(run.info.run_id, metrics=drift + rolling + others, params=params)
        client.set_terminated(run.info.run_id, "FINISHED")
        if promoted:
            version = client.create_model_version(
                f"flights-{engine}",
                f"{run.info.artifact_uri}/model",
                run.info.run_id,
                await_creation_for=0,
                tags=tags | {"ratchet.f1": "0.53"},
            )
            client.set_registered_model_alias(f"flights-{engine}", "champion", version.version)
            moved = json.dumps({"version": int(version.version), "at": "2026-01-01T00:00:00+00:00"})
            client.set_registered_model_tag(f"flights-{engine}", "ratchet.champion", moved)


@contextmanager
def _exporter(uri: str, folder: Path, python: str) -> Iterator[tuple[psutil.Process, str]]:
    port = _free_port()
    (folder / "bench.yaml").write_text(
        "model: flights\ndata: {uri: none, timestamp: at, label: {column: late, positive: true}}\n"
        f"tracking: {{uri: '{uri}'}}\nexporter: {{port: {port}, mlflow_seconds: {ASKING_SECONDS}}}\n",
        encoding="utf-8",
    )
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("RATCHET", "MLFLOW"))}
    command = [python, "-m", "ratchet", "exporter", "--env", "bench"]
    with subprocess.Popen(
        command, env={**variables, "RATCHET_CONFIGS": str(folder)}, stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield psutil.Process(process.pid), f"http://127.0.0.1:{port}/metrics"
        finally:
            process.terminate()


def _first(address: str) -> str:
    """The page, once it is there and, where it is the exporter's, tells of a champion."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            page, _ = _scrape(address)
        except (URLError, OSError):
            page = ""
        if "ratchet_champion_version{" in page or (page and address.endswith("/health")):
            return page
        time.sleep(0.2)
    sys.exit(f"{address} did not answer within two minutes")


def _scrape(address: str) -> tuple[str, float]:
    begin = time.perf_counter()
    with urlopen(address, timeout=30) as answer:  # noqa: S310  # an address of ours
        page = answer.read().decode()
    return page, time.perf_counter() - begin


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 400, sys.argv[2] if sys.argv[2:] else sys.executable)
