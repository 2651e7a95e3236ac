"""Any CSV file is read as docs/data.md says, told here a second time with Python's own csv module."""

import csv
import math
import re
import tempfile
from datetime import date
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ratchet.core.category_texts import FALSE_WORDS, MISSING_TEXTS, TRUE_WORDS
from ratchet.core.windows import Window
from ratchet.io.table import inspection
from ratchet.settings import Data, Label

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|infinity)", re.IGNORECASE)
NUMBERS = ("1", "2.5", " 3", "4 ", "-1e3", "+7", "0", "1.", ".5", "1e400", "00012", "inf", "-Infinity")
BOOLEANS = ("true", "False", "TRUE")
OTHERS = ("1,5", "1.234,5", "a", "b c", ' "', 'x"y', "a,b", "l1\nl2", "1_0", "0x1", "١", ".", "é", "\u00a05", "12 %")
# Whatever may be missing; and one kind of values, or a few of all.
COLUMNS = st.tuples(
    st.sampled_from([(), ("",)]),
    st.lists(st.sampled_from(MISSING_TEXTS), max_size=1),
    st.one_of(
        st.lists(st.sampled_from(pool), min_size=1, max_size=3, unique=True)
        for pool in (NUMBERS, BOOLEANS, OTHERS, (*NUMBERS, *BOOLEANS, *OTHERS))
    ),
).map(lambda parts: [value for part in parts for value in part])
TABLES = st.tuples(st.integers(1, 12), st.lists(COLUMNS, min_size=1, max_size=3)).flatmap(
    lambda of: st.lists(st.tuples(*(st.sampled_from(pool) for pool in of[1])), min_size=of[0], max_size=of[0])
)


@given(
    rows=TABLES, quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), end=st.sampled_from(["\n", "\r\n", "\r"])
)
def test_any_values_are_read_as_the_page_says(rows, quoting, end):
    names = [f"f{place}" for place in range(len(rows[0]))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file, quoting=quoting, lineterminator=end)
            writer.writerow(["at", *names, "late"])
            writer.writerows([f"2023-11-{place + 1:02}", *row, "yes"] for place, row in enumerate(rows))
        table = inspection.inspect(Data(uri=str(path), timestamp="at", label=Label(column="late", positive="yes")))
        frame = inspection.load(table, Window("training", None, date(2023, 12, 1)), table.features).frame
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        meant = [None if value in MISSING_TEXTS else value for value in column]
        numbers = [None if value is None else number(value) for value in meant]
        is_number = all(value is None or parsed is not None for value, parsed in zip(meant, numbers, strict=True))
        assert name in (table.numeric if is_number else table.categorical)
        found = [None if value != value else value for value in frame[name].astype(object)]  # noqa: PLR0124  # NaN
        assert found == (numbers if is_number else [value if value and value.strip() else None for value in meant])


def number(text):
    """What a text is as a number; None if it is none."""
    bare = text.strip()
    if bare in TRUE_WORDS or bare in FALSE_WORDS:
        return float(bare in TRUE_WORDS)
    return float(bare) if NUMBER.fullmatch(bare) and not math.isnan(float(bare)) else None
