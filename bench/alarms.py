"""`make alarms`: how often the watch calls a champion low, and how often a cycle then helps; writes docs/alarms.md.

A champion is watched each night for a year, as `ratchet watch` does. If it is low, a cycle trains a candidate, which
becomes champion if its F1 is greater on its own test rows. Two rules are played on the same worlds: the former one,
nine tenths of the version's F1 and a cycle each low night, and the present one.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np

from alarm_worlds import World, worlds
from ratchet import configuration
from ratchet.core.evaluation.counts import Confusion, Ints, day_of
from ratchet.core.evaluation.f1 import f1, f1_of
from ratchet.core.evaluation.floor import floor_of
from ratchet.core.watch_verdict import judge
from ratchet.settings import Settings

_FOLLOWING = 28
_SEEDS = 3


@dataclass(frozen=True)
class Day:
    """A day with its rolling F1, as the watch's verdict takes it."""

    day: date
    days: int
    rows: int
    positives: int
    f1: float
    f1_floor: float


@dataclass(frozen=True)
class Rule:
    """A floor for a version's rolling windows (their rows and positives), and the days between two cycles."""

    name: str
    floors: Callable[[Confusion, Ints, Ints], Sequence[float]]
    cool_down: int


@dataclass
class Played:
    """What a rule did in the nights of some worlds.

    low, cycles, promoted: for each, how much better the candidate's F1 was in the weeks after it. served: the
    champion's F1 in the weeks after each night. pending: whether each version is low on its last test day.
    """

    nights: int = 0
    low: list[float] = field(default_factory=list)
    cycles: list[float] = field(default_factory=list)
    promoted: list[float] = field(default_factory=list)
    served: list[float] = field(default_factory=list)
    pending: list[bool] = field(default_factory=list)


class Champion:
    """A version's days from its test window on, and the verdict of each night."""

    def __init__(self, settings: Settings, as_of: int, counts: Confusion, rule: Rule) -> None:
        self.as_of, self.counts = as_of, counts
        length = settings.evaluation.rolling_days
        parts = (counts.true_positive, counts.false_positive, counts.false_negative, counts.true_negative)
        hit, false, miss, right = (_trailing(part, length) for part in parts)
        rows, positives = hit + false + miss + right, hit + miss
        floors = rule.floors(_between(counts, int(counts.day[0]), as_of), rows, positives)
        columns = zip(counts.day[length - 1 :], rows, positives, f1(hit, false, miss), floors, strict=True)
        self.days = [
            Day(day_of(day), length, int(all_of), int(some), float(value), at)
            for day, all_of, some, value, at in columns
        ]
        self._first, self._watch, self._length = int(counts.day[length - 1]), settings.watch, length

    def pending(self) -> bool:
        """Whether the alert would be pending at once: the last day of its own test window is low."""
        last = self.days[self.as_of - 1 - self._first]
        return last.f1 < last.f1_floor

    def low(self, night: int) -> bool:
        """The verdict of a watch whose newest day is `night`, on the days since the test window."""
        until, watch = day_of(night + 1), self._watch
        some = self.days[max(self.as_of, night + 1 - watch.windows) - self._first : night + 1 - self._first]
        return judge(some, until, watch.windows, watch.low, self._length, "").verdict == "low"


def main() -> None:
    """Play all rules in all worlds and write the table."""
    settings = configuration.load("dev", ["evaluation.bootstrap_samples=2000"])
    rules = _rules(settings)
    lines = []
    for name, some in worlds(settings, _SEEDS):
        for rule in rules:
            played = Played()
            for world in some:
                play(settings, world, rule, played)
            lines.append(_line(name, rule, played))
            print(lines[-1], flush=True)
    Path("docs/alarms.md").write_text(_PAGE.format(rows="\n".join(lines)), encoding="utf-8")


def _rules(settings: Settings) -> tuple[Rule, ...]:
    evaluation, share = settings.evaluation, settings.watch.false_alarms

    def nine_tenths(own: Confusion, rows: Ints, _positives: Ints) -> list[float]:
        return [0.9 * f1_of(own)] * len(rows)

    def chance(own: Confusion, rows: Ints, positives: Ints) -> list[float]:
        first, end = day_of(own.day[0]), day_of(own.day[-1] + 1)
        floor = floor_of(own, first, end, evaluation.rolling_days, share, evaluation.bootstrap_samples, settings.seed)
        return [floor.at(int(all_of), int(some)) for all_of, some in zip(rows, positives, strict=True)]

    return Rule("before", nine_tenths, 0), Rule("floor alone", chance, 0), Rule("after", chance, 15)


def play(settings: Settings, world: World, rule: Rule, played: Played) -> None:
    """Watch each night from the first candidate on; cycles take the candidate of their week."""
    starts = sorted(world.candidates)
    champion_of = cache(lambda as_of: Champion(settings, as_of, world.candidates[as_of], rule))
    champion, last = champion_of(starts[0]), -rule.cool_down
    played.pending += [champion_of(as_of).pending() for as_of in starts]
    for night in range(starts[0], int(champion.counts.day[-1]) - _FOLLOWING + 1):
        candidate = champion_of(starts[bisect_right(starts, night + 1) - 1])
        gain = _after(candidate, night) - _after(champion, night)
        played.nights += 1
        played.served.append(_after(champion, night))
        if not champion.low(night):
            continue
        played.low.append(gain)
        if night + 1 - last < rule.cool_down:
            continue
        played.cycles.append(gain)
        last = night + 1
        if _on_its_rows(candidate, candidate) > _on_its_rows(champion, candidate):
            played.promoted.append(gain)
            champion = candidate


def _after(champion: Champion, night: int) -> float:
    """F1 in the weeks after a night."""
    return f1_of(_between(champion.counts, night + 1, night + 1 + _FOLLOWING))


def _on_its_rows(champion: Champion, candidate: Champion) -> float:
    """F1 on the candidate's test rows that the champion has not learnt from."""
    first = max(int(champion.counts.day[0]), int(candidate.counts.day[0]))
    return f1_of(_between(champion.counts, first, candidate.as_of))


def _between(counts: Confusion, first: int, end: int) -> Confusion:
    part = slice(*np.searchsorted(counts.day, [first, end]))
    columns = (counts.day, counts.true_positive, counts.false_positive, counts.false_negative, counts.true_negative)
    return Confusion(*(column[part] for column in columns))


def _trailing(values: Ints, length: int) -> Ints:
    return np.convolve(values, np.ones(length, dtype=np.int64), "valid")


def _line(world: str, rule: Rule, played: Played) -> str:
    year = 365 / played.nights
    return (
        f"| {world} | {rule.name} | {len(played.low) / played.nights:.1%} | {_useful(played.low)}"
        f" | {len(played.cycles) * year:.1f} | {_useful(played.cycles)} | {len(played.promoted) * year:.1f}"
        f" | {np.mean(played.served):.3f} | {np.mean(played.pending):.0%} |"
    )


def _useful(gains: Sequence[float]) -> str:
    """The share of nights or cycles after which the candidate's F1 was greater than the champion's."""
    return f"{np.mean([gain > 0 for gain in gains]):.0%}" if gains else "–"


_PAGE = """# How often the watch is right

Made by `make alarms`. A champion is watched each night as `ratchet watch` does, and only the watch starts cycles. A
cycle trains a candidate on the data up to the beginning of the week, which saves time; the candidate becomes champion
if its F1 is greater on its test rows.

Worlds:

- *flights*: the sample, from six first versions on, whose test windows end between April and August, until December.
- The other worlds are drawn, three times each, for a year: 400 rows a day, whose share of positives differs from day to
  day as the flights' does (`bench/alarm_worlds.py`). In two of them nothing changes.

Rules:

- *before*: a day is low if its rolling F1 is below nine tenths of the version's F1; each low night starts a cycle.
- *floor alone*: a day is low if chance explains so low a rolling F1 on one day in a hundred ([decision
  16](decisions/0016-the-watchs-floor.md)); each low night starts a cycle.
- *after*: the same, and a second cycle waits until new days fill half a test window.

A low night, or a cycle, is useful if the candidate's F1 in the following four weeks is greater than the champion's. *At
once* is the share of versions that are low on the last day of their own test window: the alert `RatchetRollingF1Low`
is then pending as soon as they are promoted.

| world | rule | low nights | useful | cycles a year | useful | promoted a year | F1 in service | at once |
|---|---|---|---|---|---|---|---|---|
{rows}

Where nothing changes, low nights are false alarms: `watch.false_alarms` allows one day in a hundred, and the verdict,
which asks for two low days of five, is rarer still. Where the season moves the share of positives, F1 moves with it,
and few of the former rule's cycles helped. Where the concept turns, most low nights are useful. After a sudden jump a
candidate needs days of the new kind to be better: the first cycles come too early, whatever the floor, and the cool-
down keeps them few.

What it costs: on the flights fresher versions are often a little better, so a rule that retrains nearly every night has
a slightly greater F1 in service. Retraining regularly is the schedule's task, not that of an alarm.
"""


if __name__ == "__main__":
    main()
