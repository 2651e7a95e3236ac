"""The one table behind every number: (day, score, label) → rows.

Both engines produce this table, scikit-learn with a `groupby`, Spark with a distributed aggregation. The same code
computes metrics, curves, threshold, rolling windows and confidence from it, so its size, not the number of rows, bounds
the cost of an evaluation.

Scores are rounded down to the points of a grid (`score_grid`), where `levels` is a power of two. This rounding is exact
in binary floating point, and for a threshold t that is also on the grid, `score >= t` holds for the rounded score if
and only if it holds for the score. No label depends on the rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from ratchet.core.evaluation import score_grid
from ratchet.errors import FailedError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

EPOCH = date(1970, 1, 1)
_HEAD = "day,score,label,rows"


def day_number(day: date) -> int:
    """The days since 1970-01-01: the step of MLflow's rolling metrics."""
    return (day - EPOCH).days


def day_of(number: int) -> date:
    """The inverse of `day_number`."""
    return EPOCH + timedelta(days=int(number))


@dataclass(frozen=True)
class Confusion:
    """Counts of right and wrong labels by day: five arrays of equal length, sorted by day, each day once."""

    day: Ints
    true_positive: Ints
    false_positive: Ints
    false_negative: Ints
    true_negative: Ints

    @classmethod
    def from_rows(
        cls, day: npt.ArrayLike, label: npt.ArrayLike, predicted: npt.ArrayLike, rows: npt.ArrayLike
    ) -> "Confusion":
        """Sum up rows of (day, label, predicted label, count): arrays of equal length, in any order."""
        days, where = np.unique(np.asarray(day, dtype=np.int64), return_inverse=True)
        kind = np.asarray(label, dtype=np.int64) * 2 + np.asarray(predicted, dtype=np.int64)
        table = np.zeros((len(days), 4), dtype=np.int64)
        np.add.at(table, (where, kind), np.asarray(rows, dtype=np.int64))
        return cls(days, table[:, 3], table[:, 1], table[:, 2], table[:, 0])

    def reindexed(self, days: Ints) -> "Confusion":
        """The same counts on the given sorted days; absent days count zero."""
        place = np.searchsorted(days, self.day)

        def spread(values: Ints) -> Ints:
            result = np.zeros(len(days), dtype=np.int64)
            result[place] = values
            return result

        return Confusion(
            days,
            spread(self.true_positive),
            spread(self.false_positive),
            spread(self.false_negative),
            spread(self.true_negative),
        )

    def since(self, day: int) -> "Confusion":
        """The counts from a day on."""
        return self.selected(self.day >= day)

    def selected(self, kept: Bools) -> "Confusion":
        """The counts of some days. kept: whether each day is one of them."""
        return Confusion(
            self.day[kept],
            self.true_positive[kept],
            self.false_positive[kept],
            self.false_negative[kept],
            self.true_negative[kept],
        )

    @property
    def rows(self) -> int:
        return int((self.true_positive + self.false_positive + self.false_negative + self.true_negative).sum())


@dataclass(frozen=True)
class Counts:
    """Rows by day, score and label: four arrays of equal length, sorted by day, score, label, each triple once.

    day: days since 1970-01-01. score: calibrated probability, on the grid of `score_grid`. label: True is the
    positive class. rows: their number, at least 1.
    """

    day: Ints
    score: Floats
    label: Bools
    rows: Ints

    @classmethod
    def from_table(
        cls, day: npt.ArrayLike, score: npt.ArrayLike, label: npt.ArrayLike, rows: npt.ArrayLike, levels: int
    ) -> "Counts":
        """Sum up rows of (day, score, label, count), in any order, possibly repeated; scores are rounded down."""
        days = np.asarray(day, dtype=np.int64)
        scores, place = np.unique(score_grid.rounded(np.asarray(score, dtype=np.float64), levels), return_inverse=True)
        labels = np.asarray(label, dtype=np.int64)
        first = int(days.min()) if len(days) else 0
        key = ((days - first) * len(scores) + place) * 2 + labels
        keys, where = np.unique(key, return_inverse=True)
        total = np.zeros(len(keys), dtype=np.int64)
        np.add.at(total, where, np.asarray(rows, dtype=np.int64))
        rest, label_part = np.divmod(keys, 2)
        day_part, score_part = np.divmod(rest, max(len(scores), 1))
        return cls(day_part + first, scores[score_part], label_part.astype(np.bool_), total)

    @classmethod
    def from_rows(cls, day: npt.ArrayLike, score: npt.ArrayLike, label: npt.ArrayLike, levels: int) -> "Counts":
        """Count single rows: arrays of equal length, one element per row."""
        return cls.from_table(day, score, label, np.ones(len(np.asarray(day)), dtype=np.int64), levels)

    def to_csv(self) -> str:
        """One line per day, score and label; the day in ISO 8601, the score at full precision."""
        days = {day: day_of(day).isoformat() for day in np.unique(self.day).tolist()}
        columns = (column.tolist() for column in (self.day, self.score, self.label, self.rows))
        lines = [f"{days[day]},{score!r},{int(label)},{rows}" for day, score, label, rows in zip(*columns, strict=True)]
        return "\n".join([_HEAD, *lines, ""])

    @classmethod
    def from_csv(cls, text: str, levels: int) -> "Counts":
        """Parse the output of `to_csv`, in any order; raises FailedError if it is anything else."""
        lines = text.removeprefix(_HEAD).splitlines()[1:]
        try:
            cells = [line.split(",") for line in lines]
            rows = [
                (day_number(date.fromisoformat(day)), float(score), int(label), int(count))
                for day, score, label, count in cells
            ]
        except ValueError as error:
            message = f"a table of counts can't be read, which should have the columns {_HEAD}: {error}"
            raise FailedError(message) from error
        day, score, label, count = zip(*rows, strict=True) if rows else ((), (), (), ())
        return cls.from_table(day, score, label, count, levels)

    @staticmethod
    def together(parts: "Sequence[Counts]", levels: int) -> "Counts":
        """The rows of all parts."""

        def column(name: str) -> npt.ArrayLike:
            return np.concatenate([[], *(getattr(part, name) for part in parts)])

        return Counts.from_table(column("day"), column("score"), column("label"), column("rows"), levels)

    @property
    def total(self) -> int:
        return int(self.rows.sum())

    @property
    def positives(self) -> int:
        return int(self.rows[self.label].sum())

    def between(self, first: int, last: int) -> "Counts":
        """The rows of the days first to last, inclusive."""
        part = slice(*np.searchsorted(self.day, [first, last + 1]))
        return Counts(self.day[part], self.score[part], self.label[part], self.rows[part])

    def by_score(self) -> tuple[Floats, Ints, Ints]:
        """Distinct scores (ascending), and the number of negative and positive rows for each."""
        scores, where = np.unique(self.score, return_inverse=True)
        table = np.zeros((len(scores), 2), dtype=np.int64)
        np.add.at(table, (where, self.label.astype(np.int64)), self.rows)
        return scores, table[:, 0], table[:, 1]

    def confusion(self, threshold: float) -> Confusion:
        """Right and wrong labels by day where `score >= threshold` is labelled positive."""
        return Confusion.from_rows(self.day, self.label, self.score >= threshold, self.rows)
