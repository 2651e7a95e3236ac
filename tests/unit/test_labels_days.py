"""Which of the newest days have all their labels, whatever the format; no label is read but the table's own."""

from datetime import date

import pandas as pd
import pytest

from ratchet.core.windows import Window
from ratchet.io.table import inspection
from ratchet.io.table.labels.days import labelled_until
from ratchet.settings import Data

WINDOW = Window("newest", date(2024, 1, 2), date(2024, 1, 8))


def table(folder, labels, form="parquet"):
    """Two rows a day from 1 January 2024 on; labels: of each day, `10` a positive and a negative one, `?` a missing."""
    day = [f"2024-01-{1 + place:02d}T12:00:00" for place, pair in enumerate(labels) for _ in pair]
    label = [{"?": None}.get(sign, sign) for pair in labels for sign in pair]
    frame = pd.DataFrame({"at": day, "x": range(len(day)), "y": pd.array(label, dtype="string")})
    if form == "parquet":
        frame.to_parquet(folder / "rows.parquet", index=False, row_group_size=3)
    else:
        frame.to_csv(folder / "rows.csv", index=False)
    return inspection.inspect(Data(uri=str(folder), timestamp="at", label={"column": "y", "positive": "1"}))


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("labels", "until"),
    [
        (["10"] * 7, "2024-01-08"),
        (["10"] * 5 + ["1?", "??"], "2024-01-06"),
        (["10"] * 3 + ["1?"] + ["10"] * 2 + ["??"], "2024-01-07"),  # the gap before is an error of the checks
        (["10"] * 4 + ["??", "", "1?"], "2024-01-05"),  # a day without rows lacks no label
        (["10"] * 4 + ["", "", "1?"], "2024-01-07"),
        (["10", *["??"] * 6], "2024-01-02"),
        (["??"] + ["10"] * 6, "2024-01-08"),  # not in the window
    ],
)
def test_the_labelled_days_end_before_the_last_days_that_lack_one(tmp_path, form, labels, until):
    assert labelled_until(table(tmp_path, labels, form), WINDOW) == date.fromisoformat(until)


def test_days_after_the_window_do_not_count(tmp_path):
    shorter = Window("newest", date(2024, 1, 2), date(2024, 1, 5))
    assert labelled_until(table(tmp_path, ["10"] * 4 + ["??"] * 3), shorter) == date(2024, 1, 5)
