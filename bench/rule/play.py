"""Plays a rule on a history: what it promotes, and F1 in each period with the version that is then in service."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Literal

import numpy as np
from bench.rule.candidates import Candidate
from bench.rule.rules import Rule, between, promotes

from ratchet.core.evaluation.counts import Floats, day_number
from ratchet.core.evaluation.f1 import f1_of
from ratchet.settings import Settings

type Serving = Literal["measured", "refitted"]


@dataclass(frozen=True)
class Played:
    """What a rule did on one history.

    promoted: for each decision. serving: for each period, which lies between two decisions, the number of the version
    in service; None before the first. f1: of each period by way of serving, NaN before the first version.
    """

    promoted: tuple[bool, ...]
    serving: tuple[int | None, ...]
    f1: dict[Serving, Floats]


def play(rule: Rule, candidates: Sequence[Candidate], settings: Settings) -> Played:
    """Decide on each candidate in order; the periods are those between the decisions, so the last serves in none."""
    versions: list[Candidate] = []
    promoted: list[bool] = []
    champions: list[Candidate | None] = []
    for candidate in candidates:
        promoted.append(promotes(rule, candidate, versions, settings))
        if promoted[-1]:
            versions.append(candidate)
        champions.append(versions[-1] if versions else None)
    ends = [day_number(candidate.windows.as_of) for candidate in candidates]
    periods = list(zip(champions, ends, ends[1:], strict=False))
    ways: tuple[Serving, ...] = ("measured", "refitted")
    return Played(
        tuple(promoted),
        tuple(None if one is None else one.number for one, _, _ in periods),
        {way: np.array([_f1(one, way, *days) for one, *days in periods]) for way in ways},
    )


def _f1(served: Candidate | None, way: Serving, first: int, end: int) -> float:
    if served is None:
        return nan
    return f1_of(between(served.measured if way == "measured" else served.refitted, first, end))
