"""Puts every existing version beside the candidate, on the candidate's own test rows where that is possible.

Called by `jobs.train`. A version that can't be scored counts with the F1 that its own run recorded, and says why.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from ratchet.core.evaluation.comparison import Comparison, Interval
from ratchet.core.evaluation.comparison import compare as resample
from ratchet.core.evaluation.counts import Confusion, Counts
from ratchet.core.evaluation.f1 import f1_of, precision_of, recall_of
from ratchet.core.rival import Rival
from ratchet.engines.base import Engine
from ratchet.errors import RatchetError
from ratchet.io.records.version import Version
from ratchet.io.table.inspection import Table
from ratchet.jobs.promotion.judging import counting, set_aside
from ratchet.settings import Promotion, Settings

log = structlog.get_logger()


@dataclass(frozen=True)
class Compared:
    """The candidate's own interval, its rivals, and why other versions are none, by number.

    probability: that the candidate is truly better than the best of the versions scored on its rows; None where it
    isn't known.
    """

    interval: Interval
    probability: float | None
    rivals: tuple[Rival, ...]
    set_aside: Mapping[int, str] = field(default_factory=dict)


def to_rescore(versions: Sequence[Version], promotion: Promotion) -> tuple[Version, ...]:
    """The versions to score anew, up to the configured number: those of unknown F1, the champion, then the newest."""
    if promotion.compare == "recorded":
        return ()
    ranked = sorted(
        counting(versions, promotion),
        key=lambda version: (version.f1 is not None, not version.champion, -version.number),
    )
    return tuple(ranked[: promotion.rescore])


def extra_columns(trained_on: Iterable[Sequence[str]], table: Table) -> tuple[str, ...]:
    """Columns that the data have and only existing versions need. trained_on: the features of each version."""
    wanted = {name for names in trained_on for name in names}
    return tuple(sorted((wanted & set(table.schema.names)) - set(table.features)))


def compare(
    settings: Settings,
    engine: Engine,
    versions: Sequence[Version],
    chosen: Sequence[Version],
    counts: Counts,
    threshold: float,
) -> Compared:
    """Score the chosen versions on the engine's test rows, and resample the days for everyone together."""
    scored: dict[int, Confusion] = {}
    notes: dict[int, str] = {}
    for version in chosen:
        try:
            scored[version.number] = engine.confusion_of(version.uri)
        except RatchetError as error:
            notes[version.number] = str(error)
            log.warning("train.version_not_scored", version=version.number, reason=str(error))
    own = counts.confusion(threshold)
    resampled = resample(own, scored, settings.evaluation.bootstrap_samples, settings.seed)
    promotion = settings.promotion
    found = (_rival(version, f1_of(own), scored, resampled, notes) for version in counting(versions, promotion))
    rivals = tuple(rival for rival in found if rival is not None)
    measured = (rival for rival in rivals if rival.basis == "same_rows")
    best = max(measured, key=lambda rival: (rival.f1, rival.champion, -rival.version), default=None)
    probability = None if best is None else best.probability
    return Compared(resampled.interval, probability, rivals, set_aside(versions, promotion))


def _rival(
    version: Version, own_f1: float, scored: dict[int, Confusion], resampled: Comparison, notes: dict[int, str]
) -> Rival | None:
    confusion = scored.get(version.number)
    if confusion is None:
        return Rival.recorded(version.number, version.f1, own_f1, version.champion, notes.get(version.number, ""))
    f1 = f1_of(confusion)
    interval = resampled.intervals[version.number]
    return Rival(
        version=version.number,
        basis="same_rows",
        f1=f1,
        f1_low=interval.low,
        f1_high=interval.high,
        precision=precision_of(confusion),
        recall=recall_of(confusion),
        recorded_f1=version.f1,
        difference=own_f1 - f1,
        probability=resampled.probabilities[version.number],
        champion=version.champion,
        note="",
    )
