"""The estimate of a watched champion: what its scores lead to expect on every day, labelled or not.

`jobs.watch_step` calls it after the measured days are logged. A day's estimate is logged once, when its rows are first
scored, so that past estimates stay what they were before the labels came.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

import structlog

from ratchet.core.evaluation.counts import Counts, day_number, day_of
from ratchet.core.evaluation.estimate import EstimatedDay, estimates_with_floor, past_error, rolling_estimates
from ratchet.core.evaluation.floor import Floor
from ratchet.core.objective import F1
from ratchet.core.watch_estimate import ESTIMATED, ESTIMATED_ERROR, WatchEstimate
from ratchet.core.windows import Window
from ratchet.io.records.watch_record import Record, Span
from ratchet.settings import Settings

log = structlog.get_logger()


@dataclass(frozen=True)
class Unlabelled:
    """The counts of days whose labels are not known yet; their window, which has a start, may be empty."""

    window: Window
    counts: Counts


@dataclass(frozen=True)
class _Stretch:
    """Scored days without gaps, `end` exclusive: measured spans, then unlabelled counts."""

    first: date
    end: date
    spans: tuple[Span, ...]
    unlabelled: tuple[Counts, ...] = ()


def estimate(
    settings: Settings, record: Record, name: str, floor: Floor | None, unlabelled: Unlabelled | None
) -> WatchEstimate | None:
    """Log the estimates of scored days that have none, and write the newest to the version; None if no day has rows.

    name: of the registered model. floor: of the version's F1, None if unknown.
    """
    logged = set(record.history(ESTIMATED["f1"]))
    stretches = _stretches(record, unlabelled)
    days = [day for stretch in stretches for day in _unlogged(settings, record, stretch, logged)]
    if floor is not None:
        days = estimates_with_floor(days, floor, settings.evaluation.rolling_days)
    record.log_estimates(days)
    found = _newest(settings, record)
    if found is None:
        return None
    record.write_estimate(name, found)
    log.info("watch.estimated", **{**vars(found), "error_by_month": dict(found.error_by_month)})
    return found


def _stretches(record: Record, unlabelled: Unlabelled | None) -> list[_Stretch]:
    """The measured blocks, the last one with the unlabelled days if they follow it."""
    found = [_Stretch(block[0].first, block[-1].end, tuple(block)) for block in record.blocks()]
    if unlabelled is None or not unlabelled.counts.total:
        return found
    first, end = unlabelled.window.start or unlabelled.window.end, unlabelled.window.end
    if found and found[-1].end == first:
        return [*found[:-1], replace(found[-1], end=end, unlabelled=(unlabelled.counts,))]
    return [*found, _Stretch(first, end, (), (unlabelled.counts,))]


def _unlogged(settings: Settings, record: Record, stretch: _Stretch, logged: set[int]) -> Iterator[EstimatedDay]:
    every = range(day_number(stretch.first), day_number(stretch.end))
    wanted = next((day_of(day) for day in every if day not in logged), None)
    if wanted is None:
        return
    length, levels = settings.evaluation.rolling_days, record.levels(settings.evaluation.score_levels)
    reach = wanted - timedelta(days=length - 1)
    parts = [Counts.from_csv(record.read(span.path), levels) for span in stretch.spans if span.end > reach]
    counts = Counts.together([*parts, *stretch.unlabelled], levels)
    window = Window("scored", stretch.first, stretch.end)
    for day in rolling_estimates(counts, record.threshold, window, length, wanted):
        if day.expected.rows and day_number(day.day) not in logged:
            yield day


def _newest(settings: Settings, record: Record) -> WatchEstimate | None:
    """The estimate of the newest day, and the error of the past ones, from what is logged."""
    curves = {field: record.history(metric) for field, metric in ESTIMATED.items()}
    if not curves["f1"]:
        return None
    newest, realised = max(curves["f1"]), record.history("rolling_f1")
    past = past_error(curves["f1"], realised, settings.evaluation.rolling_days)
    if past is not None and max(realised) not in record.history(ESTIMATED_ERROR):
        record.log_estimate_error(past.mean_absolute, day_of(max(realised)))
    fixed = settings.watch.floor if record.objective == F1 else None
    return WatchEstimate(
        until=day_of(newest + 1).isoformat(),
        positives=curves["positives"][newest],
        f1=curves["f1"][newest],
        precision=curves["precision"][newest],
        recall=curves["recall"][newest],
        floor=fixed or curves["f1_floor"].get(newest),
        mean_absolute_error=None if past is None else past.mean_absolute,
        error_by_month={} if past is None else {month: round(error, 4) for month, error in past.by_month.items()},
    )
