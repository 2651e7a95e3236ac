"""The picture of the page: F1 in the next period by world, rule and way of serving, as differences with intervals."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from bench.rule.intervals import Difference
from bench.rule.results import REFERENCE, Result
from bench.rule.rules import RULES
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ratchet.report.picture_style import BLUE, GREY, INK, VERMILLION, name, png, style

_COLUMNS = 4
_WIDTH, _HEIGHT = 3.3, 2.9
_APART = 0.16


def draw(results: Sequence[Result], path: Path) -> None:
    """Write the picture as PNG: a plot for each world, a row for each rule."""
    rows = -(-len(results) // _COLUMNS)
    with style():
        figure = Figure(figsize=(_WIDTH * _COLUMNS, _HEIGHT * rows + 0.9))
        margins = {"left": 0.1, "right": 0.99, "top": 1 - 0.6 / (rows * _HEIGHT), "bottom": 0.27 / rows}
        plots = figure.subplots(rows, _COLUMNS, sharey=True, gridspec_kw={"hspace": 0.5, "wspace": 0.1, **margins})
        for axes, result in zip(np.ravel(plots), results, strict=False):
            _world(axes, result)
        for axes in np.ravel(plots)[len(results) :]:
            axes.set_visible(False)
        handles, labels = np.ravel(plots)[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncols=len(labels))
        path.write_bytes(png(figure))


def _world(axes: Axes, result: Result) -> None:
    reference = result.f1(REFERENCE, "measured")
    name(axes, result.world, f"{REFERENCE}, measured: F1 {reference:.3f}")
    for height, rule in enumerate(RULES):
        measured = result.against_reference(rule, "measured")
        _interval(axes, height - _APART, measured, BLUE, "o", "the measured model serves")
        _interval(
            axes,
            height + 0.16,
            result.against_reference(rule, "refitted"),
            VERMILLION,
            "D",
            "refitted before it serves",
        )
    axes.axvline(0, color=GREY, linewidth=1.2)
    axes.set_yticks(range(len(RULES)), list(RULES), color=INK)
    axes.set_ylim(len(RULES) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("difference in F1", size=8.5)


def _interval(axes: Axes, height: float, found: Difference, color: str, marker: str, label: str) -> None:
    text = label if height <= _APART else None
    axes.plot([found.low, found.high], [height, height], color=color, linewidth=1.6, solid_capstyle="round")
    axes.plot([found.mean], [height], marker, color=color, ms=5, mec="white", mew=0.6, linestyle="", label=text)
