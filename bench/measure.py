"""Runs commands and says what each took: wall seconds, CPU seconds, peak memory of its whole process tree.

Figures are only ever compared within one run of `bench/run.py`, alternating, on the same noisy machine.
"""

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil

_SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Taken:
    """Seconds and bytes of one run of a command. python_peak: of the largest Python process in it."""

    wall: float
    cpu: float
    peak: int
    python_peak: int


def measure(command: Sequence[str], variables: Mapping[str, str]) -> Taken:
    """Run a command to its end; raises RuntimeError with its last words where it fails."""
    begin = time.perf_counter()
    before = os.times()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **variables}
    ) as process:
        peaks = _watch(process)
        _, errors = process.communicate(timeout=3600)
    wall = time.perf_counter() - begin
    after = os.times()
    if process.returncode != 0:
        message = f"{' '.join(command)} ended with {process.returncode}: {errors[-2000:]}"
        raise RuntimeError(message)
    waited_for = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    peak, python_peak, seen = peaks()
    # A script that leaves its JVM behind has not waited for it, and the system does not count it then.
    return Taken(wall, max(waited_for, seen), peak, python_peak)


def _watch(process: subprocess.Popen[str]) -> Callable[[], tuple[int, int, float]]:
    """Peak bytes of all processes and of the largest Python one, CPU seconds of all that were seen."""
    peaks = [0, 0]
    used: dict[int, float] = {}

    def look() -> None:
        root = psutil.Process(process.pid)
        while process.poll() is None:
            total = python = 0
            try:
                for one in (root, *root.children(recursive=True)):
                    size = one.memory_info().rss
                    times = one.cpu_times()
                    used[one.pid] = times.user + times.system
                    total += size
                    python = max(python, size if "python" in one.name() else 0)
            except psutil.NoSuchProcess:
                continue
            peaks[:] = [max(peaks[0], total), max(peaks[1], python)]
            time.sleep(_SAMPLE_SECONDS)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()

    def result() -> tuple[int, int, float]:
        thread.join(timeout=10)
        return peaks[0], peaks[1], sum(used.values())

    return result


@dataclass(frozen=True)
class Ratio:
    """What a command took beside its yardstick: medians over the pairs."""

    wall: float
    peak: float
    ours: Taken
    bare: Taken
    load: float


def paired(ours: Sequence[str], bare: Sequence[str], variables: Mapping[str, str], pairs: int) -> Ratio:
    """Run both in turn `pairs` times and compare pair by pair."""
    runs = [(measure(bare, variables), measure(ours, variables)) for _ in range(pairs)]
    return Ratio(
        statistics.median(one.wall / yard.wall for yard, one in runs),
        statistics.median(one.peak / yard.peak for yard, one in runs),
        _median([one for _, one in runs]),
        _median([yard for yard, _ in runs]),
        os.getloadavg()[0],
    )


def _median(taken: Sequence[Taken]) -> Taken:
    return sorted(taken, key=lambda one: one.wall)[len(taken) // 2]
