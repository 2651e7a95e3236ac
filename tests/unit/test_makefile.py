"""The Makefile is the first thing that a newcomer meets."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^\.PHONY: ([a-z0-9-]+)$", TEXT, re.MULTILINE)
PUBLIC = dict(re.findall(r"^([a-z0-9-]+):.*?## (.+)$", TEXT, re.MULTILINE))

MAKE = shutil.which("make") or "make"


def make(*arguments):
    return subprocess.run([MAKE, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_make_alone_prints_every_public_target_with_its_line():
    done = make()
    assert (done.returncode, done.stderr) == (0, "")
    printed = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert printed == PUBLIC


def test_there_are_at_most_15_public_targets_and_each_is_phony():
    assert 0 < len(PUBLIC) <= 15
    assert set(PUBLIC) <= set(TARGETS)


def test_a_target_is_declared_once():
    assert len(TARGETS) == len(set(TARGETS))


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_planned(target):
    done = make("--dry-run", "--always-make", target)
    assert done.returncode == 0, done.stderr


def test_an_unknown_target_fails():
    assert make("no-such-target").returncode == 2


def test_recipes_stop_at_the_first_error():
    assert "SHELL := bash" in TEXT
    assert ".SHELLFLAGS := -euo pipefail -c" in TEXT
