"""Runs an image as the cluster does: a numeric user, nothing of the root writable, no capability, and no network."""

import json
import shutil
import subprocess
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
RESTRICTED = (
    # Programs may lie there, as in a pod's own folder: Spark unpacks libraries into it.
    *("--read-only", "--tmpfs", "/tmp:mode=1777,exec", "--user", "10001:10001"),  # noqa: S108  # the container's
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
)
# Java wants to find itself by its name.
NO_NETWORK = ("--network", "none", "--hostname", "localhost")
SECONDS = 120
READY_SECONDS = 90
DOCKER = shutil.which("docker") or "docker"


def reference(name):
    return f"ratchet/{name}:{VERSION}"


def docker(*arguments, check=True):
    return subprocess.run(
        [DOCKER, *arguments], capture_output=True, text=True, timeout=SECONDS, check=check, encoding="utf-8"
    )


def inspect(image):
    return json.loads(docker("image", "inspect", image).stdout)[0]


def wait_until(holds):
    deadline = time.monotonic() + READY_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not ready within {READY_SECONDS} s"
        time.sleep(0.5)


def run(name, *command, entrypoint=None, options=(), network=NO_NETWORK):
    """Run a command in an image and hand back what became of it. entrypoint: None, the image's own."""
    chosen = () if entrypoint is None else ("--entrypoint", entrypoint)
    return docker("run", "--rm", *RESTRICTED, *network, *options, *chosen, reference(name), *command, check=False)
