"""`make docs`: writes the table in README.md, as a whole cycle on the sample prints it."""  # noqa: INP001

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
_BLOCK = re.compile(r"(?<=`make run` ends with the decision for each engine:\n\n```\n).*?(?=```\n)", re.DOTALL)
_CYCLE = re.compile(r"retrain-\d{8}-\d{6}-[0-9a-f]{2}")
_REPORT = re.compile(r"(?<=report of )(\w+): \S+")


def block() -> str:
    """What stands in the README."""
    found = _BLOCK.search(README.read_text(encoding="utf-8"))
    if found is None:
        message = f"{README} has no example"
        raise ValueError(message)
    return found[0]


def printed(*options: str, **variables: str) -> str:
    """What `ratchet retrain --env dev` prints on an empty MLflow, without what differs from run to run."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", "RATCHET__TRACKING__ARTIFACTS": folder}
        command = [sys.executable, "-m", "ratchet", "retrain", "--env", "dev", *options]
        text = subprocess.run(  # noqa: S603
            command,
            cwd=README.parent,
            env=os.environ | own | variables,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=900,
        ).stdout
    # Without a terminal, the events stand before the table.
    text = "".join(f"{line.rstrip()}\n" for line in text[text.index("\nCycle ") + 1 :].splitlines())
    text = _CYCLE.sub("retrain-20261123-212640-8a", text)
    return _REPORT.sub(r"\1: file:///home/you/ratchet/.ratchet/artifacts/…/report.html", text)


if __name__ == "__main__":
    README.write_text(_BLOCK.sub(lambda _: printed(), README.read_text(encoding="utf-8")), encoding="utf-8")
