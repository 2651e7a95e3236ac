"""Seeded histories whose truth is known: no drift, a concept that drifts, seasons, and an abrupt change.

A row is positive with probability σ(b(t) + w(t)·x + an interaction + the day's shock); x are six normal numbers and a
category. What drifts is b and w, so a model that stood still loses because the concept moved, not because x did.
"""

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd
from bench.rule.world import World

from ratchet.core.evaluation.counts import Floats, day_number
from ratchet.core.windows import Period
from ratchet.io.table.inspection import DAY, LABEL

_START = date(2020, 1, 6)
_PERIOD = Period(4, "w")
_PERIOD_DAYS, _YEAR_DAYS = 28, 364
_PERIODS = 26
_ROWS_A_DAY = 100
_NUMBERS = tuple(f"x{number}" for number in range(6))
_EARLY = np.array([1.0, -0.8, 0.6, 0.4, 0.0, 0.0])
_LATE = np.array([0.2, 0.3, 0.6, -0.4, 0.9, -0.8])
_CATEGORIES = np.array([-0.6, -0.3, 0.0, 0.2, 0.7])
_SHOCK = 0.4

CHANGE = _START + timedelta(days=_PERIODS * _PERIOD_DAYS // 2)
"""The day of the abrupt change."""

type Drift = Callable[[Floats], tuple[Floats, Floats]]
"""From the time in years to the base log-odds, and to the way from the early to the late concept, 0 to 1."""


def still(years: Floats) -> tuple[Floats, Floats]:
    """Nothing moves."""
    return np.full_like(years, -1.4), np.zeros_like(years)


def drifting(years: Floats) -> tuple[Floats, Floats]:
    """The concept moves evenly."""
    return np.full_like(years, -1.4), years / years.max()


def seasons(years: Floats) -> tuple[Floats, Floats]:
    """The base rate and the concept go round once a year."""
    turn = np.sin(2 * np.pi * years)
    return -1.4 + 0.7 * turn, 0.3 + 0.3 * np.cos(2 * np.pi * years)


def abrupt(years: Floats) -> tuple[Floats, Floats]:
    """The concept changes at once, half-way."""
    return np.full_like(years, -1.4), np.where(years < years.max() / 2, 0.0, 0.7)


def make(name: str, drift: Drift, seed: int, periods: int = _PERIODS, rows_a_day: int = _ROWS_A_DAY) -> World:
    """A history of so many periods of four weeks; the first three are the windows of the first decision."""
    draw = np.random.default_rng(seed)
    day = np.repeat(np.arange(periods * _PERIOD_DAYS), rows_a_day)
    x, category = draw.normal(size=(len(day), len(_NUMBERS))), draw.integers(len(_CATEGORIES), size=len(day))
    base, way = drift(day / _YEAR_DAYS)
    shock = draw.normal(0, _SHOCK, size=day[-1] + 1)[day]
    weighed = (x * (_EARLY + way[:, None] * (_LATE - _EARLY))).sum(axis=1)
    odds = base + weighed + 0.5 * x[:, 0] * x[:, 4] + _CATEGORIES[category] + shock
    rows = pd.DataFrame(x, columns=list(_NUMBERS))
    rows["category"] = pd.Categorical.from_codes(category, categories=list("abcde"))
    rows[LABEL] = draw.random(len(day)) < 1 / (1 + np.exp(-odds))
    rows[DAY] = day + day_number(_START)
    decisions = tuple(_START + timedelta(days=_PERIOD_DAYS * number) for number in range(3, periods + 1))
    return World(name, rows, _NUMBERS, ("category",), decisions, _PERIOD, _PERIOD)
