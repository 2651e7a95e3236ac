"""What is known of a table before its rows are read: files, columns, the end of the data, the memory needed."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from ratchet.core.evaluation.counts import day_of
from ratchet.io.table import inspection, last_day
from ratchet.io.table.labels import known
from ratchet.io.table.table import EventTable
from ratchet.jobs.checking.findings import Level, Subject
from ratchet.jobs.training import gate
from ratchet.jobs.training.layout import slice_columns, windows_of

_SHOWN = 12


def table(subject: Subject) -> Iterator[tuple[Level, str]]:
    """Inspect the table as a trainer does. Raises like `inspection.inspect`."""
    found = inspection.inspect(subject.settings.data)
    subject.table = last_day.without_partial_day(found) if subject.as_of is None else found
    yield "ok", _extent(found)
    for remark in subject.table.remarks:
        yield "warning", remark


def features(subject: Subject) -> Iterator[tuple[Level, str]]:
    """Name the features and lay out the windows. Raises for slices, bounds and windows that don't fit the table."""
    found, settings = subject.table, subject.settings
    slice_columns(settings, found)
    gate.check_bounds(settings, found)
    yield "ok", f"{len(found.numeric)} numeric: {_listed(found.numeric)}"
    yield "ok", f"{len(found.categorical)} categorical: {_listed(found.categorical)}"
    if found.raw:
        yield "ok", f"{len(found.raw)} as text, for your own estimator: {_listed(found.raw)}"
    if unused := _unused(found):
        yield "ok", f"not used: {_listed(unused)}"
    if subject.as_of is not None:
        known.check_as_of(subject.as_of, found)
    subject.windows = windows_of(settings, subject.as_of or known.known_until(found))
    if "sklearn" in settings.retrain.engines:
        peak, choice = subject.windows.in_memory(refit=settings.windows.refit), settings.sklearn
        inspection.check_memory(found, peak, choice.estimator, choice.memory_limit)


def _extent(found: EventTable) -> str:
    groups = [group for file in found.files for group in file.row_groups]
    rows = sum(group.rows for group in groups)
    first = min(group.first_day for group in groups if group.first_day is not None)
    stored = found.version or f"{len(found.files)} {found.format} file{'' if len(found.files) == 1 else 's'}"
    last, zone = found.end - timedelta(days=1), found.settings.timezone
    return f"{found.uri}: {rows:,} rows in {stored}, {day_of(first)} to {last} ({zone})"


def _unused(found: EventTable) -> list[str]:
    """Columns that are neither a feature nor have another role."""
    data = found.settings
    roles = {*found.features, data.timestamp, data.label.column, data.label.known_at, data.entity}
    return [name for name in found.schema.names if name not in roles]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "none"
