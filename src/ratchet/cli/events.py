"""The log of a verb: one event per line on stdout, `noun.verb` and key=value.

Readable on a terminal, JSON otherwise: a cluster's log collector and `ratchet retrain`, which reads its steps' lines,
use the same format. `cli` configures it; all other modules get their logger from structlog.
"""

import logging
import sys
import warnings

import structlog


def configure() -> None:
    """Send events to stdout; suppress other libraries' warnings and send their errors to stderr."""
    renderers: list[structlog.typing.Processor]
    if sys.stdout.isatty():
        renderers = [
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(pad_event_to=24),
        ]
    else:
        renderers = [
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, *renderers],
        # A progress bar replaces sys.stdout while it is shown, so the stream is looked up for each event.
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(name)s: %(message)s")
    warnings.simplefilter("ignore")
