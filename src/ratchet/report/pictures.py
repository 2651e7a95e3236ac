"""The six plots of a run, from the count table: drawn once by a trainer, logged as PNG, shown in the report.

The cost is bounded by the size of the count table and of a plot, not by the number of rows.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from ratchet.core.evaluation.counts import Counts
from ratchet.core.evaluation.explanation import Explanation
from ratchet.core.evaluation.metrics import calibration_points, metrics, pr_points, roc_points
from ratchet.core.evaluation.rolling import RollingDay
from ratchet.core.evaluation.threshold import Threshold
from ratchet.core.objective import F1
from ratchet.core.search import Searched
from ratchet.report.importance_picture import importance_picture
from ratchet.report.picture_style import (
    BLUE,
    GREY,
    INK,
    MEASURES,
    OBJECTIVE,
    PALE,
    SKY,
    VERMILLION,
    Size,
    frame,
    key,
    mark,
    png,
    stacked,
    style,
    thinned,
)
from ratchet.report.rolling_picture import rolling_metrics
from ratchet.report.search_picture import search_picture

_CLASSES = ("negative", "positive")
_DARK_SHARE = 0.6


def draw(counts: Counts, threshold: Threshold, rolling: Sequence[RollingDay]) -> dict[str, bytes]:
    """Draw all plots; returns PNG files by name.

    counts: of the test window, with both classes. threshold: chosen on the calibration window, with its curve there.
    rolling: the metrics over the trailing days for each day of the test window, at least one.
    """
    numbers = metrics(counts, threshold.value)
    with style():
        return {
            "confusion_matrix.png": png(_confusion_matrix(counts, numbers)),
            "roc_curve.png": png(_roc_curve(counts, numbers)),
            "pr_curve.png": png(_pr_curve(counts, numbers)),
            "calibration_curve.png": png(_calibration_curve(counts, numbers)),
            "threshold_curve.png": png(_threshold_curve(threshold)),
            "rolling_metrics.png": png(rolling_metrics(rolling, threshold.objective)),
        }


def draw_importance(explained: Explanation) -> dict[str, bytes]:
    """Draw the importance of the features, if it is known; as `draw` otherwise."""
    if not explained.candidate:
        return {}
    with style():
        return {"importance.png": png(importance_picture(explained))}


def draw_search(searched: Searched) -> dict[str, bytes]:
    """Draw the trials of a search; as `draw` otherwise."""
    with style():
        return {"search.png": png(search_picture(searched))}


def _confusion_matrix(counts: Counts, numbers: Mapping[str, float]) -> Figure:
    days = counts.confusion(numbers["threshold"])
    cells = [days.true_negative, days.false_positive, days.false_negative, days.true_positive]
    table = np.array([cell.sum() for cell in cells]).reshape(2, 2)
    share = table / table.sum(axis=1, keepdims=True)
    texts = [f"{rows:,}\n{_percent(part)} of the row" for rows, part in zip(table.flat, share.flat, strict=True)]
    subtitle = f"{counts.total:,} test rows; labelled positive from a score of {numbers['threshold']:.3f}"
    figure, axes = frame("Confusion matrix", subtitle, Size(left=1.1, right=0.2, bottom=0.7))
    sns.heatmap(
        share,
        annot=np.reshape(texts, (2, 2)),
        fmt="",
        annot_kws={"size": 13, "linespacing": 1.6},
        cmap=sns.light_palette(BLUE, as_cmap=True),
        vmin=0.0,
        vmax=1.0,
        cbar=False,
        linewidths=4,
        xticklabels=[f"{name}\n{rows:,}" for name, rows in zip(_CLASSES, table.sum(axis=0), strict=True)],
        yticklabels=[f"{name}\n{rows:,}" for name, rows in zip(_CLASSES, table.sum(axis=1), strict=True)],
        ax=axes,
    )
    for cell, part in zip(axes.texts[-share.size :], share.flat, strict=True):
        cell.set_color("white" if part > _DARK_SHARE else INK)
    axes.tick_params(axis="y", rotation=0)
    axes.set(xlabel="labelled by the model (rows)", ylabel="what happened (rows)")
    return figure


def _roc_curve(counts: Counts, numbers: Mapping[str, float]) -> Figure:
    figure, axes = frame(
        "ROC curve", f"area under the curve {numbers['roc_auc']:.3f}; {counts.total:,} test rows", Size()
    )
    false_rate, true_rate, _ = roc_points(counts)
    kept = thinned(false_rate, true_rate)
    axes.fill_between(false_rate[kept], true_rate[kept], color=BLUE, alpha=0.08, linewidth=0)
    axes.plot(false_rate[kept], true_rate[kept], color=BLUE)
    labelled = counts.confusion(numbers["threshold"]).false_positive.sum() / (counts.total - counts.positives)
    parts = f"{_percent(numbers['recall'])} of the positives, {_percent(labelled)} of the negatives"
    mark(axes, labelled, numbers["recall"], f"threshold {numbers['threshold']:.3f}: {parts}")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1.4, label="chance: area 0.5")
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    axes.set(xlabel="share of the negatives labelled positive", ylabel="share of the positives labelled positive")
    key(figure, 1)
    return figure


def _pr_curve(counts: Counts, numbers: Mapping[str, float]) -> Figure:
    average = f"average precision {numbers['average_precision']:.3f}; {counts.total:,} test rows"
    figure, axes = frame("Precision and recall", average, Size())
    _equal_f1_lines(axes)
    precision, recall, _ = pr_points(counts)
    kept = thinned(precision, recall)
    axes.plot(recall[kept], precision[kept], color=BLUE, drawstyle="steps-post")
    x, y, value = numbers["recall"], numbers["precision"], numbers["threshold"]
    mark(axes, x, y, f"threshold {value:.3f}: precision {y:.3f}, recall {x:.3f}, F1 {numbers['f1']:.3f}")
    base_rate = counts.positives / counts.total
    axes.axhline(base_rate, color=GREY, linestyle=":", linewidth=1.4, label=f"base rate: precision {base_rate:.3f}")
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    axes.set(xlabel="recall (found among the positives)")
    axes.set(ylabel="precision (right among those labelled positive)")
    key(figure, 1)
    return figure


def _equal_f1_lines(axes: Axes) -> None:
    for level in (0.2, 0.4, 0.6, 0.8):
        recall = np.linspace(level / (2 - level), 1.0, 100)
        axes.plot(recall, level * recall / (2 * recall - level), color=PALE, linewidth=1.0, zorder=1)
        axes.text(1.01, level / (2 - level), f"F1 {level}", color=GREY, size=8, va="center", clip_on=False)


def _calibration_curve(counts: Counts, numbers: Mapping[str, float]) -> Figure:
    subtitle = f"Brier score {numbers['brier']:.4f}; {counts.total:,} test rows, by tenths of the score"
    figure, (axes, below) = stacked("Calibration", subtitle, Size(left=0.8))
    bins = calibration_points(counts)
    means, shares = [part.mean_score for part in bins], [part.positive_share for part in bins]
    scores, negative, positive = counts.by_score()
    end = min(1.0, float(np.ceil(max(*means, *shares, scores[-1], 0.05) * 10) / 10))
    axes.plot(means, shares, color=BLUE, linewidth=1.6, zorder=3)
    sizes = [20 + 200 * part.rows / counts.total for part in bins]
    axes.scatter(means, shares, sizes, BLUE, zorder=4, clip_on=False, label="a tenth of the score (size: its rows)")
    axes.plot([0, end], [0, end], color=GREY, linestyle=":", linewidth=1.4, label="as often as the score says")
    axes.axvline(numbers["threshold"], color=VERMILLION, linestyle="--", linewidth=1.4, label="threshold")
    axes.set(xlim=(0, end), ylim=(0, end), ylabel="share of positive rows")
    below.hist(scores, bins=40, range=(0, end), weights=negative + positive, color=SKY, linewidth=0)
    below.axvline(numbers["threshold"], color=VERMILLION, linestyle="--", linewidth=1.4)
    below.set(ylabel="rows", xlabel="score: the model's probability of the positive class")
    below.yaxis.set_major_formatter(EngFormatter(sep=""))
    below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    key(figure, 2)
    return figure


def _threshold_curve(threshold: Threshold) -> Figure:
    objective, curve = threshold.objective, threshold.curve
    figure, axes, below = _threshold_frame(threshold)
    values = np.array([objective.shown(value) for value in curve.objective.tolist()])
    lines = {"precision": curve.precision, "recall": curve.recall, "F1": curve.f1, objective.name: values}
    kept = thinned(curve.threshold, *(line / max(1.0, float(line.max())) for line in lines.values()))
    for text, line in lines.items():
        color, dashes, width = MEASURES.get(text, OBJECTIVE)
        # Between 0 and the lowest score every row is labelled positive, as at the lowest score.
        x, y = np.append(0.0, curve.threshold[kept]), np.append(line[0], line[kept])
        place = below if text == objective.name else axes
        place.plot(x, y, color=color, dashes=dashes, linewidth=width, label=text, drawstyle="steps-pre")
    for place in dict.fromkeys((axes, below)):
        place.axvline(threshold.value, color=VERMILLION, linestyle="--", linewidth=1.4)
    achieved = objective.shown(threshold.achieved)
    mark(below, threshold.value, achieved, f"{threshold.value:.3f}: {objective.said(f'{achieved:.3f}')}")
    axes.set(xlim=(0, max(float(curve.threshold[-1]), 0.01)), ylim=(0, 1.02), ylabel="measure")
    below.set(ylim=(0, None), xlabel="threshold: rows with this score or more are labelled positive")
    key(figure, 4 if objective == F1 else 3)
    return figure


def _threshold_frame(threshold: Threshold) -> tuple[Figure, Axes, Axes]:
    """A figure, the plot of its measures, and that of the objective: the same, or one below it for a cost."""
    title, objective = "Choice of the threshold", threshold.objective
    size = Size(right=0.2, bottom=0.8 if objective == F1 else 1.05)
    best = f"the score with the {'greatest' if objective.cost is None else 'least'}"
    subtitle = f"calibration window; {best} {objective.name} is chosen"
    if threshold.expected and objective == F1:
        subtitle = f"calibration window; {best} expected F1, as its positives are few, is chosen"
    elif threshold.expected:
        subtitle = f"few positives: {best} expected {objective.name} is chosen"
    if objective.cost is None:
        figure, axes = frame(title, subtitle, size)
        return figure, axes, axes
    figure, (axes, below) = stacked(title, subtitle, size, (1.2, 1))
    below.set(ylabel="cost of a row")
    return figure, axes, below


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
