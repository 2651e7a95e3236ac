"""Writes the flights several times over, with jitter, or a few of them, to measure at sizes that a team really has.

Each copy moves the timestamps by up to ten minutes and the weather by a little, so that no two copies are alike and
neither compression nor the estimators meet the same row twice. Usage: python bench/larger.py TIMES FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

_JITTERED = ("temperature", "dew_point", "humidity", "wind_speed", "pressure")
_ROW_GROUP = 131_072


def write(times: int, folder: Path, source: Path = Path("data/flights")) -> int:
    """Write `times` jittered copies of the sample, a file a month; returns the rows."""
    random = np.random.default_rng(0)
    rows = 0
    for file in sorted(source.rglob("*.parquet")):
        month = folder / file.parent.name
        month.mkdir(parents=True, exist_ok=True)
        frame = pq.ParquetFile(file).read().to_pandas()
        schema = pq.ParquetFile(file).schema_arrow
        with pq.ParquetWriter(month / file.name, schema) as writer:
            for _ in range(times):
                copy = _jittered(frame, random)
                writer.write_table(pa.Table.from_pandas(copy, schema=schema, preserve_index=False), _ROW_GROUP)
                rows += len(copy)
    return rows


def write_few(rows: int, folder: Path, source: Path = Path("data/flights")) -> None:
    """Write as many rows of the sample, evenly spread over the year, as one file."""
    whole = pa.concat_tables(pq.ParquetFile(file).read() for file in sorted(source.rglob("*.parquet")))
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(whole.take(np.linspace(0, len(whole) - 1, rows).astype(int)), folder / "few.parquet")


def _jittered(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    copy = frame.copy()
    at = copy["scheduled_departure"]
    moved = at + pd.to_timedelta(random.integers(0, 600, len(copy)), unit="s")
    # A flight stays in its month, whose file and window it belongs to.
    copy["scheduled_departure"] = moved.where(moved.dt.month == at.dt.month, at)
    for name in _JITTERED:
        copy[name] = copy[name] + random.normal(0, 0.5, len(copy)).astype(copy[name].dtype)
    return copy


if __name__ == "__main__":
    sys.stdout.write(f"{write(int(sys.argv[1]), Path(sys.argv[2])):,} rows\n")
