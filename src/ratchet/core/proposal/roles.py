"""The roles that columns can have, judged by a sample of their values: timestamp, label, feature or none of these."""

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ratchet.core.category_texts import TRUE_WORDS
from ratchet.core.evaluation.counts import Bools

ISO_8601 = "ISO 8601"
"""The format of times in text that needs no setting."""

type Kind = Literal["number", "boolean", "text", "time", "other"]
type Unit = Literal["s", "ms", "us", "ns"]

# With fewer rows, as many values as rows are no sign of an id.
_FEWEST = 50
_ID_SHARE = 0.5
_ID_NAME = re.compile(r"(^|[_\s-])([Ii][Dd]|[Kk][Ee][Yy])$|[a-z](Id|ID|Key)$")
_POSITIVE_WORDS = frozenset({*TRUE_WORDS, "yes", "y", "positive", "1"})
# 2001 to 2100 as an epoch.
_FIRST_SECOND, _LAST_SECOND = 978_307_200, 4_102_444_800
_PER_SECOND: dict[Unit, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True)
class Column:
    """A column in a sample of rows. values: numbers with NaN, or objects with None, where missing.

    formats: of times, that all its texts or whole numbers have. whole: whether all its numbers are.
    in_path: whether the files' paths have it instead of the files, as in `day=2026-01-05/`.
    """

    name: str
    kind: Kind
    type_name: str
    values: npt.NDArray[Any]
    missing: Bools
    formats: tuple[str, ...] = ()
    whole: bool = False
    in_path: bool = False

    @property
    def distinct(self) -> list[Any]:
        """Its different values, the most frequent first."""
        values, rows = np.unique(self.values[~self.missing], return_counts=True)
        return [values[place] for place in np.lexsort((np.arange(len(rows)), -rows))]


def timestamps(columns: list[Column]) -> list[str]:
    """Names of the columns that can be the timestamp: times and texts of times without gaps, numbers, or paths."""
    full = [column for column in columns if not column.missing.any()]
    times = [column for column in full if column.kind == "time" or _is_text_of_times(column)]
    numbers = [column for column in full if epoch_unit(column) or (column.kind == "number" and column.formats)]
    numbers = [column for column in numbers if len(column.distinct) > 2]  # noqa: PLR2004
    of_files = [column for column in times if not column.in_path]
    return [column.name for column in of_files or numbers or times]


def _is_text_of_times(column: Column) -> bool:
    return column.kind == "text" and bool(column.formats)


def epoch_unit(column: Column) -> Unit | None:
    """The unit in which all numbers of a column are times from 2001 to 2100; None if there is none."""
    values = column.values[~column.missing]
    if column.kind != "number" or not column.whole or not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    return next(
        (unit for unit, per in _PER_SECOND.items() if low >= _FIRST_SECOND * per and high <= _LAST_SECOND * per), None
    )


def labels(columns: list[Column], timestamp: str) -> list[str]:
    """Names of the columns with exactly two values."""
    kinds = ("number", "boolean", "text")
    found = [column for column in columns if column.kind in kinds and column.name != timestamp and not column.in_path]
    return [column.name for column in found if len(column.distinct) == 2]  # noqa: PLR2004


def positive_of(label: Column) -> Any:
    """The positive one of two values: true, the greater number, a word such as yes, or else the rarer text."""
    values = label.distinct
    if label.kind != "text":
        return max(values)
    named = [value for value in values if str(value).strip().lower() in _POSITIVE_WORDS]
    return named[0] if len(named) == 1 else values[-1]


def why_no_feature(column: Column) -> str | None:
    """Why a column can't be a feature, as a comment; None if it can."""
    rows = int((~column.missing).sum())
    if not rows:
        return "no value"
    if column.in_path:
        return "a part of the path, which data.numeric or data.categorical may name"
    if column.kind == "other":
        return f"{column.type_name}: neither a number nor text"
    if column.kind == "time" or _is_text_of_times(column):
        what = column.type_name if column.kind == "time" else "times as text"
        return f"{what}: data.features may name it, for your own estimator"
    return _why_no_news(column, rows)


def _why_no_news(column: Column, rows: int) -> str | None:
    """Why the values of a column tell a model nothing: there is only one, or each is new."""
    distinct = len(column.distinct)
    if distinct == 1 and rows == len(column.values):
        return "constant"
    text = column.kind == "text"
    if rows >= _FEWEST and distinct == rows and (text or column.whole):
        return "as many values as rows: an id"
    if _ID_NAME.search(column.name) and column.whole and distinct > _FEWEST:
        return f"{distinct:,} whole numbers, and an id by its name; data.entity may name it"
    if rows >= _FEWEST and distinct > _ID_SHARE * rows and text:
        return f"{distinct:,} values in {rows:,} rows: an id; data.entity may name it"
    return None
