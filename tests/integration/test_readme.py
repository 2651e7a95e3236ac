"""The README shows what a newcomer sees: its first cycle is run on the whole sample."""

import re
import runpy
from pathlib import Path

import pytest

from ratchet.jobs import flights

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "example.py"))
NUMBER = re.compile(r"0\.\d{3}")


def _without_numbers(lines):
    return [NUMBER.sub("#", line) for line in lines]


def _numbers(lines):
    return [float(number) for line in lines for number in NUMBER.findall(line)]


def test_the_example_is_what_a_first_cycle_prints(tmp_path):
    """Of scikit-learn, to be quick; `make docs` writes both engines'. Another processor may round otherwise."""
    flights.write(str(tmp_path / "flights"))
    found = EXAMPLE["printed"]("--set", "retrain.engines=[sklearn]", RATCHET__DATA__URI=str(tmp_path / "flights"))
    shown, own = EXAMPLE["block"]().splitlines(), found.splitlines()
    end = next(place for place, line in enumerate(own) if line.startswith("└"))
    assert _without_numbers(shown[:end]) == _without_numbers(own[:end]), "`make docs` writes it anew"
    assert _numbers(shown[:end]) == pytest.approx(_numbers(own[:end]), abs=0.004)
    assert own[end + 1 :] == [line for line in shown if line.startswith(("report of sklearn", "all runs"))]
    assert any(line.startswith("│ spark   │       1 │") for line in shown)
