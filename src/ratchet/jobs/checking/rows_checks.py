"""What the rows of the windows say: their number, their labels, their features."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from ratchet.core.evaluation.counts import day_of
from ratchet.io.table.checks import WindowFacts
from ratchet.io.table.labels import known
from ratchet.io.table.table import DAY
from ratchet.jobs.checking import reading
from ratchet.jobs.checking.findings import Level, Subject
from ratchet.jobs.training import gate as training_gate
from ratchet.jobs.training import late_labels
from ratchet.jobs.training.layout import slice_columns


def windows(subject: Subject) -> Iterator[tuple[Level, str]]:
    """Read the windows and show each with its rows and positives. Raises like `reading.read`."""
    table, settings = subject.table, subject.settings
    extra = slice_columns(settings, table)
    labels = known.counted(table, subject.windows)
    subject.read = reading.read(table, subject.windows, extra)
    for facts, rows in zip(subject.read.facts, subject.read.labels, strict=True):
        yield "ok", _described(facts, None if rows.empty else int(rows[DAY].min()))
    if labels is not None:
        for sentence in labels.sentences(settings, subject.windows):
            yield "ok", sentence


def data(subject: Subject) -> Iterator[tuple[Level, str]]:
    """Judge the windows as a trainer does. Raises DataError for what ends a trainer."""
    table, settings, found = subject.table, subject.settings, subject.read
    label, warnings = settings.data.label, 0
    with late_labels.hinting(table, subject.windows):
        for warning in reading.judged(found, table):
            warnings += 1
            yield "warning", warning
    counts = found.counts(settings.evaluation.score_levels)
    for warning in late_labels.warnings(settings, table, counts):
        warnings += 1
        yield "warning", warning
    other = next((other for facts in found.facts for other in facts.label_others), "missing")
    part = "" if found.whole else f"; of features, {sum(map(len, found.frames)):,} rows were read"
    yield "ok", f"the label {label.column!r} is {label.positive!r} or {other!r}{part}"


def gate(subject: Subject) -> Iterator[tuple[Level, str]]:
    """Hold the newest weeks against those before them, as a trainer does. Raises DataError for what is refused."""
    table, found = subject.table, subject.read
    if not found.whole:
        yield "skipped", "a trainer holds the newest weeks against those before them; that needs all rows"
        return
    told = training_gate.judged(
        subject.settings, table, subject.windows, partial(reading.days, found, table, subject.windows)
    )
    for warning in told:
        yield "warning", warning
    if not told:
        yield "ok", "the newest weeks are like those before them"


def _described(facts: WindowFacts, first: int | None) -> str:
    window = facts.window
    start = window.start or (day_of(first) if first is not None else "the beginning")
    share = f", {facts.positives / facts.rows:.1%} positive" if facts.rows else ""
    days = f"{start} to {window.end - timedelta(days=1)}"
    return f"{window.name:<11}  {days:<24}  {facts.rows:>{9},} rows{share}"
