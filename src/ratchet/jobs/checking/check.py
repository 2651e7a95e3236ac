"""Checks a configuration and its table in seconds, before anything is trained: `ratchet check`.

The checks run in order, each on what the ones before it found out; the first error ends them, with the sentence and the
exit code that a trainer would end with. What a trainer warns of is warned of here.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial

from ratchet.errors import RatchetError
from ratchet.jobs.checking import few_rows, rows_checks, table_checks
from ratchet.jobs.checking.findings import Finding, Level, Subject
from ratchet.jobs.checking.trial_process import TrialProcess, call
from ratchet.settings import Settings

type Check = Callable[[Subject], Iterator[tuple[Level, str]]]

CHECKS: Sequence[tuple[str, Check]] = (
    ("table", table_checks.table),
    ("features", table_checks.features),
    ("windows", rows_checks.windows),
    ("data", rows_checks.data),
    ("gate", rows_checks.gate),
)
"""What is checked of the table, in this order; then each engine is tried."""
_COST = {"sklearn": "", "spark": ", which takes far longer, because it starts a JVM"}


def check(
    settings: Settings, as_of: date | None, engines: Sequence[str], process: TrialProcess | None = None
) -> Iterator[Finding]:
    """Yield findings as they come; the last one is an error if one is, which is then raised.

    as_of: as in a trainer. engines: those to try; the others of `retrain.engines` are reported as not tried. process:
    where scikit-learn is tried; None: here. Raises RatchetError.
    """
    subject = Subject(settings, as_of)
    for name, one in CHECKS:
        yield from _found(name, one, subject)
    for engine in engines:
        yield from _found(engine, partial(_tried, engine, process), subject)
    for engine in settings.retrain.engines:
        if engine not in engines:
            yield Finding(engine, "skipped", f"not tried: ratchet check --engine {engine} tries it{_COST[engine]}")


def _found(name: str, one: Check, subject: Subject) -> Iterator[Finding]:
    try:
        for level, sentence in one(subject):
            yield Finding(name, level, sentence)
    except RatchetError as error:
        yield Finding(name, "error", str(error))
        raise


def _tried(engine: str, process: TrialProcess | None, subject: Subject) -> Iterator[tuple[Level, str]]:
    with tempfile.TemporaryDirectory(prefix="ratchet-check-") as folder:
        few = few_rows.written(subject, f"{folder}/rows")
        args = (engine, few, subject.windows, f"{folder}/model")
        run = call if process is None or engine != "sklearn" else process.result
        sentences = run("ratchet.jobs.checking.trial", "tried", *args)
    for sentence in sentences:
        yield "ok", sentence
