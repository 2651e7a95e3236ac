"""How far F1 expected from the scores alone is off, by month, on the worlds of bench/rule; writes docs/estimate.md.

Every third version of a history is trained and refitted as `ratchet train sklearn` does, and serves for six months; its
expected and its realised F1 are compared month by month.

Usage: python -m bench.estimate, which takes two minutes on a free core.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from bench.rule.candidates import scores, train
from bench.rule.generated import CHANGE
from bench.rule.world import World
from bench.rule.worlds import WORLDS
from sklearn.calibration import CalibratedClassifierCV

from ratchet import configuration
from ratchet.core.evaluation.counts import Counts, day_number
from ratchet.core.evaluation.estimate import expected, expected_confusion
from ratchet.core.evaluation.f1 import f1_of
from ratchet.io.table.inspection import DAY, LABEL
from ratchet.settings import Settings

NAMES = ("flights", "weather", "no drift", "slow drift", "seasons", "abrupt change")
EVERY = 3
MONTHS = 6
_SIDES_OF_95 = 1.96


@dataclass(frozen=True)
class Month:
    """A month of a version's service, or of its test window, which has the number 0.

    version: the day on which it was decided on. start: the month's first day. tested: F1 on the version's test window.
    chance: the half-width of the 95 % interval of the realised F1, if the scores are right and rows independent.
    """

    version: date
    number: int
    start: date
    tested: float
    expected: float
    realised: float
    chance: float

    @property
    def error(self) -> float:
        """Expected minus realised."""
        return self.expected - self.realised

    @property
    def changed(self) -> bool:
        """Whether the abrupt change lies between the version's test window and this month."""
        return self.version <= CHANGE <= self.start


def months(world: World, settings: Settings) -> list[Month]:
    """The months of the versions of a world, in order."""
    # Without the last decision, after which there is no month.
    return [
        month for place in range(0, len(world.decisions) - 1, EVERY) for month in _of_version(world, place, settings)
    ]


def _of_version(world: World, place: int, settings: Settings) -> list[Month]:
    as_of = world.decisions[place]
    windows = world.windows(as_of)
    made = train(world, windows, settings)
    count = partial(_counts, world, settings.evaluation.score_levels)
    tested = count(made.measured, world.between(windows.test.start, as_of))
    ends = world.decisions[place : place + MONTHS + 1]
    served = count(made.refitted, world.between(as_of, ends[-1]))
    own = f1_of(tested.confusion(made.threshold))
    parts = [(windows.test.start or as_of, tested)]
    parts += [(start, served.between(day_number(start), day_number(end) - 1)) for start, end in pairwise(ends)]
    found = []
    for number, (start, part) in enumerate(parts):
        before = expected(expected_confusion(part, made.threshold))
        after = f1_of(part.confusion(made.threshold))
        found.append(Month(as_of, number, start, own, before.f1, after, _SIDES_OF_95 * before.f1_error))
    return found


def _counts(world: World, levels: int, model: CalibratedClassifierCV, rows: pd.DataFrame) -> Counts:
    return Counts.from_rows(rows[DAY], scores(model, world, rows), rows[LABEL], levels)


def summary(name: str, found: Sequence[Month]) -> str:
    """A line of the first table, on months in service."""
    error = np.array([month.error for month in found])
    unchanged = np.array([month.tested - month.realised for month in found])
    held = np.mean([abs(month.error) <= month.chance for month in found])
    means = (np.mean([getattr(month, name) for month in found]) for name in ("expected", "realised"))
    return (
        f"| {name} | {len(found)} | {' | '.join(f'{mean:.3f}' for mean in means)} | {np.mean(error):+.3f}"
        f" | {np.mean(np.abs(error)):.3f} | {np.mean(np.abs(unchanged)):.3f} | {held:.0%} |"
    )


def by_age(name: str, found: Sequence[Month]) -> str:
    """A line of the second table: the mean absolute error by month of service, 0 being the test window."""
    of_number = [[abs(month.error) for month in found if month.number == number] for number in range(MONTHS + 1)]
    return f"| {name} | {' | '.join(f'{np.mean(errors):.3f}' if errors else '' for errors in of_number)} |"


def history(found: Sequence[Month], version: date) -> str:
    """The lines of a version, month by month."""
    return "\n".join(
        f"| {month.start} | {'test window' if not month.number else month.number} | {month.expected:.3f}"
        f" | {month.realised:.3f} | {month.error:+.3f} | {month.chance:.3f} |"
        for month in found
        if month.version == version
    )


def main() -> None:
    """Follow the versions of all worlds, write the page."""
    settings = configuration.load("dev")
    found: dict[str, list[Month]] = {}
    for name in NAMES:
        found[name] = months(WORLDS[name].histories[0](settings.data), settings)
        print(f"{name}: {len(found[name])} months", flush=True)
    flights, abrupt = found["flights"], found.pop("abrupt change")
    parts = found | {
        "abrupt change, versions and months before it or after it": [month for month in abrupt if not month.changed],
        "abrupt change, months after it of versions before it": [month for month in abrupt if month.changed],
    }
    text = _PAGE.format(
        summaries="\n".join(summary(name, [one for one in own if one.number]) for name, own in parts.items()),
        numbers=" | ".join(map(str, range(1, MONTHS + 1))),
        rule="|".join(["---"] * (MONTHS + 2)),
        ages="\n".join(by_age(name, own) for name, own in parts.items()),
        flights=history(flights, flights[0].version),
        change=CHANGE,
        abrupt=history(abrupt, max(month.version for month in abrupt if month.changed)),
    )
    Path("docs/estimate.md").write_text(text, encoding="utf-8")


_PAGE = """# How far the F1 expected before labels come is off

Made by `python -m bench.estimate`. Every third version of a history is trained, calibrated and refitted as `ratchet
train sklearn` does, and serves for six months. In each month its expected F1, from the scores alone, is compared with
the F1 that the labels then give. The worlds are those of [the rule](rule.md), one history each; a month is a calendar
month of the real tables and four weeks of the generated ones.

- *error*: expected minus realised F1, on average; *off by*: the mean absolute error.
- *as tested*: how far off the F1 of the version's test window would be, taken for every later month.
- *chance*: the share of months in which the realised F1 is as close to the expected one as chance alone would have it
  in 95 % of the months, if scores were right and rows independent.

| world | months | expected | realised | error | off by | as tested | chance |
|---|---|---|---|---|---|---|---|
{summaries}

**It can't see a changed concept.** After the abrupt change the features look as before, so do the scores, and the
estimate stays where it was while F1 falls. Where nothing changes it is off by little more than chance. Where the base
rate moves without the features, as with the weather's and the flights' seasons, it is off by as much as F1 differs from
month to month: on the real tables it is a better guess than the test window's F1, where the concept drifts or follows
the season it is a worse one. So it is shown with its past error, its alert is off by default and needs more than that
error, and it never starts a cycle.

## By month in service

The mean absolute error; the month 0 is the test window, of the model as it was tested.

| world | 0 | {numbers} |
|{rule}|
{ages}

## The flights, month by month

The first version.

| month | in service | expected | realised | error | chance, ± |
|---|---|---|---|---|---|
{flights}

## The abrupt change, month by month

The concept changes on {change}. The version was decided on before.

| month | in service | expected | realised | error | chance, ± |
|---|---|---|---|---|---|
{abrupt}
"""


if __name__ == "__main__":
    main()
