"""Where a candidate wins or loses against the champion: by day, and on the rows that the two label differently."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import inf, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from ratchet.core.evaluation.counts import Bools, Confusion, Floats, Ints, day_of
from ratchet.core.evaluation.f1 import f1

type Column = Floats | npt.NDArray[np.object_]
"""A feature of some rows: numbers, NaN where missing, or texts, None or NaN where missing."""

_MOST_DAYS = 3
_MOST_FEATURES = 3
_PARTS = 5
# A chi-square needs about five expected rows of each kind in each group (Cochran 1954, Biometrics 10).
_EXPECTED = 5
_SURE = 0.95
_MISSING, _OTHER = "missing", "other values"


@dataclass(frozen=True)
class DayLead:
    """F1 of both models on one day."""

    day: date
    rows: int
    positives: int
    candidate: float
    champion: float

    @property
    def lead(self) -> float:
        return self.candidate - self.champion


@dataclass(frozen=True)
class DayLeads:
    """On how many days the candidate's F1 is greater, less, the same; greatest: the days that differ most, in order."""

    better: int
    worse: int
    same: int
    greatest: tuple[DayLead, ...]


@dataclass(frozen=True)
class Group:
    """The rows with some values of a feature: how many there are, on how many the models disagree, who is right."""

    feature: str
    values: str
    rows: int
    disagreeing: int
    candidate_right: int


@dataclass(frozen=True)
class Disagreement:
    """The rows that the models label differently, and the groups, one of a feature, in which they are most frequent."""

    rows: int
    disagreeing: int
    candidate_right: int
    groups: tuple[Group, ...]


def day_leads(candidate: Confusion, champion: Confusion) -> DayLeads:
    """Compare two models day by day, on the champion's days: those that it has not learnt from.

    candidate: has counts on at least these days, and there is at least one.
    """
    own = candidate.since(int(champion.day[0]))
    pairs = [f1(one.true_positive, one.false_positive, one.false_negative) for one in (own, champion)]
    rows = own.true_positive + own.false_positive + own.false_negative + own.true_negative
    positives = own.true_positive + own.false_negative
    columns = (own.day, rows, positives, *pairs)
    days = [DayLead(day_of(day), *rest) for day, *rest in zip(*(column.tolist() for column in columns), strict=True)]
    lead = pairs[0] - pairs[1]
    greatest = sorted((day for day in days if day.lead), key=lambda day: (-abs(day.lead), day.day))[:_MOST_DAYS]
    better, worse = int((lead > 0).sum()), int((lead < 0).sum())
    return DayLeads(better, worse, len(days) - better - worse, tuple(sorted(greatest, key=lambda day: day.day)))


def disagreement(columns: Mapping[str, Column], label: Bools, candidate: Bools, champion: Bools) -> Disagreement:
    """Describe the rows that two models label differently by the features that separate them best from the others.

    columns: the features of n rows. label, candidate, champion: (n,), what happened and what each says. A feature
    separates the rows if the share of disagreement varies among its groups, five of about equal size for numbers, or
    its texts, by more than chance (Pearson's chi-square; Bonferroni's bound for all features). Of each of the three
    that do so most surely, the group with the clearest excess is returned.
    """
    differs, right = candidate != champion, candidate == label
    found = []
    if 0 < differs.sum() < len(differs):
        least = NormalDist().inv_cdf(1 - (1 - _SURE) / max(len(columns), 1))
        fewest = _EXPECTED / min(float(differs.mean()), 1 - float(differs.mean()))
        for name, column in columns.items():
            place, texts = _grouped(column, fewest)
            surely, group = _separation(place, differs, fewest)
            if surely > least:
                inside = place == group
                both = int((inside & differs).sum()), int((inside & differs & right).sum())
                found.append((surely, Group(name, texts[group], int(inside.sum()), *both)))
    found.sort(key=lambda pair: (-pair[0], pair[1].feature))
    groups = tuple(group for _, group in found[:_MOST_FEATURES])
    return Disagreement(len(label), int(differs.sum()), int((differs & right).sum()), groups)


def _separation(place: Ints, differs: Bools, fewest: float) -> tuple[float, int]:
    """How surely the share of disagreement varies among groups, as a normal deviate, and where it is highest.

    place: the group of each row. Groups with fewer rows than `fewest` are left out. Wilson and Hilferty's cube root
    makes a chi-square nearly normal (1931, "The distribution of chi-square", PNAS 17).
    """
    rows, share = np.bincount(place), float(differs.mean())
    kept = rows >= fewest
    freedom = int(kept.sum()) - 1
    if freedom < 1:
        return -inf, 0
    spread = np.sqrt(np.maximum(rows, 1) * share * (1 - share))
    excess = np.where(kept, (np.bincount(place, differs) - rows * share) / spread, -inf)
    chi_square = float((excess[kept] ** 2).sum())
    deviate = (np.cbrt(chi_square / freedom) - (1 - 2 / (9 * freedom))) / sqrt(2 / (9 * freedom))
    return float(deviate), int(np.argmax(excess))


def _grouped(column: Column, fewest: float) -> tuple[Ints, list[str]]:
    """The group of each row, and the groups' names. fewest: rows of a text below which it is one of the other texts."""
    if column.dtype == np.object_:
        return _by_text(column.tolist(), fewest)
    return _by_size(np.asarray(column, dtype=np.float64))


def _by_size(numbers: Floats) -> tuple[Ints, list[str]]:
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return np.zeros(len(numbers), dtype=np.int64), [_MISSING]
    edges = np.unique(np.quantile(known, np.arange(1, _PARTS) / _PARTS))
    groups, place = np.unique(np.searchsorted(edges, known), return_inverse=True)
    names = []
    for group in range(len(groups)):
        low, high = known[place == group].min(), known[place == group].max()
        names.append(f"{low:g}" if low == high else f"{low:g} to {high:g}")
    placed = np.full(len(numbers), len(names), dtype=np.int64)
    placed[~np.isnan(numbers)] = place
    return placed, [*names, _MISSING]


def _by_text(texts: Sequence[object], fewest: float) -> tuple[Ints, list[str]]:
    rows = Counter(text for text in texts if isinstance(text, str))
    names = sorted(text for text, number in rows.items() if number >= fewest)
    places = {text: place for place, text in enumerate(names)}
    other, missing = len(names), len(names) + 1
    placed = [places.get(text, other) if isinstance(text, str) else missing for text in texts]
    return np.array(placed, dtype=np.int64), [*names, _OTHER, _MISSING]
