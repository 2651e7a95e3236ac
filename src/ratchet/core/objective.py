"""What is optimised (`promotion.objective`): F1, another F-beta, or the cost of wrong labels; and its words.

Each objective is a ratio of two sums over the rows, in which a row counts by how it is labelled; greater is better. A
cost therefore counts as negative: minus the mean cost of a row. What people read shows the cost itself. Imports only
the standard library; `core.evaluation.objective_values` computes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from ratchet.errors import FailedError

TAG = "ratchet.objective"
VALUE_TAG = "ratchet.objective_value"


def _object(**properties: object) -> dict[str, Any]:
    """The JSON schema of a mapping with exactly these keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


# Weights of true positives, false positives, false negatives and true negatives.
Weights = tuple[float, float, float, float]

_ERRORS = ("false_positive", "false_negative")
_GREATEST_BETA, _GREATEST_COST = 1_000, 1_000_000_000
_FORMS = "f1, {beta: 2} and {cost: {false_positive: 1, false_negative: 8}} are accepted"
_POSITIVE = {"type": "number", "exclusiveMinimum": 0}
SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"enum": ["f1"]},
        _object(beta={**_POSITIVE, "maximum": _GREATEST_BETA}),
        _object(cost=_object(**{error: {**_POSITIVE, "maximum": _GREATEST_COST} for error in _ERRORS})),
    ]
}
"""The JSON schema of the setting."""


@dataclass(frozen=True)
class FloorWords:
    """What readers call the value that a day must not pass, and the side on which a day is low."""

    name: str
    side: str

    @property
    def passed(self) -> str:
        """Where the value of a low day is: `below its floor`."""
        return f"{self.side} its {self.name}"


_FLOOR, _LIMIT = FloorWords("floor", "below"), FloorWords("limit", "above")


def floor_words(*, greater_is_better: bool) -> FloorWords:
    """Those of a measure as people read it: a cost has a limit."""
    return _FLOOR if greater_is_better else _LIMIT


@dataclass(frozen=True)
class Objective:
    """An objective: F-beta, or a cost.

    beta: how many times as important as precision recall is; 1 is F1 (C. van Rijsbergen, "Information Retrieval", 1979,
    chapter 7). cost: of a false positive and of a false negative, in any unit; None: F-beta counts.
    """

    beta: float = 1.0
    cost: tuple[float, float] | None = None

    @classmethod
    def parse(cls, form: object) -> "Objective":
        """The objective of a setting; raises ValueError with the accepted forms if it is anything else."""
        if isinstance(form, Objective):
            return form
        if form == "f1":
            return cls()
        if not isinstance(form, Mapping) or form.keys() not in ({"beta"}, {"cost"}):
            message = f"{form!r} is no objective; {_FORMS}"
            raise ValueError(message)
        if "beta" in form:
            return cls(beta=_positive("beta", form["beta"], _GREATEST_BETA))
        costs = form["cost"]
        if not isinstance(costs, Mapping) or costs.keys() != set(_ERRORS):
            message = (
                f"cost is {costs!r}; both false_positive and false_negative are needed, and nothing else: {_FORMS}"
            )
            raise ValueError(message)
        false_positive, false_negative = (
            _positive(f"the cost of a {one.replace('_', ' ')}", costs[one], _GREATEST_COST) for one in _ERRORS
        )
        return cls(cost=(false_positive, false_negative))

    @property
    def form(self) -> str | dict[str, Any]:
        """The inverse of `parse`."""
        if self.cost is not None:
            return {"cost": dict(zip(_ERRORS, self.cost, strict=True))}
        return "f1" if self == F1 else {"beta": self.beta}

    @classmethod
    def from_tag(cls, text: str | None, where: str) -> "Objective":
        """The objective of a run or version; F1 if it has no tag. Raises FailedError, naming it, if that is invalid."""
        try:
            return F1 if text is None else cls.parse(json.loads(text))
        except ValueError as error:
            message = f"the tag {TAG} of {where} can't be read: {text!r}; delete the tag in MLflow, or train again"
            raise FailedError(message) from error

    def tags(self) -> dict[str, str]:
        """The tag of a run or version; none for F1."""
        return {} if self == F1 else {TAG: json.dumps(self.form)}

    @property
    def weights(self) -> tuple[Weights, Weights]:
        """Of the numerator and of the denominator."""
        if self.cost is not None:
            false_positive, false_negative = self.cost
            return (0.0, -false_positive, -false_negative, 0.0), (1.0, 1.0, 1.0, 1.0)
        square = self.beta**2
        return (1 + square, 0.0, 0.0, 0.0), (1 + square, 1.0, square, 0.0)

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest possible value."""
        return (0.0, 1.0) if self.cost is None else (-max(self.cost), 0.0)

    @property
    def floor_words(self) -> FloorWords:
        """The words for its floor."""
        return floor_words(greater_is_better=self.cost is None)

    @property
    def name(self) -> str:
        """F1, F2, F0.5 or cost."""
        return f"F{self.beta:g}" if self.cost is None else "cost"

    @property
    def meaning(self) -> str:
        """Its definition, short."""
        if self.cost is None:
            return f"harmonic mean of precision and recall, where recall counts {self.beta:g} times as much"
        return f"mean cost of a row: {self.cost[0]:g} for a false positive, {self.cost[1]:g} for a false negative"

    def shown(self, value: float) -> float:
        """A value as people read it: a cost is positive."""
        return value if self.cost is None else 0.0 - value

    def said(self, number: str) -> str:
        """A shown value in a sentence: F1 0.541, cost 0.213 a row."""
        return f"{self.name} {number}" if self.cost is None else f"cost {number} a row"

    @property
    def is_worse(self) -> str:
        """Where a worse shown value lies."""
        return "is below" if self.cost is None else "is above"

    @property
    def constant(self) -> str:
        """The best labelling without a model, in words."""
        return "labelling every row positive" if self.cost is None else "the best constant labelling"


F1 = Objective()


@dataclass(frozen=True)
class Achieved:
    """A candidate's value by an objective. constant: that of the best labelling without a model."""

    objective: Objective
    value: float
    constant: float


def _positive(name: str, value: object, greatest: int) -> float:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")
    if not (isfinite(number) and 0 < number <= greatest):
        message = f"{name} is {value!r}; a number greater than 0 and at most {greatest:,} is accepted"
        raise ValueError(message)
    return float(number)
