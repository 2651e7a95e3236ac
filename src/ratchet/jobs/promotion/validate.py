"""Tries a staged version in the image that will serve it, and writes the verdict to the version.

`cli` calls it, as a step of a cycle. The version's server is a separate process, started as in a Deployment; it
receives the trainer's sample and malformed requests. Nothing is decided here: `jobs.promotion.conclude` applies the
verdict.
"""

import time
from collections.abc import Callable, Sequence

import structlog
from mlflow.tracking import MlflowClient

from ratchet.core.moments import now
from ratchet.core.trial import TAG, Trial, TrialVerdict, judge
from ratchet.io.records import samples
from ratchet.io.records.candidates import Candidates
from ratchet.io.records.connection import connect, mlflow_errors
from ratchet.io.records.registered_model import RegisteredModel
from ratchet.io.records.samples import SampleRows
from ratchet.io.records.version import Version
from ratchet.io.serving.trial_server import TrialError, TrialServer
from ratchet.io.table import memory
from ratchet.settings import Settings, bytes_of

log = structlog.get_logger()

# Enough for a percentile, and no more than half a minute if a request takes a second.
_SINGLE_REQUESTS = 40


def validate(settings: Settings, engine: str, options: Sequence[str], cycle: str) -> TrialVerdict | None:
    """Try the version that a cycle has staged; returns the verdict, or None if the cycle has staged none.

    options: give its server the same settings. A version that has a verdict is not tried again. Raises RatchetError if
    the trial could not be run, which says nothing about the version.
    """
    with mlflow_errors(settings.tracking):
        client = connect(settings.tracking)
        name = settings.registered_name(engine)
        version = _staged(client, settings, engine, cycle)
        if version is None:
            log.info("validate.nothing_staged", model=name, cycle=cycle)
            return None
        if (written := version.tags.get(TAG)) is not None:
            return TrialVerdict.from_tag(written)
        sample = samples.read(client, version.run_id)
        log.info("validate.started", model=name, version=version.number, rows=len(sample.rows))
        limit = memory.available() if settings.serving.memory_limit is None else bytes_of(settings.serving.memory_limit)
        trial = _tried(settings, engine, options, version.number, sample)
        verdict = judge(trial, settings.serving.latency_seconds, limit, now())
        client.set_model_version_tag(name, str(version.number), TAG, verdict.to_tag())
    log.info("validate.done", model=name, version=version.number, outcome=verdict.outcome, why=verdict.reason)
    return verdict


def _staged(client: MlflowClient, settings: Settings, engine: str, cycle: str) -> Version | None:
    candidate = Candidates(client, settings.experiment, settings.model).newest(engine, cycle)
    if candidate is None:
        return None
    model = RegisteredModel.read(client, settings.registered_name(engine))
    own = None if model is None else model.made_from(candidate.run_id)
    return own if own is not None and own.staged else None


def _tried(settings: Settings, engine: str, options: Sequence[str], number: int, sample: SampleRows) -> Trial:
    try:
        with TrialServer(engine, number, options, settings.serving.start_seconds) as server:
            return _observed(server, sample)
    except TrialError as error:
        return Trial(broken=str(error))


def _observed(server: TrialServer, sample: SampleRows, clock: Callable[[], float] = time.perf_counter) -> Trial:
    rows = len(sample.rows)
    answers = server.ask(sample.request(0, rows), probabilities=True)
    plain = server.ask(sample.request(0, rows))
    if len(answers) != rows or len(plain) != rows:
        return Trial(broken=f"{rows} rows got {len(plain)} labels")
    wrong = sum(
        1 for label, other, own in zip(plain, answers, sample.labels, strict=True) if not label == other["label"] == own
    )
    apart = max(abs(one["probability"] - own) for one, own in zip(answers, sample.probabilities, strict=True))
    malformed = {what: server.status_of(body) for what, body in _malformed(sample).items()}
    latencies = []
    for number in range(_SINGLE_REQUESTS):
        begin = clock()
        server.ask(sample.request(number % rows, number % rows + 1))
        latencies.append(clock() - begin)
    return Trial(
        rows=rows,
        wrong=wrong,
        apart=apart,
        malformed=malformed,
        latencies=latencies,
        memory_bytes=server.peak_bytes,
        start_seconds=server.start_seconds,
    )


def _malformed(sample: SampleRows) -> dict[str, object]:
    columns, row = list(sample.columns), list(sample.rows[0])
    texts = [["no number"] * len(columns)]
    return {
        "no JSON": b"{",
        "no rows": {},
        "a missing column": {"dataframe_split": {"columns": columns[1:], "data": [row[1:]]}},
        "text in every column": {"dataframe_split": {"columns": columns, "data": texts}},
    }
