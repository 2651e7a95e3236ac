"""Slices: the test rows by the value of a column, or by ranges of a number.

A slice has a bounded number of groups: the values with the most rows have one each, the others one together, and rows
without a value one. Both engines number the groups alike; an engine returns the sums by day of each group
(`core.evaluation.day_sums`). Imports only the standard library, because the settings contain slices.
"""

from collections.abc import Mapping
from dataclasses import dataclass

MOST_VALUES = 20
"""How many values of a slice have a group of their own."""
ALL_ROWS = -1, 0
"""The place and the group of all rows together."""

type Value = float | str
type Group = tuple[int, int]
"""The place of a slice among those of the settings, and the number of one of its groups."""


@dataclass(frozen=True)
class Slice:
    """A column to slice by. edges: of a number's ranges, ascending; None: each value is a group."""

    column: str
    edges: tuple[float, ...] | None = None

    def grouped(self, rows_by_value: Mapping[Value, int], distinct: int | None = None) -> "Grouping":
        """The groups, from the rows by value; ranges need none.

        rows_by_value: at least the values with the most rows, all texts or all numbers, none missing. distinct: how
        many different values there are; None: as many as are given.
        """
        if self.edges is not None:
            return Grouping(self, (), 0)
        ranked = sorted(rows_by_value, key=lambda value: (-rows_by_value[value], value))
        kept = tuple(ranked[:MOST_VALUES])
        return Grouping(self, kept, (len(ranked) if distinct is None else distinct) - len(kept))


@dataclass(frozen=True)
class Grouping:
    """The groups of a slice. values: those with a group of their own, most rows first. others: how many have none.

    The groups are numbered: the ranges or the values in this order, then the other values, then missing ones.
    """

    slice: Slice
    values: tuple[Value, ...]
    others: int

    @property
    def other(self) -> int:
        """The number of the group of the other values."""
        return len(self.values) if self.slice.edges is None else len(self.slice.edges) + 1

    @property
    def missing(self) -> int:
        """The number of the group of rows without a value."""
        return self.other + 1

    def name(self, group: int) -> str:
        """A group's name for people: `carrier = UA`, `25 ≤ age < 40`."""
        column, edges = self.slice.column, self.slice.edges
        if group == self.missing:
            return f"{column} missing"
        if group == self.other:
            return f"{column}: {self.others} other value{'' if self.others == 1 else 's'}"
        if edges is None:
            return f"{column} = {_text(self.values[group])}"
        if group == 0:
            return f"{column} < {edges[0]:g}"
        lower = edges[group - 1]
        return f"{column} ≥ {lower:g}" if group == len(edges) else f"{lower:g} ≤ {column} < {edges[group]:g}"


def _text(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:.15g}"
