"""What the pictures share: colours, frames, the mark of the threshold, and the PNG.

Used by `core.pictures`. Colours are those of Okabe and Ito ("Color universal design", 2008), which colour-blind people
can tell apart; lines differ in their dashes, too. Figures are made without pyplot, which would keep them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import matplotlib as mpl
import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from ratchet.core.counts import Bools, Floats

BLUE, ORANGE, SKY, PURPLE, VERMILLION = "#0072B2", "#E69F00", "#56B4E9", "#CC79A7", "#D55E00"
INK, GREY, PALE = "#1F2933", "#6B7480", "#D5DADF"
# Colour, dashes and width of each measure, the same in every picture; F1 decides, so it stands out.
MEASURES = {
    "F1": (INK, (1, 0), 2.6),
    "precision": (BLUE, (6, 1.5), 1.8),
    "recall": (ORANGE, (5, 1, 1, 1), 1.8),
    "ROC AUC": (PURPLE, (1.2, 1), 2.0),
    "accuracy": (SKY, (3, 1.5), 1.8),
}

_STYLE = {
    "axes.edgecolor": "#C9CFD6",
    "axes.labelcolor": INK,
    "axes.labelsize": 9.5,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
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
    """Inside, figures look like Ratchet's; the process's own settings are put back afterwards."""
    with mpl.rc_context({**seaborn.axes_style("whitegrid"), **_STYLE}):
        yield


def frame(title: str, subtitle: str, width: float = 5.6, height: float = 4.9) -> tuple[Figure, Axes]:
    """A figure of one plot; sizes in inches."""
    figure = Figure(figsize=(width, height))
    axes = figure.subplots()
    name(axes, title, subtitle)
    return figure, axes


def stacked(title: str, subtitle: str, width: float, height: float) -> tuple[Figure, Axes, Axes]:
    """A figure of two plots over one another, the lower one small, which share their x axis."""
    figure = Figure(figsize=(width, height))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
    name(upper, title, subtitle)
    return figure, upper, lower


def name(axes: Axes, title: str, subtitle: str) -> None:
    """Write a title and, smaller, what it is about."""
    axes.set_title(f"{title}\n", loc="left", fontsize=13, fontweight="bold", linespacing=1.5)
    axes.annotate(subtitle, (0, 1), (0, 8), xycoords="axes fraction", textcoords="offset points", color=GREY)


def mark(axes: Axes, x: float, y: float, text: str) -> None:
    """Mark what the chosen threshold gives; `text` says it in the key."""
    axes.plot([x], [y], "D", color=VERMILLION, markersize=8, markeredgecolor="white", clip_on=False, zorder=5, label=text)


def key(figure: Figure, columns: int) -> None:
    """Write the key of all labelled lines below the plots, where it can hide none of them."""
    figure.legend(loc="outside lower center", ncols=columns)


def thinned(*lines: Floats) -> Bools:
    """Which points of curves over [0, 1] to draw: each that is not on the spot of the point before it, and the last.

    lines: the coordinates, arrays of one length, at least 1. A spot is a thousandth wide, which is a pixel here.
    """
    spots = np.round(np.stack(lines) * _SPOTS)
    kept = np.ones(spots.shape[1], dtype=np.bool_)
    kept[1:] = np.any(np.diff(spots, axis=1) != 0, axis=0)
    kept[-1] = True
    return kept


def apart(heights: Floats, gap: float) -> Floats:
    """The heights of labels moved up as little as is needed for `gap` between them, in the order given."""
    order = np.argsort(heights, kind="stable")
    steps = gap * np.arange(len(heights))
    result = np.empty(len(heights))
    result[order] = np.maximum.accumulate(heights[order] - steps) + steps
    return result


def png(figure: Figure) -> bytes:
    """The figure as a PNG file of few colours, a third of the usual size; the same bytes for the same figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    file = BytesIO()
    picture.quantize(_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(file, "PNG")
    return file.getvalue()
