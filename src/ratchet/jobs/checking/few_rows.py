"""A few rows of each window, written as a table of their own: what an engine is tried on."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ratchet.io.table.rows import of_both_classes
from ratchet.io.table.table import DAY, LABEL, EventTable
from ratchet.jobs.checking.findings import Subject
from ratchet.settings import Data, Label, Settings

# So many positive rows that calibration is isotonic, as it is on most tables.
_OF_EACH_CLASS = 200


@dataclass(frozen=True)
class FewRows:
    """settings: those of the subject, for the small table. rows: how many it has."""

    settings: Settings
    rows: int


def written(subject: Subject, folder: str) -> FewRows:
    """Write rows of both classes from each window to a new folder, as a trainer would read them."""
    table, settings = subject.table, subject.settings
    chosen = [of_both_classes(frame, _OF_EACH_CLASS) for frame in subject.read.frames]
    few = pd.concat([_plain(frame) for frame in chosen], ignore_index=True)
    Path(folder).mkdir()
    pq.write_table(_stored(few, table), Path(folder) / "rows.parquet")
    data = settings.data
    small = Data(
        uri=folder,
        timestamp=data.timestamp,
        timezone=data.timezone,
        label=Label(column=data.label.column, positive=True),
        numeric=table.numeric,
        categorical=table.categorical,
        features=table.raw,
    )
    return FewRows(settings.model_copy(update={"data": small}), len(few))


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Categories as text: those of the windows differ."""
    return frame.astype({name: object for name in frame.columns if isinstance(frame[name].dtype, pd.CategoricalDtype)})


def _stored(few: pd.DataFrame, table: EventTable) -> pa.Table:
    settings = table.settings
    columns = {name: pa.array(few[name], pa.float64(), from_pandas=True) for name in table.numeric}
    for name in table.texts:
        text = pa.array(few[name], pa.string(), from_pandas=True)
        columns[name] = text.cast(pa.bool_()) if name in table.booleans else text
    columns[settings.label.column] = pa.array(few[LABEL], pa.bool_())
    columns[settings.timestamp] = pa.array(few[DAY].astype("int32"), pa.int32()).cast(pa.date32())
    return pa.table(columns)
