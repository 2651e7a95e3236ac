"""Which features a model rests on: permutation importance, with intervals by days.

The values of one feature are shuffled among rows, so that they say nothing about a row while their distribution stays;
the importance is how much worse the model then measures (Breiman 2001, "Random forests", Machine Learning 45, section
10; for any model Fisher, Rudin and Dominici 2019, "All models are wrong, but many are useful", Journal of Machine
Learning Research 20 (177)). Each row gets another row's value by chance, so the resampled days also show how much the
shuffling itself varies. Features that tell the same stand in for each other: each alone may look unimportant.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ratchet.core.evaluation.counts import Bools, Confusion, Counts, Floats, Ints
from ratchet.core.evaluation.f1 import f1_of
from ratchet.core.evaluation.resampling import Interval, Resampling, block_length, influence

_HEAD = (
    "model",
    "feature",
    "f1",
    "f1_low",
    "f1_high",
    "average_precision",
    "average_precision_low",
    "average_precision_high",
)
# The ends of an interval hardly move with more resamples, and each costs a sum over the scores of every copy.
_MOST_SAMPLES = 1_000
# Scores are told apart this finely: the cost grows with the number of different scores.
_LEVELS = 1_024


@dataclass(frozen=True)
class Permuted:
    """A model's output for n rows, and for a copy of them for each of p features, in which that feature is shuffled.

    labels, scores: (1 + p, n); the first line is of the rows as they are, the others in the order of `features`.
    """

    features: tuple[str, ...]
    labels: Bools
    scores: Floats


@dataclass(frozen=True)
class Importance:
    """How much F1, at the model's threshold, and average precision fall when one feature is shuffled."""

    feature: str
    f1: float
    f1_interval: Interval
    average_precision: float
    average_precision_interval: Interval


def permutation(rows: int, seed: int) -> Ints:
    """The row whose values each row gets; the same for all features and models."""
    return np.random.default_rng([seed, 2]).permutation(rows)


def importances(day: Ints, label: Bools, scored: Permuted, samples: int, seed: int) -> tuple[Importance, ...]:
    """The importance of each feature, the greatest in F1 first.

    day, label: (n,), of the rows as they are. samples: resamples of days, of which at most 1,000 are used. A feature
    that the model does not use has 0 in everything, exactly.
    """
    ones = np.ones(len(day), dtype=np.int64)
    confusions = [Confusion.from_rows(day, label, labels, ones) for labels in scored.labels]
    length = block_length(influence(confusions[0]))
    resampling = Resampling(len(confusions[0].day), length, min(samples, _MOST_SAMPLES), seed)
    f1 = _falls(np.array([f1_of(one) for one in confusions]), resampling.f1(confusions), resampling)
    average = _falls(*_average_precisions(day, label, scored, resampling), resampling)
    found = [
        Importance(feature, *first, *second)
        for feature, first, second in zip(scored.features, f1, average, strict=True)
    ]
    return tuple(sorted(found, key=lambda one: (-one.f1, -one.average_precision, one.feature)))


def _falls(measured: Floats, resampled: Floats, resampling: Resampling) -> list[tuple[float, Interval]]:
    """How far each copy is below the rows as they are. measured: (1 + p,); resampled: (samples, 1 + p)."""
    falls, drawn = measured[0] - measured[1:], resampled[:, :1] - resampled[:, 1:]
    return [
        (float(fall), resampling.interval(float(fall), values, bounds=(-1.0, 1.0)))
        for fall, values in zip(falls, drawn.T, strict=True)
    ]


def _average_precisions(day: Ints, label: Bools, scored: Permuted, resampling: Resampling) -> tuple[Floats, Floats]:
    """Of each line of scores: (1 + p,), and on each resample: (samples, 1 + p)."""
    days = np.unique(day)
    tables = [_by_day(Counts.from_rows(day, scores, label, _LEVELS), days) for scores in scored.scores]
    measured = [average_precision(*(table.sum(axis=0, keepdims=True) for table in pair))[0] for pair in tables]
    drawn = [
        np.concatenate([average_precision(*sums) for sums in zip(*map(resampling.some_sums, pair), strict=True)])
        for pair in tables
    ]
    return np.array(measured), np.stack(drawn, axis=1)


def _by_day(counts: Counts, days: Ints) -> tuple[Floats, Floats]:
    """Positive and negative rows by day and score, the greatest score first: (days, scores) each."""
    scores, place = np.unique(-counts.score, return_inverse=True)
    table = np.zeros((2, len(days), len(scores)))
    table[np.where(counts.label, 0, 1), np.searchsorted(days, counts.day), place] = counts.rows
    return table[0], table[1]


def average_precision(positive: Floats, negative: Floats) -> Floats:
    """Precision averaged over recall, of each line: the sum over scores of precision times the gain in recall.

    positive, negative: rows by score, the greatest score first: (lines, scores). 0 for a line without a positive row.
    """
    found = np.cumsum(positive, axis=1)
    labelled = found + np.cumsum(negative, axis=1)
    precision = np.divide(found, labelled, out=np.zeros_like(found), where=labelled > 0)
    return (precision * positive).sum(axis=1) / np.maximum(found[:, -1], 1)


def to_csv(by_model: Mapping[str, Iterable[Importance]]) -> str:
    """One line per model and feature. by_model: `candidate`, and `champion` if it was scored, too."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEAD)
    for model, rows in by_model.items():
        for row in rows:
            first, second = row.f1_interval, row.average_precision_interval
            values = (row.f1, first.low, first.high, row.average_precision, second.low, second.high)
            writer.writerow((model, row.feature, *values))
    return text.getvalue()
