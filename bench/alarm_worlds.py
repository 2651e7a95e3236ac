"""The worlds of `bench/alarms.py`: candidates by week, and how each labels the days from its test window on.

Flights are the sample, trained as `ratchet train sklearn` would. The others are drawn: 400 rows a day with four
features, a logistic regression, and a shock to each day that the features don't tell and that the next day partly
keeps, so that days differ from one another as the sample's do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from ratchet.core.evaluation.counts import Confusion, Counts, Floats, Ints, day_number
from ratchet.core.evaluation.threshold import choose
from ratchet.core.windows import Period, Window, windows_until
from ratchet.engines.sklearn.pipeline import pipeline
from ratchet.io.table import inspection
from ratchet.io.table.inspection import DAY, LABEL
from ratchet.settings import Settings

_MONTH, _WEEK = Period(1, "mo"), 7
# Training, calibration and test before the first night; the nights; and the days after the last one.
_BEFORE, _NIGHTS, _AFTER = 150, 365, 28
_DAYS = _BEFORE + _NIGHTS + _AFTER
_STARTS, _MONTH_OF_WEEKS = 6, 4
_ROWS, _SHOCK, _KEPT = 400, 0.5, 0.4
_WEIGHTS = (1.0, 0.6, -0.5, 0.3)


@dataclass(frozen=True)
class World:
    """candidates: by the day on which the test window ends, exclusive: counts from its first day to the world's end."""

    name: str
    candidates: Mapping[int, Confusion]


def worlds(settings: Settings, seeds: int) -> Iterator[tuple[str, list[World]]]:
    """Each kind of world: the flights from each of six first versions on, and `seeds` worlds of each that is drawn."""
    flights = _flights(settings)
    firsts = sorted(flights)[: _STARTS * _MONTH_OF_WEEKS : _MONTH_OF_WEEKS]
    yield "flights", [World("flights", {as_of: flights[as_of] for as_of in flights if as_of >= day}) for day in firsts]
    for name, draw in _DRAWN.items():
        yield name, [World(name, _candidates(*_rows(draw, seed))) for seed in range(seeds)]


def _flights(settings: Settings) -> dict[int, Confusion]:
    table = inspection.inspect(settings.data)
    rows = inspection.load(table, Window("whole", None, table.end), table.features).frame
    day, late, columns = rows[DAY].to_numpy(), rows[LABEL].to_numpy().astype(bool), rows[list(table.features)]
    found, as_of = {}, date(2013, 4, 1)
    while as_of + timedelta(days=_AFTER) <= table.end:
        windows = windows_until(as_of, _MONTH, _MONTH, None)
        calibrated, tested = (day_number(window.start or as_of) for window in (windows.calibration, windows.test))
        fitted = pipeline("hist_gradient_boosting", {}, table.numeric, table.categorical, settings.seed)
        before, between, after = day < calibrated, (day >= calibrated) & (day < tested), day >= tested
        fitted.fit(columns[before], late[before].astype(np.int64))
        model = CalibratedClassifierCV(FrozenEstimator(fitted), method="isotonic")
        model.fit(columns[between], late[between].astype(np.int64))
        score = [model.predict_proba(columns[part])[:, 1] for part in (between, after)]
        found[day_number(as_of)] = _labelled(day, late, between, after, score)
        as_of += timedelta(days=_WEEK)
    return found


def _candidates(day: Ints, features: Floats, label: Ints) -> dict[int, Confusion]:
    found = {}
    for as_of in range(_BEFORE, _DAYS - _AFTER + 1, _WEEK):
        training = (day >= as_of - _BEFORE) & (day < as_of - 60)
        between, after = (day >= as_of - 60) & (day < as_of - 30), day >= as_of - 30
        model = LogisticRegression().fit(features[training], label[training])
        score = [model.predict_proba(features[part])[:, 1] for part in (between, after)]
        found[as_of] = _labelled(day, label, between, after, score)
    return found


def _labelled(day: Ints, label: Ints, between: Ints, after: Ints, score: list[Floats]) -> Confusion:
    """The days after calibration, at the threshold chosen in it."""
    threshold = choose(Counts.from_rows(day[between], score[0], label[between], 16_384)).value
    return Confusion.from_rows(day[after], label[after], score[1] >= threshold, np.ones(len(score[1])))


def _rows(draw: "_Drawn", seed: int) -> tuple[Ints, Floats, Ints]:
    """Days, features and labels."""
    dice, days = np.random.default_rng(seed), np.arange(_DAYS)
    shock = dice.normal(0, _SHOCK * np.sqrt(1 - _KEPT**2), _DAYS)
    for number in range(1, _DAYS):
        shock[number] += _KEPT * shock[number - 1]
    day = np.repeat(days, dice.poisson(_ROWS, _DAYS))
    features = dice.normal(size=(len(day), len(_WEIGHTS)))
    base, weights = draw.base(days), draw.weights(days)
    odds = base[day] + (features * weights[day]).sum(axis=1) + shock[day]
    return day, features, (dice.random(len(day)) < 1 / (1 + np.exp(-odds))).astype(np.int64)


@dataclass(frozen=True)
class _Drawn:
    """level: log odds of a positive row. season: by how much they swing in a year. turn, jump: see `weights`."""

    level: float = -1.6
    season: float = 0.0
    turn: float = 0.0
    jump: bool = False

    def base(self, days: Ints) -> Floats:
        return self.level + self.season * np.sin(2 * np.pi * days / 365)

    def weights(self, days: Ints) -> Floats:
        """Weights of the features by day: the first two turn by `turn` in a year, or all jump on night 100."""
        first, second, third, fourth = _WEIGHTS
        angle = self.turn * days / 365
        turned = (np.cos(angle) * first - np.sin(angle) * second, np.sin(angle) * first + np.cos(angle) * second)
        ones = np.ones(len(days))
        found = np.stack([*turned, third * ones, fourth * ones], axis=1)
        if self.jump:
            found[days >= _BEFORE + 100] = (0.3, 0.2, -1.0, 0.8)
        return found


_DRAWN = {
    "nothing changes": _Drawn(),
    "nothing changes, 2 % positive": _Drawn(level=-4.2),
    "the share of positives follows the season": _Drawn(season=0.7),
    "the concept turns within the year": _Drawn(turn=0.6 * np.pi),
    "the concept jumps on the hundredth night": _Drawn(jump=True),
}
