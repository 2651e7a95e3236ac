"""The plot of the rolling metrics, the widest of those drawn by `report.pictures`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ratchet.core.evaluation.counts import Floats
from ratchet.core.evaluation.rolling import RollingDay
from ratchet.core.objective import F1, Objective
from ratchet.report.picture_style import GREY, MEASURES, OBJECTIVE, Size, apart, readable, stacked

_FIELDS = {"F1": "f1", "precision": "precision", "recall": "recall", "ROC AUC": "roc_auc", "accuracy": "accuracy"}
_TICKS = 9
_SINGLE_DAYS_SEEN = 62


def rolling_metrics(rolling: Sequence[RollingDay], objective: Objective = F1) -> Figure:
    """Plot each metric over the days, labelled at its end, and the base rate below; days without rows are gaps.

    objective: another F-beta than F1 has its line, too; a cost, which has a scale of its own, has a plot of its own.
    """
    length = max(day.days for day in rolling)
    days = "the day alone" if length == 1 else f"the {length} days that end there (paler: since the test window began)"
    size, heights = Size(8.8, 4.9, 0.75, 1.25, 0.75), [3.4, 1.0]
    if objective.cost is not None:
        size, heights = replace(size, height=6.1), [3.4, 1.4, 1.0]
    figure, (axes, *costs, below) = stacked("Rolling measures", f"each point: {days}", size, heights)
    whole = next(place for place, day in enumerate(rolling) if day.days == length)
    lines = {text: np.array([getattr(day, field) for day in rolling]) for text, field in _fields(objective).items()}
    for text, values in lines.items():
        _line(axes, values, whole, text)
    _end_labels(axes, lines, 0.065, 1.0)
    axes.set(ylim=(0, 1), ylabel="measure")
    for place in costs:
        _costs(place, rolling, objective, whole)
    rates = np.array([day.positives / day.rows if day.rows else np.nan for day in rolling])
    below.fill_between(np.arange(len(rolling)), rates, color=GREY, alpha=0.25, linewidth=0)
    below.plot(rates, color=GREY, linewidth=1.4, marker=".", markersize=_dot(len(rolling)))
    below.set(ylabel="base rate", ylim=(0, None), xlim=(-0.5, len(rolling) - 0.5), xlabel="last day covered")
    below.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    _date_ticks(below, rolling)
    return figure


def _costs(axes: Axes, rolling: Sequence[RollingDay], objective: Objective, whole: int) -> None:
    values = np.array([objective.shown(day.objective) for day in rolling])
    _line(axes, values, whole, objective.name)
    top = 1.15 * max(float(np.nanmax(values)), 1e-9)
    _end_labels(axes, {objective.name: values}, top, top)
    axes.set(ylim=(0, top), ylabel="cost of a row")


def _fields(objective: Objective) -> dict[str, str]:
    return _FIELDS if objective == F1 or objective.cost is not None else {objective.name: "objective", **_FIELDS}


def _line(axes: Axes, values: Floats, whole: int, text: str) -> None:
    """Plot a metric, paler before the day `whole`, from which on the points cover full windows."""
    color, dashes, width = MEASURES.get(text, OBJECTIVE)
    days = np.arange(len(values))
    for part, strength in ((slice(0, whole + 1), 0.35), (slice(whole, None), 1.0)):
        axes.plot(days[part], values[part], color=color, dashes=dashes, linewidth=width, alpha=strength)
    axes.plot(days[whole:], values[whole:], ".", color=color, markersize=_dot(len(values)))


def _end_labels(axes: Axes, lines: Mapping[str, Floats], gap: float, top: float) -> None:
    """Label each line at its end, with its last value; the labels are at least `gap` apart and not above `top`."""
    last = {text: values[np.isfinite(values)][-1] for text, values in lines.items() if np.isfinite(values).any()}
    heights = apart(np.array(list(last.values())), gap, top)
    for (text, value), height in zip(last.items(), heights, strict=True):
        axes.annotate(
            f"{text} {value:.3f}",
            (1.0, height),
            xycoords=("axes fraction", "data"),
            color=readable(MEASURES.get(text, OBJECTIVE)[0]),
            va="center",
            annotation_clip=False,
            fontweight="bold" if text == "F1" or text not in MEASURES else "normal",
        )


def _date_ticks(axes: Axes, rolling: Sequence[RollingDay]) -> None:
    step = -(-len(rolling) // _TICKS)
    places = range(0, len(rolling), step)
    days = [rolling[place].day for place in places]
    years = [None, *(day.year for day in days)]
    axes.set_xticks(
        list(places),
        [f"{day.day} {day:%b}\n{day.year if day.year != year else ''}" for day, year in zip(days, years, strict=False)],
    )


def _dot(days: int) -> float:
    return 7.0 if days <= _SINGLE_DAYS_SEEN else 2.0
