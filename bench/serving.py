"""What a request to `ratchet serve` takes beside `mlflow models serve`, in turn, with both engines' models.

Needs a champion of each: `make run` makes them. Both servers get the same requests, of one row each, from one client,
then from four. Prints a table in Markdown. Usage: python bench/serving.py [ENGINE ...]
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

import psutil
import urllib3
from mlflow.tracking import MlflowClient

from ratchet import configuration
from ratchet.io.records import samples

CLIENTS = (1, 4)
SECONDS = 15.0
START_SECONDS = 180.0
ROUNDS = 2
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Seen:
    """Seconds of each request, how long all took together, the server's memory in bytes, seconds until it was ready."""

    latencies: list[float]
    seconds: float
    memory: int
    start: float

    @property
    def cells(self) -> str:
        """p50, p95 in milliseconds, requests a second."""
        cuts = quantiles(self.latencies, n=20)
        return f"{cuts[9] * 1000:.0f} | {cuts[18] * 1000:.0f} | {len(self.latencies) / self.seconds:.1f}"


@contextmanager
def server(command: list[str], port: int) -> Iterator[tuple[int, float]]:
    """A server until it is ready: its process id, and the seconds that it took."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    pool = urllib3.PoolManager(retries=False, timeout=5)
    try:
        while True:
            try:
                if pool.request("GET", f"http://127.0.0.1:{port}/ping").status == 200:  # noqa: PLR2004
                    break
            except urllib3.exceptions.HTTPError:
                pass
            if process.poll() is not None or time.monotonic() - begin > START_SECONDS:
                sys.exit(f"{' '.join(command)} is not ready (exit {process.poll()})")
            time.sleep(0.1)
        yield process.pid, time.monotonic() - begin
    finally:
        with suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def asked(address: str, bodies: list[bytes], clients: int) -> tuple[list[float], float]:
    """Ask for SECONDS with so many clients; the seconds of each request, and of all."""
    found: list[float] = []
    over = time.monotonic() + SECONDS

    def ask(first: int) -> None:
        pool = urllib3.PoolManager(retries=False, timeout=60)
        number = first
        while time.monotonic() < over:
            begin = time.perf_counter()
            answer = pool.request("POST", address, body=bodies[number % len(bodies)], headers=_JSON)
            if answer.status != 200:  # noqa: PLR2004
                sys.exit(f"{address} answered {answer.status}: {answer.data[:200]!r}")
            found.append(time.perf_counter() - begin)
            number += 1

    begin = time.monotonic()
    threads = [threading.Thread(target=ask, args=(first,)) for first in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found, time.monotonic() - begin


def measured(command: list[str], port: int, bodies: list[bytes]) -> dict[int, Seen]:
    """One server's figures by number of clients."""
    with server(command, port) as (pid, start):
        address = f"http://127.0.0.1:{port}/invocations"
        asked(address, bodies[:5], 1)  # a Java machine gets faster while it is asked
        found = {}
        for clients in CLIENTS:
            latencies, seconds = asked(address, bodies, clients)
            own = psutil.Process(pid)
            memory = sum(each.memory_info().rss for each in [own, *own.children(recursive=True)])
            found[clients] = Seen(latencies, seconds, memory, start)
        return found


def main(engines: list[str]) -> None:
    """Measure both servers in turn and print the table."""
    settings = configuration.load("dev", ())
    os.environ["MLFLOW_TRACKING_URI"] = settings.tracking.uri
    # `mlflow models serve` looks for uvicorn on the PATH.
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    client = MlflowClient(settings.tracking.uri)
    print("| model | server | clients | p50, ms | p95, ms | requests/s | memory | ready after | load |")
    print("|---|---|---|---|---|---|---|---|---|")
    for engine in engines:
        name = settings.registered_name(engine)
        version = client.get_model_version_by_alias(name, "champion")
        rows = samples.read(client, version.run_id)
        bodies = [json.dumps(rows.request(number, number + 1)).encode() for number in range(len(rows.rows))]
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        number, at = str(version.version), ["--host", "127.0.0.1", "--port", str(port)]
        module = [sys.executable, "-m"]
        servers = {
            "ratchet": [*module, "ratchet", "serve", engine, "--version", number, *at],
            "mlflow": [
                *module,
                "mlflow",
                "models",
                "serve",
                "-m",
                f"models:/{name}/{number}",
                "--env-manager",
                "local",
                *at,
            ],
        }
        for _ in range(ROUNDS):
            for kind, command in servers.items():
                for clients, seen in measured(command, port, bodies).items():
                    machine = f"{seen.memory / 1024**2:.0f} MiB | {seen.start:.1f} s | {os.getloadavg()[0]:.1f}"
                    print(f"| {engine} | {kind} | {clients} | {seen.cells} | {machine} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["sklearn", "spark"])
