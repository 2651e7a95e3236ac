"""`make rule`: play all rules on all worlds; writes docs/rule.md and docs/rule.png.

`python -m bench.rule WORLD …` plays on some worlds and prints their tables instead.
"""

import os

# One thread for each process, and as many processes as cores, before NumPy and OpenMP are loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.rule import page, picture
from bench.rule.histories import trained
from bench.rule.power import power
from bench.rule.results import Result, result
from bench.rule.worlds import WORLDS

from ratchet import configuration

_MONTHS = 400
_REAL = "flights"


def main() -> None:
    """Train the candidates of all histories, play the rules on them, tell the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.rule", description=__doc__)
    parser.add_argument("worlds", nargs="*", metavar="WORLD", help=f"one of: {', '.join(WORLDS)}; none: all of them")
    asked = parser.parse_args().worlds
    if unknown := [name for name in asked if name not in WORLDS]:
        parser.error(f"{unknown[0]!r} is not a world; accepted are {', '.join(WORLDS)}")
    results = _results(asked or list(WORLDS))
    if asked:
        print(page.tables(results))
        return
    flights = next(one for one in results if one.world == _REAL)
    found = power(flights.noise(), _MONTHS, flights.seed)
    picture.draw(results, Path("docs/rule.png"))
    Path("docs/rule.md").write_text(page.page(results, flights, found, _MONTHS), encoding="utf-8")


def _results(names: Sequence[str]) -> list[Result]:
    settings = configuration.load("dev")
    found = []
    for name, histories in trained(names):
        found.append(result(name, histories, settings))
        print(f"{name}: {found[-1].decisions} decisions", flush=True)
    return found


if __name__ == "__main__":
    main()
