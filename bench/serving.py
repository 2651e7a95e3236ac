"""What a request to `ratchet serve` takes beside `mlflow models serve` and a server written by hand, in turn.

Needs a champion of each engine: `make run` makes them. All servers get the same requests from the same client: one row
each from one connection, then from eight at once, then 1,000 rows. The client uses the same processors; its share is
told, too. Prints a table in Markdown. Usage: python bench/serving.py [ENGINE ...]
"""

import http.client
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

# Clients, and rows in each request.
LOADS = ((1, 1), (8, 1), (1, 1000))
SECONDS = 10.0
START_SECONDS = 180.0
ROUNDS = 2
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Seen:
    """Seconds of each request, how long all took together, the server's memory in bytes, seconds until it was ready.

    client: the client's seconds of CPU.
    """

    latencies: list[float]
    seconds: float
    memory: int
    start: float
    client: float

    @property
    def cells(self) -> str:
        """p50, p99 in milliseconds, requests a second, the client's milliseconds of CPU for each."""
        cuts, number = quantiles(self.latencies, n=100), len(self.latencies)
        times = f"{cuts[49] * 1000:.1f} | {cuts[98] * 1000:.1f}"
        return f"{times} | {number / self.seconds:.0f} | {self.client / number * 1000:.1f}"


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


def asked(port: int, bodies: list[bytes], clients: int) -> tuple[list[float], float]:
    """Ask for SECONDS with so many clients; the seconds of each request, and of all."""
    found: list[float] = []
    over = time.monotonic() + SECONDS

    def ask(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        number = first
        while time.monotonic() < over:
            begin = time.perf_counter()
            connection.request("POST", "/invocations", bodies[number % len(bodies)], _JSON)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200:  # noqa: PLR2004
                sys.exit(f"port {port} answered {answer.status}: {content[:200]!r}")
            found.append(time.perf_counter() - begin)
            number += 1

    begin = time.monotonic()
    threads = [threading.Thread(target=ask, args=(first,)) for first in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found, time.monotonic() - begin


def measured(command: list[str], port: int, bodies: dict[int, list[bytes]]) -> dict[tuple[int, int], Seen]:
    """One server's figures by number of clients and rows. bodies: by number of rows."""
    with server(command, port) as (pid, start):
        asked(port, bodies[1][:5], 1)  # a Java machine gets faster while it is asked
        found = {}
        for clients, rows in LOADS:
            before = time.process_time()
            latencies, seconds = asked(port, bodies[rows], clients)
            own = psutil.Process(pid)
            memory = sum(each.memory_info().rss for each in [own, *own.children(recursive=True)])
            found[clients, rows] = Seen(latencies, seconds, memory, start, time.process_time() - before)
        return found


def requests(sample: samples.SampleRows) -> dict[int, list[bytes]]:
    """Bodies of one row each, and one of a thousand rows, by number of rows."""
    ones = [json.dumps(sample.request(number, number + 1)).encode() for number in range(len(sample.rows))]
    whole = sample.request(0, len(sample.rows))
    data = whole["dataframe_split"]["data"]
    many = {"dataframe_split": {**whole["dataframe_split"], "data": (data * (1000 // len(data) + 1))[:1000]}}
    return {1: ones, 1000: [json.dumps(many).encode()]}


def commands(engine: str, name: str, version: str, port: int) -> dict[str, list[str]]:
    """The servers of a version, by what they are called in the table."""
    at = ["--host", "127.0.0.1", "--port", str(port)]
    uri, python = f"models:/{name}/{version}", sys.executable
    found = {
        "ratchet": [python, "-m", "ratchet", "serve", engine, "--version", version, *at],
        "mlflow": [python, "-m", "mlflow", "models", "serve", "-m", uri, "--env-manager", "local", *at],
    }
    if engine == "sklearn":
        found["by hand"] = [python, "bench/bare_server.py", uri, str(port)]
    return found


def main(engines: list[str]) -> None:
    """Measure the servers in turn and print the table."""
    settings = configuration.load("dev", ())
    os.environ["MLFLOW_TRACKING_URI"] = settings.tracking.uri
    # `mlflow models serve` looks for uvicorn on the PATH.
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    client = MlflowClient(settings.tracking.uri)
    print("| model | server | clients | rows | p50, ms | p99, ms | requests/s | client, ms | memory | ready | load |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for engine in engines:
        name = settings.registered_name(engine)
        version = client.get_model_version_by_alias(name, "champion")
        bodies = requests(samples.read(client, version.run_id))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        for _ in range(ROUNDS):
            for kind, command in commands(engine, name, str(version.version), port).items():
                for (clients, size), seen in measured(command, port, bodies).items():
                    machine = f"{seen.memory / 1024**2:.0f} MiB | {seen.start:.1f} s | {os.getloadavg()[0]:.1f}"
                    print(f"| {engine} | {kind} | {clients} | {size} | {seen.cells} | {machine} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["sklearn", "spark"])
