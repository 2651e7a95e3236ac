"""A champion's rolling measure and its floor, as SVG in the page and as a table beside it."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, log10
from xml.etree.ElementTree import Element

from ratchet.core.history import Curve
from ratchet.report.console.elements import element, table
from ratchet.report.console.times import day_of
from ratchet.report.numbers import Scale, measure

_TABLE_DAYS = 31


def figure_of(curve: Curve) -> Element:
    """The plot, its caption, and the newest days as a table."""
    days = sorted(curve.values)
    limit, side = curve.floor_words.name, curve.floor_words.side
    caption = f"Rolling {curve.name} by day, with its {limit} as a dashed line; days {side} it have a dot."
    return element(
        "figure",
        _plot(curve, days),
        element("div", *(element("span", text) for text in _ends(days)), class_="ends", aria_hidden="true"),
        element("figcaption", caption),
        _numbers(curve, days, limit),
    )


def _plot(curve: Curve, days: Sequence[int]) -> Element:
    scale = _scale(curve)
    # The lines are stretched to the width of the page; dots and labels are not.
    lines = element(
        "svg",
        element("path", d=_path(curve.floors, days, scale), class_="floor"),
        element("path", d=_path(curve.values, days, scale), class_="value"),
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
        width="100%",
        height="100%",
    )
    dotted = [day for day in days if curve.is_low(day) or len(days) == 1]
    dots = (
        element("circle", cx=f"{_x(day, days):.2f}%", cy=f"{_y(curve.values[day], scale):.2f}%", r="3.5")
        for day in dotted
    )
    labels = (
        element("span", f"{value:.3g}", class_=place, aria_hidden="true")
        for place, value in (("high", scale.high), ("low", scale.low))
    )
    picture = element("svg", lines, *dots, role="img", aria_label=_said(curve, days))
    return element("div", *labels, picture, class_="plot")


def _said(curve: Curve, days: Sequence[int]) -> str:
    """The plot in words."""
    least, most = min(curve.values.values()), max(curve.values.values())
    low, judged = sum(curve.is_low(day) for day in days), len(curve.floors)
    text = f"Rolling {curve.name} on {len(days)} days up to {day_of(days[-1])}: {measure(least)} to {measure(most)}"
    now = measure(curve.values[days[-1]])
    return f"{text}, now {now}; {curve.floor_words.passed} on {low} of the {judged} days that have one"


def _numbers(curve: Curve, days: Sequence[int], limit: str) -> Element:
    newest = days[: -_TABLE_DAYS - 1 : -1]
    names = {"Last day": "text", f"Rolling {curve.name}": None, limit.capitalize(): None}
    heads = (element("th", name, scope="col", class_=place) for name, place in names.items())
    rows = (
        element(
            "tr",
            element("th", day_of(day), scope="row"),
            element("td", measure(curve.values[day]), class_="low" if curve.is_low(day) else None),
            element("td", measure(curve.floors.get(day))),
        )
        for day in newest
    )
    summary = f"The numbers of the newest {len(newest)} days" if len(newest) > 1 else "The numbers of the day"
    return element("details", element("summary", summary), table(heads, rows))


def _scale(curve: Curve) -> Scale:
    values = [*curve.values.values(), *curve.floors.values()]
    greatest = max(abs(value) for value in values)
    unit = 1.0 if curve.greater_is_better or not greatest else 10.0 ** ceil(log10(greatest))
    return Scale.over(values, unit)


def _path(values: Mapping[int, float], days: Sequence[int], scale: Scale) -> str:
    """A line through the days that have a value, broken where days are missing."""
    return " ".join(
        f"{'L' if joined else 'M'}{_x(day, days):.2f} {_y(values[day], scale):.2f}{'' if joined else 'h0'}"
        for day, joined in _joined(values)
    )


def _joined(values: Mapping[int, float]) -> Iterator[tuple[int, bool]]:
    for day in sorted(values):
        yield day, day - 1 in values


def _x(day: int, days: Sequence[int]) -> float:
    return 100 * (day - days[0]) / (days[-1] - days[0]) if days[-1] > days[0] else 50.0


def _y(value: float, scale: Scale) -> float:
    return 100 - scale.percent(value)


def _ends(days: Sequence[int]) -> Sequence[str]:
    return [day_of(day) for day in dict.fromkeys((days[0], days[-1]))]
