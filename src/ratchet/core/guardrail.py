"""A guardrail's result: a row of `guardrails.csv`.

The trainer measures and writes the rows, the registrar holds a candidate because of them, the report shows them.
Imports only the standard library, because the registrar runs where no engine is installed.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Literal, Self, cast, get_args

from ratchet.core.cells import number, one_of
from ratchet.errors import FailedError

NAME = "guardrails.csv"
Limit = Literal["at_least", "at_most", "not_worse_by"]
LESS_IS_BETTER = ("brier", "log_loss")
"""Metrics of which less is better."""
_DIGITS = 3


@dataclass(frozen=True)
class GuardrailResult:
    """What one guardrail found for one group of test rows.

    guardrail: the setting, as `Guardrail.text`. metric, limit, bound: its parts. group: such as `carrier = UA`; empty
    for all rows. champion: the number of the version beside which it was measured, None for a bound on the metric
    alone. value, champion_value: the metric of the candidate and of the champion. broken: whether the candidate is
    held. unseen: how far the metric may be beyond its bound without being noticed, with equal chances; None if it is
    not estimated. note: why the metric is not known; empty if it is.
    """

    guardrail: str
    metric: str
    limit: Limit
    bound: float
    group: str
    champion: int | None
    value: float | None
    champion_value: float | None
    broken: bool
    unseen: float | None = None
    note: str = ""

    @property
    def slack(self) -> float | None:
        """How far the metric is inside its bound, negative outside; None if it is not known."""
        if self.value is None or (self.limit == "not_worse_by" and self.champion_value is None):
            return None
        sign = -1 if self.metric in LESS_IS_BETTER else 1
        if self.limit == "not_worse_by":
            return sign * (self.value - (self.champion_value or 0.0)) + self.bound
        return sign * (self.value - self.bound)

    def sentence(self) -> str:
        """A clause that says how it is broken, with both values and the bound."""
        where = f" of {self.group}" if self.group else ""
        if self.limit == "not_worse_by":
            beside = f"the champion's, version {self.champion}, {_number(self.champion_value)}"
            worse = f"shown to be worse by more than the {self.bound:g} allowed"
            return f"{self.metric}{where} is {_number(self.value)} and {beside}: {worse}"
        side = "below the least" if self.limit == "at_least" else "above the most"
        shown = "is shown to be" if self.group else "is"
        return f"{self.metric}{where}, {_number(self.value)}, {shown} {side} allowed, {self.bound:g}"

    @staticmethod
    def to_csv(results: Iterable["GuardrailResult"]) -> str:
        """The rows as CSV with a header; numbers at full precision, None is empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(field.name for field in fields(GuardrailResult))
        writer.writerows(["" if cell is None else cell for cell in astuple(result)] for result in results)
        return text.getvalue()

    @classmethod
    def from_csv(cls, text: str) -> tuple[Self, ...]:
        """Parse the output of `to_csv`; raises FailedError, naming the line, if it is anything else."""
        reader = csv.DictReader(io.StringIO(text))
        if reader.fieldnames != (expected := [field.name for field in fields(cls)]):
            message = f"{NAME} has the columns {reader.fieldnames}; accepted are {expected}"
            raise FailedError(message)
        return tuple(cls._from_row(row, reader.line_num) for row in reader)

    @classmethod
    def _from_row(cls, row: dict[str, str], line: int) -> Self:
        try:
            return cls(
                guardrail=row["guardrail"],
                metric=row["metric"],
                limit=cast("Limit", one_of(row["limit"], get_args(Limit))),
                bound=float(row["bound"]),
                group=row["group"],
                champion=int(row["champion"]) if row["champion"] else None,
                value=number(row["value"]),
                champion_value=number(row["champion_value"]),
                broken={"True": True, "False": False}[row["broken"]],
                unseen=number(row["unseen"]),
                note=row["note"],
            )
        except (KeyError, TypeError, ValueError) as error:
            message = f"line {line} of {NAME} can't be read: {list(row.values())}"
            raise FailedError(message) from error


def why_held(results: Sequence[GuardrailResult], guardrails: Sequence[str], champion: int | None) -> str | None:
    """Why guardrails hold a candidate, as a clause; None if they don't.

    results: of the candidate's trainer. guardrails: those of the settings, as `Guardrail.text`. champion: the present
    one's number. What was measured beside another champion says nothing about the present one.
    """
    known = {result.guardrail for result in results}
    if lacking := [text for text in guardrails if text not in known]:
        return f"its trainer did not measure the guardrail “{lacking[0]}”; train again"
    counted = [result for result in results if result.guardrail in guardrails]
    beside = {result.champion for result in counted if result.limit == "not_worse_by"}
    if champion is not None and beside - {champion}:
        return f"its trainer did not measure the guardrails beside the champion, version {champion}; train again"
    present = [one for one in counted if one.broken and (one.limit != "not_worse_by" or champion is not None)]
    if not present:
        return None
    present.sort(key=lambda one: one.slack or 0.0)
    more = len(present) - 1
    others = f", and {more} more {'is' if more == 1 else 'are'} broken" if more else ""
    return f"a guardrail is broken: {present[0].sentence()}{others}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.{_DIGITS}f}"
