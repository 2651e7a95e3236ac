"""The settings of a search for parameters (`sklearn.search`)."""

from collections.abc import Mapping
from math import isfinite
from typing import Annotated

from pydantic import BeforeValidator, Field

from ratchet.settings.forms import Flag, Scalar, Section, Text


class Range(Section):
    """Numbers from `low` to `high`, both included: whole ones if both are whole."""

    low: int | float
    """Least value."""
    high: int | float
    """Greatest value."""
    log: Flag = False
    """Whether small values are tried as often as great ones: on a logarithmic scale."""


def _values(value: object) -> object:
    """What a parameter may be, as in YAML: a range, or a list of values."""
    if isinstance(value, tuple) and len(set(value)) == len(value) > 1 and all(isinstance(one, Scalar) for one in value):
        return value
    if isinstance(value, Range):
        return value
    if not isinstance(value, Mapping) or not {"low", "high"} <= {*value} <= {"low", "high", "log"}:
        message = (
            f"{value!r} is no space; accepted are {{low: 0.01, high: 0.3, log: true}} and a list of two or more "
            "different values, [15, 31, 63]"
        )
        raise ValueError(message)
    low, high = value["low"], value["high"]
    if not all(type(one) in (int, float) and isfinite(one) for one in (low, high)) or low >= high:
        message = f"low is {low!r} and high is {high!r}; two numbers are accepted of which low is less"
        raise ValueError(message)
    if value.get("log") and low <= 0:
        message = f"low is {low!r}; with log: true a number above 0 is accepted"
        raise ValueError(message)
    return value


Space = Annotated[Range | tuple[Scalar, ...], BeforeValidator(_values)]


class Search(Section):
    """A search for better parameters on folds that go forward in time inside the training window."""

    trials: Annotated[int, Field(ge=1, le=1_000)] = 25
    """Number of parameter sets to try, besides the untuned one."""
    minutes: Annotated[float, Field(gt=0, le=1_440)] = 10.0
    """Minutes after which no new trial begins, whichever comes first."""
    folds: Annotated[int, Field(ge=1, le=20)] = 3
    """Number of folds: a fit on all days before each scores a part of the training window, the last of equal parts."""
    space: Annotated[Mapping[Text, Space], Field(min_length=1)]
    """What to try, by the estimator's own names: `{low: 0.01, high: 0.3, log: true}` or a list, `[15, 31, 63]`."""
