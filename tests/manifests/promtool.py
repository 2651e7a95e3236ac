"""promtool, by which Prometheus' own parser judges rules and queries; `make test-manifests` brings it."""

import os
import re
import shutil
import subprocess

import pytest

from tests.manifests.kustomize import REQUIRED, ROOT


def tool_at(name: str) -> str | None:
    """A program of Prometheus': the one on the PATH, else the one that make brings; None if there is neither."""
    own = ROOT / ".tools" / name
    return shutil.which(name) or (str(own) if own.is_file() else None)


PROMTOOL = tool_at("promtool")
MISSING = "promtool is not there, so NO RULE OF PROMETHEUS WAS TESTED; make test-manifests brings it"
# What Prometheus itself makes.
BUILT_IN = {"up", "ALERTS"}
# What a dashboard leaves open.
_OPEN = {"$__rate_interval": "5m", "$model": ".*"}
_WORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool", "offset"}


def need_promtool() -> None:
    """Skip without promtool; fail where the manifests' tests must be whole."""
    if PROMTOOL is None:
        (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)(MISSING)


def promtool(*words) -> tuple[int, str]:
    """Its exit status, and all that it says."""
    done = subprocess.run([PROMTOOL, *words], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def closed(expression: str) -> str:
    """A dashboard's expression as Prometheus gets it."""
    for name, value in _OPEN.items():
        expression = expression.replace(name, value)
    return expression


def names_in(expression: str) -> set[str]:
    """The metrics that a correct expression names."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", bare)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    found = re.findall(r"(?<![\w.])([a-zA-Z_:][\w:]*)(?!\w|\s*\()", bare)
    return {name for name in found if name not in _WORDS}
