"""Batch scoring: a registered version labels every row of a table, with the engine that trained it.

All checks run before the target is touched. If it is killed, running it again gives the same result.
"""

import time
import uuid
from dataclasses import dataclass

import structlog

from ratchet.core.moments import now
from ratchet.engines.base import BatchScorer, Tally
from ratchet.engines.opening import open_scorer
from ratchet.errors import ConfigurationError
from ratchet.io.records.connection import connect, mlflow_errors
from ratchet.io.records.registered_model import champion_of, exists, versions_of
from ratchet.io.table import scoring_table
from ratchet.io.table.score_target import Target
from ratchet.io.table.table import ScoringTable
from ratchet.jobs import progress
from ratchet.settings import Settings

log = structlog.get_logger()

_PAUSE_SECONDS = 10.0


@dataclass(frozen=True)
class Summary:
    """The result of a call. target: its location."""

    model: str
    version: int
    rows: int
    positives: int
    target: str

    @property
    def sentence(self) -> str:
        """The summary as a sentence."""
        share = f", {self.positives / self.rows:.1%} of them labelled 1" if self.rows else ""
        return f"version {self.version} of {self.model} scored {self.rows:,} rows{share}: {self.target}"


def score(
    settings: Settings,
    engine_name: str,
    source: str | None = None,
    target: str | None = None,
    version: int | None = None,
    opened: BatchScorer | None = None,
) -> Summary:
    """Score a table; returns a summary.

    source, target, version: as in the settings' section `score`, which supplies them if None. opened: the scorer, if
    the caller has opened it for an early start; it is closed here. Raises RatchetError.
    """
    with opened or open_scorer(engine_name, settings) as scorer:
        come_from = _given(source or settings.score.source, "FROM", "source")
        go_to = _given(target or settings.score.target, "TO", "target")
        model = settings.registered_name(engine_name)
        with mlflow_errors(settings.tracking):
            chosen = _chosen(settings, model, version or settings.score.version)
            inputs = scorer.load(f"models:/{model}/{chosen}", f"version {chosen} of {model}")
        table = scoring_table.inspect(come_from, inputs, settings.data.csv)
        for remark in table.remarks:
            log.warning("data.warning", warning=remark)
        place = Target.of(go_to, table.store, uuid.uuid4().hex)
        return _score(scorer, model, chosen, table, place)


def _score(scorer: BatchScorer, model: str, version: int, table: ScoringTable, target: Target) -> Summary:
    begun = time.monotonic()
    about = {"model": model, "version": version, "engine": scorer.name, "source": table.uri}
    log.info("score.started", model=model, version=version, source=table.uri, target=target.uri)
    target.begin({**about, "at": now()})
    tally = _with_progress(scorer, table, target, version)
    for name, rows in tally.infinite.items():
        log.warning("data.warning", warning=f"the column {name!r} of {table.uri} is infinite in {rows:,} rows")
    done = {"rows": tally.rows, "positives": tally.positives}
    target.finish(version, table.rows, {**about, **done, "at": now()})
    seconds = round(time.monotonic() - begun, 2)
    log.info("score.done", model=model, version=version, target=target.uri, seconds=seconds, **done)
    return Summary(model, version, tally.rows, tally.positives, target.uri)


def _with_progress(scorer: BatchScorer, table: ScoringTable, target: Target, version: int) -> Tally:
    """Score with a progress bar on a terminal and periodic events everywhere."""
    steps, last = scorer.steps(table), time.monotonic()
    with progress.bars({} if steps is None else {scorer.name: steps}) as advance:

        def said(rows: int) -> None:
            nonlocal last
            if steps is not None:
                advance(scorer.name, f"{rows:,} rows")
            if time.monotonic() - last >= _PAUSE_SECONDS:
                last = time.monotonic()
                log.info("score.progress", rows=rows)

        return scorer.score(table, target, version, said)


def _given(address: str | None, argument: str, key: str) -> str:
    if address is None:
        message = f"{argument} is missing: give it as an argument, or set score.{key}"
        raise ConfigurationError(message)
    return address


def _chosen(settings: Settings, model: str, number: int | None) -> int:
    """The given number, or the champion's. Raises ConfigurationError if there is no such version."""
    client = connect(settings.tracking)
    wanted = champion_of(client, model) if number is None else number
    if wanted is not None and exists(client, model, wanted):
        return wanted
    known = ", ".join(str(version.number) for version in versions_of(client, model))
    if not known:
        message = f"MLflow at {settings.tracking.uri} has no version of {model}: `ratchet retrain` makes the first"
    elif number is None:
        message = f"{model} has no champion; --version takes one of {known}"
    else:
        message = f"{model} has no version {number}; there are: {known}"
    raise ConfigurationError(message)
