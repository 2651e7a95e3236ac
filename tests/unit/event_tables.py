"""Small tables of events for the tests of data: a year's last two months, one row each six hours."""

import tarfile
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from ratchet.core.windows import Window
from ratchet.settings import Data, Label

WRITTEN = Path(__file__).parent / "written"
FIRST = datetime(2023, 11, 1)  # noqa: DTZ001
ROWS = 244
NOVEMBER = Window("training", None, date(2023, 12, 1))
DECEMBER = Window("test", date(2023, 12, 1), date(2024, 1, 1))


def columns(**changed: Any) -> dict[str, Any]:
    """Two numbers, a category, a label, a timestamp; a changed column replaces one, None removes it."""
    at = [FIRST + timedelta(hours=6 * row) for row in range(ROWS)]
    made = {
        "at": pa.array(at, pa.timestamp("us")),
        "late": pa.array([row % 4 == 0 for row in range(ROWS)]),
        "speed": pa.array([float(row % 7) for row in range(ROWS)]),
        "stops": pa.array([row % 3 for row in range(ROWS)], pa.int16()),
        "carrier": pa.array([("AA", "BB", "CC")[row % 3] for row in range(ROWS)]),
    }
    made.update(changed)
    return {name: column for name, column in made.items() if column is not None}


def parquet(path: Path, made: Mapping[str, Any] | pa.Table | None = None, **options: Any) -> Path:
    """Write one Parquet file; returns its path."""
    table = made if isinstance(made, pa.Table) else pa.table(dict(made if made is not None else columns()))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **options)
    return path


def csv(path: Path, made: Mapping[str, Any] | None = None) -> Path:
    """Write one CSV file; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pa.csv.write_csv(pa.table(dict(made if made is not None else columns())), path)
    return path


def settings(uri: Path | str, **changed: Any) -> Data:
    """What describes the table of `columns`."""
    label = Label(column=changed.pop("label", "late"), positive=changed.pop("positive", True))
    return Data(uri=str(uri), label=label, **{"timestamp": "at", **changed})


def unpacked(name: str, folder: Path) -> Path:
    """A table that Spark wrote, in a folder: elsewhere than where it was written."""
    with tarfile.open(WRITTEN / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / name
