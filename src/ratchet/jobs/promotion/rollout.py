"""Carries out decisions: the final decision on a cycle's staged versions, then the rollout of the servers.

`cli` calls it, as the last step of a cycle or manually. It may be killed at any point and run again.
"""

from collections.abc import Mapping
from dataclasses import replace

import structlog
from mlflow.tracking import MlflowClient

from ratchet.errors import RatchetError
from ratchet.io.records.connection import connect, mlflow_errors
from ratchet.io.runner import OnEvent
from ratchet.jobs.promotion.conclude import conclude
from ratchet.jobs.promotion.register import log_event, told
from ratchet.jobs.promotion.results import Result
from ratchet.jobs.promotion.servers import Servers
from ratchet.settings import Settings

log = structlog.get_logger()


def rollout(
    settings: Settings, cycle: str | None, failed: Mapping[str, str], tell: OnEvent = log_event
) -> list[Result]:
    """Finally decide on a cycle's staged versions and roll the servers; returns the result for each engine.

    cycle: None only rolls the servers, and returns no results. failed: why a validation did not complete, by engine.
    Raises RatchetError; one engine's error is raised after the others are done.
    """
    with mlflow_errors(settings.tracking):
        client = connect(settings.tracking)
        results, errors = _concluded(client, settings, cycle, failed) if cycle is not None else ([], [])
        if settings.serving.deployments:
            fresh = {result.engine for result in results if result.outcome == "promoted"}
            back = Servers(settings, client).follow(settings.retrain.engines, fresh)
            results = [_after(result, back.get(result.engine)) for result in results]
    for result in results:
        tell({"event": "rollout.decided", "level": "info", **told(result)})
    if errors:
        raise errors[0]
    return results


def _concluded(
    client: MlflowClient, settings: Settings, cycle: str, failed: Mapping[str, str]
) -> tuple[list[Result], list[RatchetError]]:
    results: list[Result] = []
    errors: list[RatchetError] = []
    for engine in settings.retrain.engines:
        try:
            with mlflow_errors(settings.tracking):
                results.append(conclude(client, settings, engine, cycle, failed.get(engine, "")))
        except RatchetError as error:
            log.error("rollout.failed", engine=engine, cycle=cycle, error=str(error))  # noqa: TRY400  # one line
            errors.append(error)
    return results, errors


def _after(result: Result, why: str | None) -> Result:
    if why is None or result.outcome != "promoted":
        return result
    return replace(result, outcome="held", reason=why, rolled_back=True)
