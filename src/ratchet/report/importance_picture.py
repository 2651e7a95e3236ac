"""The plot of what the model rests on: the features whose shuffling costs most, beside the champion's."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ratchet.core.evaluation.explanation import Explanation
from ratchet.core.evaluation.importance import Importance
from ratchet.core.evaluation.resampling import Interval
from ratchet.report.picture_style import BLUE, GREY, INK, ORANGE, name

_MOST_FEATURES = 15
_LINE = 24
_LEFT, _RIGHT, _TOP, _BOTTOM, _WIDTH = 2.1, 0.2, 0.75, 0.95, 8.8
_ROW = 0.3

type _Measure = Callable[[Importance], tuple[float, Interval]]


def importance_picture(explained: Explanation) -> Figure:
    """Plot the falls in F1 and in average precision side by side, the features in the order of their fall in F1."""
    shown = explained.candidate[:_MOST_FEATURES]
    height = _TOP + _BOTTOM + _ROW * (len(shown) + 1)
    figure = Figure(figsize=(_WIDTH, height))
    margins = {"left": _LEFT / _WIDTH, "right": 1 - _RIGHT / _WIDTH, "bottom": _BOTTOM / height}
    left, right = figure.subplots(1, 2, sharey=True, gridspec_kw={**margins, "top": 1 - _TOP / height, "wspace": 0.1})
    _bars(left, explained, shown, lambda one: (one.f1, one.f1_interval))
    _bars(right, explained, shown, lambda one: (one.average_precision, one.average_precision_interval))
    rows = f"{explained.rows:,} test rows; lines: 95 % intervals, on days like these"
    name(left, "What the model rests on", f"fall when one feature is shuffled among {rows}")
    left.set(xlabel="fall in F1", yticks=range(len(shown)), yticklabels=[_short(one.feature) for one in shown])
    for label in left.get_yticklabels():
        label.set(linespacing=1.0, size=8.5 if "\n" in label.get_text() else 9.5)
    right.set(xlabel="fall in average precision")
    left.set(ylim=(len(shown) - 0.4, -0.6))
    left.tick_params(axis="y", labelcolor=INK)
    if explained.champion:
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles[::-1], labels[::-1], loc="lower center", ncols=2)
    return figure


def _bars(axes: Axes, explained: Explanation, shown: Sequence[Importance], measure: _Measure) -> None:
    places, thick = np.arange(len(shown), dtype=np.float64), 0.68
    if explained.champion:
        theirs = {one.feature: one for one in explained.champion}
        known = [(place, theirs[one.feature]) for place, one in enumerate(shown) if one.feature in theirs]
        thick = 0.36
        label = f"champion, version {explained.version}"
        _one_model(axes, [place + 0.2 for place, _ in known], [measure(one) for _, one in known], thick, ORANGE, label)
        places = places - 0.2
    _one_model(axes, list(places), [measure(one) for one in shown], thick, BLUE, "candidate")
    axes.axvline(0, color=GREY, linewidth=1)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _one_model(
    axes: Axes,
    places: Sequence[float],
    values: Sequence[tuple[float, Interval]],
    thick: float,
    color: str,
    label: str,
) -> None:
    axes.barh(places, [value for value, _ in values], thick, color=color, alpha=0.75, linewidth=0, label=label)
    for place, (_, interval) in zip(places, values, strict=True):
        axes.plot([interval.low, interval.high], [place, place], color=INK, linewidth=1.2, solid_capstyle="butt")


def _short(text: str) -> str:
    """A feature's name, on two lines if it is long; cut in the middle beyond that, since names often differ at ends."""
    if len(text) <= _LINE:
        return text
    if len(text) > 2 * _LINE:
        text = f"{text[: _LINE - 1]}…{text[-_LINE:]}"
    middle = -(-len(text) // 2)
    return f"{text[:middle]}\n{text[middle:]}"
