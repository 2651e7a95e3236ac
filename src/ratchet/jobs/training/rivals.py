"""Compares every existing version with the candidate, on the candidate's own test rows if possible.

Called by `jobs.training.train`. A version that can't be scored counts with the F1, or the value of another objective,
recorded by its own run, with a note why.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from math import inf

import structlog
from mlflow.tracking import MlflowClient

from ratchet import background
from ratchet.core.decision import hardest_first
from ratchet.core.evaluation.comparison import Comparison
from ratchet.core.evaluation.comparison import compare as resample
from ratchet.core.evaluation.counts import Confusion, Counts, day_number, day_of
from ratchet.core.evaluation.f1 import f1_of, precision_of, recall_of
from ratchet.core.evaluation.objective_values import best_constant, value_of
from ratchet.core.evaluation.resampling import Interval
from ratchet.core.objective import F1, Achieved
from ratchet.core.rival import Rival
from ratchet.engines.base import Engine
from ratchet.errors import FailedError, RatchetError
from ratchet.io.records import candidates
from ratchet.io.records.candidates import Candidates
from ratchet.io.records.version import Version
from ratchet.io.table.inspection import EventTable
from ratchet.jobs.promotion.judging import by_record, counting, set_aside
from ratchet.settings import Promotion, Settings

log = structlog.get_logger()

# Loading one is many small reads, with Spark many small jobs, which wait more than they work.
_AT_ONCE = 4
_BEYOND = "it is beyond promotion.rescore, which is {}"


@dataclass(frozen=True)
class Compared:
    """The candidate's own interval, its rivals, and why other versions are not rivals, by number.

    probability: that the candidate is better, on days like these, than the best of the versions scored on its rows;
    None if unknown. champion: its counts on the days that it has not learnt from; None if it was not scored on them.
    achieved, achieved_interval: the candidate's value by another objective; None if F1 decides.
    """

    interval: Interval
    probability: float | None
    rivals: tuple[Rival, ...]
    set_aside: Mapping[int, str] = field(default_factory=dict)
    champion: Confusion | None = None
    achieved: Achieved | None = None
    achieved_interval: Interval | None = None


def to_rescore(
    versions: Sequence[Version], promotion: Promotion, leads: Callable[[], Mapping[int, float]] = dict
) -> tuple[Version, ...]:
    """The versions to score anew: all that count, or as many as configured.

    The champion is always one of them; half of the rest are the newest, the others those with the greatest lead. leads:
    called if there are too many versions, as `last_leads`.
    """
    if promotion.compare == "recorded":
        return ()
    ranked = sorted(counting(versions, promotion), key=lambda version: (not version.champion, -version.number))
    if len(ranked) <= promotion.rescore:
        return tuple(ranked)
    newest = (promotion.rescore + 1) // 2
    lead = leads()
    best = sorted(ranked[newest:], key=lambda version: lead.get(version.number, -inf), reverse=True)
    return tuple([*ranked[:newest], *best][: promotion.rescore])


def last_leads(
    client: MlflowClient, settings: Settings, engine: str, versions: Iterable[Version]
) -> Mapping[int, float]:
    """How far each version was ahead of the newest candidate on that candidate's test rows, by number.

    Contains only the versions that were scored on them, and that candidate's own with 0.
    """
    newest = Candidates(client, settings.experiment, settings.model).newest(engine)
    if newest is None:
        return {}
    own = {version.number: 0.0 for version in versions if version.run_id == newest.run_id}
    try:
        rows = candidates.rivals(client, newest)
    except FailedError as error:
        log.warning("train.versions_not_ranked", reason=str(error))
        return own
    return {row.version: -row.difference for row in rows if row.basis == "same_rows"} | own


def extra_columns(trained_on: Iterable[Sequence[str]], table: EventTable) -> tuple[str, ...]:
    """Columns of the data that only existing versions need. trained_on: the features of each version."""
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
    """Score the chosen versions on the engine's test rows, and resample blocks of days jointly for all of them.

    A version counts on the days that it has not learnt from: those at or after the first of its own test window.
    """
    own, promotion = counts.confusion(threshold), settings.promotion
    starts = {version.number: first_day(version, own) for version in chosen}
    lost = learnt_from(own, starts, promotion.common_days)
    scored, failed = _scored(engine, [version for version in chosen if version.number not in lost], starts)
    by = promotion.objective
    achieved = Achieved(by, value_of(by, own), best_constant(by, counts))
    measured = _Measured(settings, own, starts, scored, achieved)

    def row(version: Version) -> Rival | None:
        number, recorded, champion = version.number, version.f1, version.champion
        if number in lost:
            return Rival.not_compared(number, recorded, champion, lost[number])
        if promotion.compare == "same_rows" and number not in starts:
            return Rival.left_out(number, recorded, champion, _BEYOND.format(promotion.rescore))
        return measured.rival(version, failed.get(number, ""))

    rivals = tuple(rival for version in counting(versions, promotion) if (rival := row(version)) is not None)
    return measured.compared(rivals, set_aside(versions, promotion))


def _scored(
    engine: Engine, versions: Sequence[Version], starts: Mapping[int, int]
) -> tuple[dict[int, Confusion], dict[int, str]]:
    """The versions' confusion on the days that they have not learnt from, and why others have none, by number."""
    scored, failed = {}, {}
    futures = background.each("score-versions", engine.confusion_of, [version.files for version in versions], _AT_ONCE)
    for version, future in zip(versions, futures, strict=True):
        try:
            scored[version.number] = future.result().since(starts[version.number])
        except RatchetError as error:
            failed[version.number] = str(error)
            log.warning("train.version_not_scored", version=version.number, reason=str(error))
    return scored, failed


def first_day(version: Version, own: Confusion) -> int:
    """The first of the candidate's days that a version has not learnt from."""
    first = int(own.day[0])
    if version.test_window is None:
        return first
    return max(first, day_number(date.fromisoformat(version.test_window[0])))


def learnt_from(own: Confusion, starts: Mapping[int, int], fewest: int) -> dict[int, str]:
    """Why versions can't be compared, by number: too few days remain that they have not learnt from."""
    left = {number: int((own.day >= start).sum()) for number, start in starts.items()}
    return {
        number: f"it has learnt from all but {days} of the {len(own.day)} days with test rows"
        for number, days in left.items()
        if days < min(fewest, len(own.day))
    }


class _Measured:
    """The scored versions and the candidate, resampled together with those that count on the same days."""

    def __init__(
        self,
        settings: Settings,
        own: Confusion,
        starts: Mapping[int, int],
        scored: Mapping[int, Confusion],
        achieved: Achieved,
    ) -> None:
        self._own, self._starts, self._scored, self._achieved = own, starts, scored, achieved
        self._resampled: dict[int, Comparison] = {}
        self._f1: dict[int, Comparison] = {}
        first = int(own.day[0])
        for start in sorted({first} | {starts[number] for number in scored}):
            together = {number: confusion for number, confusion in scored.items() if starts[number] == start}
            samples, seed = settings.evaluation.bootstrap_samples, settings.seed
            days = own.since(start)
            self._resampled[start] = by_objective = resample(days, together, samples, seed, achieved.objective)
            by_f1 = achieved.objective == F1
            self._f1[start] = by_objective if by_f1 else resample(days, together, samples, seed)
        self.interval, self.f1_interval = self._resampled[first].interval, self._f1[first].interval

    def compared(self, rivals: tuple[Rival, ...], aside: Mapping[int, str]) -> Compared:
        """The whole comparison. aside: why other versions are not rivals, by number."""
        scored = (rival for rival in rivals if rival.basis == "same_rows")
        best = next(iter(hardest_first(scored, self._achieved.value)), None)
        probability = None if best is None else best.probability
        champion = next((self._scored.get(rival.version) for rival in rivals if rival.champion), None)
        if self._achieved.objective == F1:
            return Compared(self.interval, probability, rivals, aside, champion)
        return Compared(self.f1_interval, probability, rivals, aside, champion, self._achieved, self.interval)

    def rival(self, version: Version, note: str) -> Rival | None:
        """A version's row; with its recorded value if it was not scored. note: why it was not."""
        confusion = self._scored.get(version.number)
        if confusion is None:
            return by_record(version, self._achieved, note)
        start, f1 = self._starts[version.number], f1_of(confusion)
        own = self._own.since(start)
        resampled = self._resampled[start]
        interval = self._f1[start].intervals[version.number]
        fewer = len(own.day) < len(self._own.day)
        days = f"it is compared on the {len(own.day)} days from {day_of(start)} on, which it has not learnt from"
        row = Rival(
            version=version.number,
            basis="same_rows",
            f1=f1,
            f1_low=interval.low,
            f1_high=interval.high,
            precision=precision_of(confusion),
            recall=recall_of(confusion),
            recorded_f1=version.f1,
            difference=f1_of(own) - f1,
            probability=resampled.probabilities[version.number],
            champion=version.champion,
            note=days if fewer else "",
            candidate_f1=f1_of(own) if fewer else None,
        )
        return row if self._achieved.objective == F1 else self._by_objective(row, own, confusion)

    def _by_objective(self, row: Rival, own: Confusion, confusion: Confusion) -> Rival:
        """A row with the values of the objective, too. own: the candidate on the version's days."""
        objective = self._achieved.objective
        value, theirs = value_of(objective, own), value_of(objective, confusion)
        interval = self._resampled[self._starts[row.version]].intervals[row.version]
        return replace(
            row.by(theirs, value),
            objective_low=interval.low,
            objective_high=interval.high,
            candidate_objective=value if row.fewer_days else None,
        )
