"""Where the tests' CPU time goes, which a busy machine changes less than seconds: a plugin of pytest, and its tables.

Usage: PYTHONPATH=bench CPU_OF_TESTS=FOLDER pytest -p test_cpu …, then python bench/test_cpu.py FOLDER.
Counted is what a worker and all processes below it have used; of a process that was killed, the last part is missing.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

FILES, TESTS = 20, 20
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")


def _used() -> float:
    """Seconds of CPU of this process and of those below it, also of those that have ended."""
    here, total = psutil.Process(), 0.0
    for process in [here, *here.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Count a test with its fixtures."""
    before = _used()
    yield
    file, _, test = item.nodeid.rpartition("/")[2].partition("::")
    with (Path(os.environ["CPU_OF_TESTS"]) / f"{_WORKER}.jsonl").open("a") as lines:
        lines.write(json.dumps([file, test, _used() - before]) + "\n")


def main(folder: str) -> None:
    """Print the tables of a folder."""
    files: Counter[str] = Counter()
    tests: Counter[str] = Counter()
    for path in Path(folder).glob("*.jsonl"):
        for file, test, seconds in map(json.loads, path.read_text().splitlines()):
            files[file] += seconds
            tests[f"{file}: {test}"] += seconds
    print(f"{len(tests)} tests, {sum(tests.values()):.0f} s of CPU")
    for head, found in (("file", files.most_common(FILES)), ("test, with its fixtures", tests.most_common(TESTS))):
        print(f"\n| {head} | s |\n|---|---|")
        for name, seconds in found:
            print(f"| `{name}` | {seconds:.0f} |")


if __name__ == "__main__":
    main(sys.argv[1])
