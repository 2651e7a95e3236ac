"""Tells the team, in the background: what became of a cycle, of a champion, of a watch.

`retrain`, `watch` and `promotion.promote` call it at their ends. Whatever goes wrong here is one event in the log and
never an error: a message must not change a result.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import structlog

from ratchet import background
from ratchet.core.notice import Measured, Notice, NoticeEvent, id_of
from ratchet.errors import RatchetError, first_line
from ratchet.io.runner import Ended, Runner
from ratchet.jobs.promotion.results import Result
from ratchet.settings import Settings

if TYPE_CHECKING:
    from ratchet.io.webhook import Delivery

log = structlog.get_logger()

# A verb that seems to hang after its last line says why.
_UNTOLD_SECONDS = 1.0


def tell(settings: Settings, *notices: Notice) -> None:
    """Begin to send what the settings ask to be told; the process waits for it at its end, and raises nothing."""
    chosen = settings.notify
    due = [notice for notice in notices if notice.event in chosen.on]
    if chosen.url is None or not due:
        return
    try:
        from ratchet.io.webhook import Webhook

        key = None if chosen.key is None else chosen.key.get_secret_value()
        webhook = Webhook(chosen.url.get_secret_value(), key, chosen.seconds)
        for notice in due:
            body = notice.body(chosen.form)
            sent = webhook.begin(body, id_of(body))
            background.before_end(partial(_settle, notice, sent, time.monotonic() + chosen.seconds))
    except Exception as error:  # noqa: BLE001  # nothing here may fail a cycle
        log.warning("message.failed", why=type(error).__name__)


def tell_of_lost(settings: Settings, runner: Runner) -> None:
    """Tell of earlier cycles and watches that have failed with their process, which could not do so."""
    if settings.notify.url is None:
        return
    try:
        lost = [Notice("failed", settings.model, why, cycle=cycle) for cycle, why in runner.lost()]
    except RatchetError as error:
        log.warning("message.failed", why=str(error))  # not the webhook's error
    else:
        tell(settings, *lost)


def of_cycle(settings: Settings, cycle: str, results: list[Result], failures: dict[str, Ended]) -> Iterator[Notice]:
    """The notices of a cycle: one for each engine, and one for each step that failed beside them."""
    for result in results:
        if (event := _event(result)) is not None:
            yield _of_result(event, result)
    told = {result.reason for result in results if result.outcome == "missing"}
    for step, ended in failures.items():
        if ended.sentence not in told:
            yield Notice("failed", settings.model, f"{step} failed: {ended.sentence}", cycle=cycle)


@contextmanager
def telling_of_error(settings: Settings, work: AbstractContextManager[str], name: str | None = None) -> Iterator[str]:
    """A runner's cycle or watch; an error that ends it is told when the runner is free for another one.

    name: its id, if that is known before it begins.
    """
    found = name
    try:
        with work as found:
            yield found
    except Exception as error:
        tell(settings, Notice("failed", settings.model, first_line(error), cycle=found))
        raise


def _event(result: Result) -> NoticeEvent | None:
    if result.rolled_back:
        return "rolled_back"
    if result.outcome == "skipped":
        return None
    return "failed" if result.outcome == "missing" else result.outcome


def _of_result(event: NoticeEvent, result: Result) -> Notice:
    champion = result.champion or {}
    version = champion.get("version")
    return Notice(
        event,
        result.model,
        result.reason,
        engine=result.engine,
        version=result.version,
        cycle=result.cycle,
        measured=Measured.of(result.metrics),
        champion=Measured.of(champion),
        champion_version=None if version is None else int(version),
        report=result.report,
    )


def _settle(notice: Notice, sent: "Future[Delivery]", end: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Wait until a message has arrived, or time is up; log which."""
    facts = {"what": notice.event, "model": notice.model, "cycle": notice.cycle}
    try:
        if not wait([sent], min(_UNTOLD_SECONDS, max(end - clock(), 0))).done:
            log.info("message.waiting", **facts, seconds=round(max(end - clock(), 0), 1))
        delivery = sent.result(max(end - clock(), 0))
    except Exception as error:  # noqa: BLE001  # its text may contain the address
        log.warning("message.failed", **facts, why=type(error).__name__)
        return
    if delivery.why:
        log.warning("message.failed", **facts, attempts=delivery.attempts, why=delivery.why)
    else:
        log.info("message.sent", **facts, attempts=delivery.attempts)
