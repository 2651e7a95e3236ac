"""What happens, as it happens: one event a line on stdout, `noun.verb` and key=value.

Readable on a terminal, JSON everywhere else, so that a cluster's log collector and `ratchet retrain`, which reads its
steps' lines, need no second format. `cli` sets it up; everyone else asks structlog for a logger.
"""

import logging
import sys
import warnings

import structlog


def configure() -> None:
    """Send events to stdout; other libraries' warnings go to stderr and only where they matter."""
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
        # A progress bar replaces sys.stdout while it is shown, so the stream is looked up anew for each event.
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(name)s: %(message)s")
    warnings.simplefilter("ignore")
