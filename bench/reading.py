"""What reading a table costs beside Arrow's own scan of it: a folder of small files, and CSV.

Usage: python bench/reading.py [small|csv|csv-30 ...]; small: the flights in 2,000 Parquet files; csv: as CSV by month;
csv-30: thirty times over, ten million rows. Ours looks at the table and brings all of its rows into the form that both
engines learn from; Arrow's brings the same columns into memory batch by batch, and leaves them as they are.
"""

import sys
import tempfile
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from larger import write
from measure import paired

FOLDER = Path(tempfile.gettempdir()) / "ratchet-bench"
SOURCE = Path("data/flights")
_FILES = 2000
_MIB = 1024**2


def main(names: list[str]) -> None:
    """Measure and print a table."""
    print(
        "| table | ours | Arrow's scan | ratio | s a million rows | peak memory | load |\n|---|---|---|---|---|---|---|"
    )
    for name in names:
        folder = FOLDER / name
        rows = _small(folder) if name == "small" else _csv(folder, int(name.partition("-")[2] or 1))
        ours, arrow = ([sys.executable, __file__, how, str(folder)] for how in ("--ours", "--arrow"))
        ratio = paired(ours, arrow, {}, 1 if "-" in name else 3)
        cells = (
            f"{name}, {rows:,} rows",
            f"{ratio.ours.wall:.1f} s, CPU {ratio.ours.cpu:.0f} s",
            f"{ratio.bare.wall:.1f} s, CPU {ratio.bare.cpu:.0f} s",
            f"{ratio.wall:.2f} ×",
            f"{ratio.ours.wall / rows * 1e6:.1f}",
            f"{ratio.ours.peak / _MIB:.0f} MiB; {ratio.bare.peak / _MIB:.0f} MiB",
            f"{ratio.load:.1f}",
        )
        print(f"| {' | '.join(cells)} |", flush=True)


def _small(folder: Path) -> int:
    rows = pa.concat_tables(pq.ParquetFile(file).read() for file in sorted(SOURCE.rglob("*.parquet")))
    if not folder.exists():
        folder.mkdir(parents=True)
        size = -(-rows.num_rows // _FILES)
        for number in range(_FILES):
            pq.write_table(rows.slice(number * size, size), folder / f"{number:04}.parquet")
    return rows.num_rows


def _csv(folder: Path, times: int) -> int:
    larger = SOURCE if times == 1 else FOLDER / f"flights-{times}"
    if not larger.exists():
        write(times, larger)
    rows = 0
    for file in sorted(larger.rglob("*.parquet")):
        folder.mkdir(parents=True, exist_ok=True)
        parquet, target = pq.ParquetFile(file), folder / f"{file.parent.name}.csv"
        rows += parquet.metadata.num_rows
        if not target.exists():
            with pc.CSVWriter(target, parquet.schema_arrow) as writer:
                for batch in parquet.iter_batches():
                    writer.write_batch(batch)
    return rows


def _settings(folder: str) -> dict[str, object]:
    found = yaml.safe_load(Path("configs/dev.yaml").read_text(encoding="utf-8"))["data"]
    return {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()} | {"uri": folder}


def _ours(folder: str) -> None:
    from ratchet.core.windows import Window
    from ratchet.io.table import inspection, reader
    from ratchet.settings import Data

    table = inspection.inspect(Data.model_validate(_settings(folder)))
    ever = [Window("training", None, date(2100, 1, 1))]
    for _ in reader.batches(table, reader.pieces(table, ever), ever, table.features):
        pass


def _arrow(folder: str) -> None:
    found = _settings(folder)
    names = [*found["numeric"], *found["categorical"], found["timestamp"], found["label"]["column"]]
    # Arrow takes a column's type from the first rows of the first file, and then fails on these.
    types = dict.fromkeys(found["numeric"], pa.float64()) | dict.fromkeys(found["categorical"], pa.string())
    csv = ds.CsvFileFormat(convert_options=pc.ConvertOptions(column_types=types, null_values=["", "NA"]))
    form = csv if next(Path(folder).iterdir()).suffix == ".csv" else "parquet"
    for _ in ds.dataset(folder, format=form).to_batches(columns=names):
        pass


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--ours", folder]:
            _ours(folder)
        case ["--arrow", folder]:
            _arrow(folder)
        case names:
            main(names or ["small", "csv"])
