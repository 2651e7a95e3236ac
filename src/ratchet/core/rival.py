"""An existing version compared with the candidate: a row of `comparison.csv`.

The trainer writes the rows, the registrar decides based on them, the report shows them. Imports only the standard
library, because the registrar runs where no engine is installed.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from math import nan
from typing import Literal, Self, cast, get_args

from ratchet.core.cells import number, one_of
from ratchet.errors import FailedError

Basis = Literal["same_rows", "recorded", "not_compared", "left_out"]

# Written only where another objective than F1 decides.
_OBJECTIVE = ("objective", "objective_low", "objective_high", "candidate_objective")


@dataclass(frozen=True)
class Rival:
    """An existing version and its F1.

    version: its number. basis: whether `f1` was measured on the candidate's test rows or recorded by its own run, that
    it has learnt from too many of these rows to be compared, or that it is beyond `promotion.rescore`. f1_low, f1_high:
    the 95 % interval on days like these. recorded_f1: recorded by its own run. difference: the candidate's F1 minus
    this version's. probability: that the candidate is better on days like these. note: why F1 is a recorded one or is
    absent. candidate_f1: the candidate's on the days that neither has learnt from, unless those are all days. None if
    unknown.

    objective: the value of another objective that decides instead of F1, greater is better; None if F1 decides.
    difference and probability are then those of the objective, and objective_low, objective_high, candidate_objective
    what the same of F1 is called.
    """

    version: int
    basis: Basis
    f1: float
    f1_low: float | None
    f1_high: float | None
    precision: float | None
    recall: float | None
    recorded_f1: float | None
    difference: float
    probability: float | None
    champion: bool
    note: str
    candidate_f1: float | None = None
    objective: float | None = None
    objective_low: float | None = None
    objective_high: float | None = None
    candidate_objective: float | None = None

    @classmethod
    def recorded(
        cls, version: int, f1: float | None, candidate_f1: float, champion: bool, note: str = ""
    ) -> "Rival | None":
        """A version that counts with the F1 recorded by its own run; None if there is none."""
        if f1 is None:
            return None
        return cls(version, "recorded", f1, None, None, None, None, f1, candidate_f1 - f1, None, champion, note)

    @classmethod
    def not_compared(cls, version: int, recorded_f1: float | None, champion: bool, note: str) -> "Rival":
        """A version that can't be compared, and why."""
        f1 = nan if recorded_f1 is None else recorded_f1
        return cls(version, "not_compared", f1, None, None, None, None, recorded_f1, nan, None, champion, note)

    @classmethod
    def left_out(cls, version: int, recorded_f1: float | None, champion: bool, note: str) -> "Rival":
        """A version that was not scored because there are too many, and why it was this one."""
        return replace(cls.not_compared(version, recorded_f1, champion, note), basis="left_out")

    def by(self, objective: float, candidate: float) -> "Rival":
        """The same row where another objective than F1 decides. candidate: the candidate's value."""
        return replace(self, objective=objective, difference=candidate - objective)

    @property
    def value(self) -> float:
        """What decides: F1, or the value of another objective."""
        return self.f1 if self.objective is None else self.objective

    @property
    def fewer_days(self) -> bool:
        """Whether it is compared on fewer than all days with test rows."""
        return self.candidate_f1 is not None

    def own(self, candidate: float) -> float:
        """The candidate's value to compare this version's with. candidate: that on all test rows."""
        fewer = self.candidate_f1 if self.objective is None else self.candidate_objective
        return candidate if fewer is None else fewer

    @staticmethod
    def to_csv(rivals: Iterable["Rival"]) -> str:
        """The rows as CSV with a header; numbers at full precision, None is empty."""
        rows, text = list(rivals), io.StringIO()
        names = _columns(by_f1=all(rival.objective is None for rival in rows))
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(getattr(rival, name)) for name in names] for rival in rows)
        return text.getvalue()

    @classmethod
    def from_csv(cls, text: str) -> tuple[Self, ...]:
        """Parse the output of `to_csv`; raises FailedError, naming the line, if it is anything else."""
        reader = csv.DictReader(io.StringIO(text))
        expected = _columns(by_f1=True)
        # The last column was added later, so older files lack it.
        if reader.fieldnames not in (_columns(by_f1=False), expected, expected[:-1]):
            message = f"comparison.csv has the columns {reader.fieldnames}; accepted are {expected}"
            raise FailedError(message)
        return tuple(cls._from_row(row, reader.line_num) for row in reader)

    @classmethod
    def _from_row(cls, row: dict[str, str], line: int) -> Self:
        try:
            return cls(
                version=int(row["version"]),
                basis=cast("Basis", one_of(row["basis"], get_args(Basis))),
                f1=float(row["f1"]),
                f1_low=number(row["f1_low"]),
                f1_high=number(row["f1_high"]),
                precision=number(row["precision"]),
                recall=number(row["recall"]),
                recorded_f1=number(row["recorded_f1"]),
                difference=float(row["difference"]),
                probability=number(row["probability"]),
                champion={"true": True, "false": False}[row["champion"]],
                note=row["note"],
                candidate_f1=number(row.get("candidate_f1", "")),
                **{name: number(row.get(name, "")) for name in _OBJECTIVE},
            )
        except (KeyError, TypeError, ValueError) as error:
            message = f"line {line} of comparison.csv can't be read: {list(row.values())}"
            raise FailedError(message) from error


def _columns(*, by_f1: bool) -> Sequence[str]:
    return [field.name for field in fields(Rival) if not (by_f1 and field.name in _OBJECTIVE)]


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
