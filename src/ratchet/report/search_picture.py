"""The plot of a search for parameters: the value of each trial, and the best one so far."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ratchet.core.search import Searched
from ratchet.report.picture_style import BLUE, GREY, INK, Size, frame, key, mark


def search_picture(searched: Searched) -> Figure:
    """Plot the mean objective of the folds by trial; the untuned parameters are trial 0."""
    trials, objective = searched.trials, searched.objective
    values = np.array([objective.shown(trial.value) for trial in trials])
    so_far = np.array([objective.shown(best) for best in np.maximum.accumulate([trial.value for trial in trials])])
    subtitle = f"{len(trials) - 1} trials on {searched.folds} folds inside the training window; trial 0 is untuned"
    figure, axes = frame("Search for parameters", subtitle, Size(8.8, 3.6, 0.75, 0.2, 0.95))
    axes.plot(values, ".", color=BLUE, markersize=8, label="trial")
    axes.step(range(len(trials)), so_far, where="post", color=INK, linewidth=1.8, label="best so far")
    axes.axhline(values[0], color=GREY, linewidth=1.2, linestyle=(0, (4, 2)), label="untuned")
    best = searched.best
    mark(axes, best.number, objective.shown(best.value), "best")
    axes.set(xlabel="trial", ylabel=f"{objective.name}, mean of the folds", xlim=(-0.5, len(trials) - 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    key(figure, 4)
    return figure
