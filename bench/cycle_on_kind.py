"""Where the time of a cycle in the kind cluster goes; `make retrain` first, twice for a warm one.

Usage: python bench/cycle_on_kind.py [CYCLE]; without a name it takes the newest that is done. Each step has a line:

submit    from its object to its pod; Spark's operator takes its turn here
pending   until the container runs
start     until the trainer has begun its run: Python's imports, Java's start
work      reading, fitting, calibrating, scoring, comparing
log       the model, the evidence, the reading back; for the registrar: the decision
leave     until the container has ended
noticed   until the coordinator has taken note
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from kind_cluster import CONTEXT, kubectl

COLUMNS = ("submit", "pending", "start", "work", "log", "leave", "noticed")
WORK = ("train.read", "train.fit", "train.calibrate", "train.score", "train.compare")


def main(name: str | None) -> None:
    """Print the table of one cycle."""
    cycle = _cycle(name)
    coordinator = _pod(f"batch.kubernetes.io/job-name={cycle['job']}")
    state = coordinator["status"]["containerStatuses"][0]["state"]["terminated"]
    begin, end = _time(state["startedAt"]), _time(state["finishedAt"])
    noticed = {line["step"]: _time(line["timestamp"]) for line in _lines(coordinator) if line["event"] == "step.done"}
    parts = {step["step"]: _parts(cycle, step, noticed[step["step"]]) for step in cycle["steps"]}
    print(f"| seconds | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}")
    for step, shares in parts.items():
        print(f"| {step} | {' | '.join(f'{shares[column]:.1f}' for column in COLUMNS)} |")
    trainers = [parts[step] for step in parts if step != "register"]
    own = max(sum(each[column] for column in ("start", "work", "log", "leave")) for each in trainers)
    inner = max(each["work"] + each["log"] for each in trainers)
    whole = (end - begin).total_seconds()
    print(f"\nThe coordinator ran for {whole:.0f} s: {whole - own:.0f} s more than the slower trainer's container,")
    print(f"{whole - inner:.0f} s more than that trainer's run.")


def _cycle(name: str | None) -> dict[str, Any]:
    told = subprocess.run(
        [sys.executable, "-m", "ratchet", "status", "--json", "--context", CONTEXT],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    for cycle in json.loads(told.stdout):
        if cycle["cycle"] == name or (name is None and cycle["state"] == "done"):
            found: dict[str, Any] = cycle
            return found
    sys.exit(f"no cycle {name or 'that is done'}; make retrain makes one")


def _parts(cycle: Mapping[str, Any], step: Mapping[str, Any], noticed: datetime) -> dict[str, float]:
    facts = step["facts"]
    job = f"{cycle['cycle']}-{step['step']}"
    labels = f"spark-app-name={job},spark-role=driver" if step["step"] == "spark" else f"job-name={job}"
    lines = _lines(_pod(labels))
    started, ended = _time(facts["started"]), _time(facts["ended"])
    # A registrar's first words are its decision: all before the last of them is its start and its work.
    first, last = (_time(lines[at]["timestamp"]) for at in (0, -1))
    work = sum(line.get("seconds", 0.0) for line in lines if line["event"] in WORK)
    shares = {
        "submit": facts["submit_seconds"],
        "pending": facts["pending_seconds"],
        "start": (first - started).total_seconds(),
        "work": work,
        "log": (last - first).total_seconds() - work,
        "leave": (ended - last).total_seconds(),
        "noticed": (noticed - ended).total_seconds(),
    }
    # The cluster's times are whole seconds; what is shorter than their error is nothing.
    return {name: max(value, 0.0) for name, value in shares.items()}


def _pod(labels: str) -> dict[str, Any]:
    pods: list[dict[str, Any]] = json.loads(kubectl("get", "pods", "-l", labels, "-o", "json"))["items"]
    if not pods:
        sys.exit(f"the pod of {labels} is gone; make retrain makes another")
    return pods[-1]


def _lines(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The events that a pod logged."""
    log = kubectl("logs", pod["metadata"]["name"])
    return [json.loads(line) for line in log.splitlines() if line.startswith('{"') and '"event"' in line]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
