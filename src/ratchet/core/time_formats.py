"""Formats of times in text, written with the directives of C's strftime, as regular expressions."""

import re
from dataclasses import dataclass
from itertools import product

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

# By directive: the field, and what it may be; numbers of two digits may lack their leading zero.
_FIELDS = {
    "Y": ("year", "[0-9]{4}"),
    "y": ("short_year", "[0-9]{2}"),
    "m": ("month", "0?[1-9]|1[0-2]"),
    "b": ("month_name", f"(?i:{'|'.join(MONTHS)})"),
    "d": ("day", "0?[1-9]|[12][0-9]|3[01]"),
    "H": ("hour", "[01]?[0-9]|2[0-3]"),
    "I": ("hour_of_half", "0?[1-9]|1[0-2]"),
    "p": ("half", "(?i:am|pm)"),
    "M": ("minute", "[0-5][0-9]"),
    "S": ("second", "[0-5][0-9]"),
    "f": ("fraction", "[0-9]{1,9}"),
    "z": ("zone", "Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]"),
}
_NEEDS = {"M": "HI", "S": "M", "f": "S", "z": "HI", "I": "p", "p": "I"}
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)

_DATES = ("%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d")
_NAMED_DATES = ("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d, %Y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %H:%M:%S,%f", " %I:%M %p", " %I:%M:%S %p")
COMMON = ("%Y%m%d", "%Y%m%d%H%M%S", *(day + time for day, time in product((*_DATES, *_NAMED_DATES), _TIMES)))
"""Formats to look for in a table that nobody has described; text in ISO 8601 needs none."""


@dataclass(frozen=True)
class TimeFormat:
    """A format. pattern: for RE2 and Python; matches a whole text, with a named group for each of `fields`."""

    text: str
    pattern: str
    fields: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> "TimeFormat":
        """Raises ValueError with what is wrong."""
        found = _DIRECTIVE.findall(text)
        _check(text, found)
        parts = iter(_DIRECTIVE.split(text))
        pattern = re.escape(next(parts))
        for directive, literal in zip(parts, parts, strict=True):
            name, values = _FIELDS.get(directive, ("", ""))
            pattern += (f"(?P<{name}>{values})" if name else "%") + re.escape(literal)
        return cls(text, f"^{pattern}$", frozenset(_FIELDS[each][0] for each in found if each != "%"))


def _check(text: str, found: list[str]) -> None:
    used = [each for each in found if each != "%"]
    unknown = [each for each in used if each not in _FIELDS]
    if unknown:
        message = f"{text!r} has %{unknown[0]}; {', '.join(f'%{each}' for each in _FIELDS)} are accepted"
        raise ValueError(message)
    for kinds, what in (("Yy", "year"), ("mb", "month"), ("d", "day")):
        if sum(used.count(kind) for kind in kinds) != 1:
            listed = " or ".join(f"%{kind}" for kind in kinds)
            message = f"{text!r} must have the {what} once, as {listed}"
            raise ValueError(message)
    twice = next((each for each in used if used.count(each) > 1), "HI" if {"H", "I"} <= {*used} else None)
    if twice is not None:
        message = f"{text!r} has the same part of a time twice: {' and '.join(f'%{each}' for each in twice)}"
        raise ValueError(message)
    for each in used:
        if each in _NEEDS and not {*_NEEDS[each]} & {*used}:
            message = f"{text!r} has %{each} without {' or '.join(f'%{other}' for other in _NEEDS[each])}"
            raise ValueError(message)
