"""The common style of the plots: colours, frames, the threshold marker, and the PNG.

Used by `report.pictures`. Colours are those of Okabe and Ito ("Color universal design", 2008), which colour-blind
people can distinguish; lines also differ in their dashes. Figures are created without pyplot, which would keep them in
memory.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from ratchet.core.evaluation.counts import Bools, Floats

BLUE, ORANGE, SKY, PURPLE, VERMILLION = "#0072B2", "#E69F00", "#56B4E9", "#CC79A7", "#D55E00"
GREEN = "#009E73"
INK, GREY, PALE = "#1F2933", "#6B7480", "#D5DADF"
# Colour, dashes and width of each metric, the same in every plot; F1 decides, so it stands out.
MEASURES = {
    "F1": (INK, (1, 0), 2.6),
    "precision": (BLUE, (6, 1.5), 1.8),
    "recall": (ORANGE, (5, 1, 1, 1), 1.8),
    "ROC AUC": (PURPLE, (1.2, 1), 2.0),
    "accuracy": (SKY, (3, 1.5), 1.8),
}
# Of an objective other than F1, which then decides.
OBJECTIVE = (GREEN, (1, 0), 2.6)

_STYLE = {
    "axes.edgecolor": "#C9CFD6",
    "axes.labelcolor": INK,
    "axes.labelsize": 9.5,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 150,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture on every machine
    "font.size": 9.5,
    "grid.color": "#E8EBEE",
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "lines.linewidth": 2.0,
    "legend.columnspacing": 1.6,
    "legend.labelcolor": INK,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
}
_SPOTS = 1_000
_COLOURS = 128


@contextmanager
def style() -> Iterator[None]:
    """Apply Ratchet's figure style within the context; the process's own settings are restored afterwards."""
    with mpl.rc_context({**sns.axes_style("whitegrid"), **_STYLE}):
        yield


@dataclass(frozen=True)
class Size:
    """The size of a plot and its margins, in inches; margins are fixed because computing them is as slow as drawing."""

    width: float = 5.6
    height: float = 4.9
    left: float = 0.75
    right: float = 0.45
    bottom: float = 0.95

    def margins(self) -> dict[str, float]:
        """The margins as matplotlib expects them: fractions of the figure."""
        return {
            "left": self.left / self.width,
            "right": 1 - self.right / self.width,
            "bottom": self.bottom / self.height,
            "top": 1 - 0.65 / self.height,
        }


def frame(title: str, subtitle: str, size: Size) -> tuple[Figure, Axes]:
    """A figure of one plot."""
    figure = Figure(figsize=(size.width, size.height))
    axes = figure.subplots(gridspec_kw=size.margins())
    name(axes, title, subtitle)
    return figure, axes


def stacked(title: str, subtitle: str, size: Size, heights: Sequence[float] = (3.4, 1)) -> tuple[Figure, list[Axes]]:
    """A figure of stacked plots with a shared x axis. heights: relative, from top to bottom."""
    figure = Figure(figsize=(size.width, size.height))
    rows = {"hspace": 0.12, **size.margins()}
    plots: list[Axes] = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, gridspec_kw=rows))
    name(plots[0], title, subtitle)
    return figure, plots


def name(axes: Axes, title: str, subtitle: str) -> None:
    """Write a title and a smaller subtitle."""
    for text, height, font in ((title, 24, {"size": 13, "weight": "bold"}), (subtitle, 9, {"color": GREY})):
        axes.annotate(text, (0, 1), (0, height), xycoords="axes fraction", textcoords="offset points", **font)


def mark(axes: Axes, x: float, y: float, text: str) -> None:
    """Mark the point of the chosen threshold; `text` is its label in the legend."""
    axes.plot([x], [y], "D", color=VERMILLION, label=text, ms=8, mec="white", zorder=5, clip_on=False)


def key(figure: Figure, columns: int) -> None:
    """Draw the legend below the plots, where it hides no line."""
    figure.legend(loc="lower center", ncols=columns)


def thinned(*lines: Floats) -> Bools:
    """Which points of curves over [0, 1] to draw: each that is not on the same spot as the previous one, and the last.

    lines: the coordinates, arrays of equal length, at least 1. A spot is a thousandth wide, which is one pixel.
    """
    spots = np.round(np.stack(lines) * _SPOTS)
    kept = np.ones(spots.shape[1], dtype=np.bool_)
    kept[1:] = np.any(np.diff(spots, axis=1) != 0, axis=0)
    kept[-1] = True
    return kept


def apart(heights: Floats, gap: float, top: float) -> Floats:
    """Positions of labels for the given heights: `gap` apart, none above `top`, moved no further than needed."""
    order = np.argsort(heights, kind="stable")
    steps = gap * np.arange(len(heights))
    pushed_up = np.maximum.accumulate(heights[order] - steps) + steps
    result = np.empty(len(heights))
    result[order] = np.minimum(pushed_up, top - steps[::-1])
    return result


def readable(color: str) -> tuple[float, float, float]:
    """A darker tone of a colour, because thin letters need more contrast than a line."""
    middle: tuple[float, float, float] = sns.blend_palette([color, INK], 3)[1]
    return middle


def png(figure: Figure) -> bytes:
    """The figure as a PNG file of few colours, a third of the usual size; the same bytes for the same figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    file = BytesIO()
    picture.quantize(_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file, "PNG")
    return file.getvalue()
