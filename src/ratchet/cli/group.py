"""The end of every verb: the only place that turns errors and signals into one line and an exit code."""

import os
import signal
import sys
from types import FrameType
from typing import Any, Never

import click

from ratchet.errors import ConfigurationError, Interrupted, RatchetError, interruption_kept, reason_of


class Verbs(click.Group):
    """A group whose errors become one line on stderr and the exit code of their class."""

    def invoke(self, ctx: click.Context) -> Any:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, interrupt)
        try:
            with interruption_kept():
                return super().invoke(ctx)
        except (click.exceptions.NoArgsIsHelpError, click.exceptions.Exit, click.exceptions.Abort):
            raise
        except click.UsageError as error:
            path = (error.ctx or ctx).command_path
            sentence = f"{error.format_message().rstrip('.')} (see {path} --help)"
            _tell(ctx, ConfigurationError(sentence))
            _fail(sentence, error.exit_code, error)
        except RatchetError as error:
            _tell(ctx, error)
            _fail(str(error), error.exit_code, error)
        except Interrupted as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            name = signal.Signals(error.signal_number).name
            _fail(f"interrupted by {name}", 128 + error.signal_number, error)
        except Exception as error:  # noqa: BLE001  # the last place that can report it in one line
            first = (str(error).strip().splitlines() or [""])[0]
            _fail(f"{type(error).__name__}: {first} (RATCHET_DEBUG=1 shows the traceback)", 1, error)


def interrupt(number: int, _frame: FrameType | None) -> Never:
    """The handler of SIGTERM and SIGINT: raise Interrupted, again and again until it is handled."""
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)  # a second signal must not interrupt the clean-up
    Interrupted.arrived = number
    # An exception in a destructor or in a weak reference's callback is lost, so a timer repeats it.
    signal.signal(signal.SIGALRM, lambda _number, _frame: _interrupt_again(number))
    signal.setitimer(signal.ITIMER_REAL, 1, 1)
    raise Interrupted(number)


def _interrupt_again(number: int) -> None:
    """Raise Interrupted again, unless it is being handled and the verb is cleaning up."""
    error = sys.exception()
    while error is not None:
        if isinstance(error, Interrupted):
            return
        error = error.__context__
    raise Interrupted(number)


def _tell(ctx: click.Context, error: RatchetError) -> None:
    """Report the reason to the runner: in an event, if the exit code implies another, and on the coordinator's Job."""
    if error.reason != reason_of(error.exit_code):
        import structlog

        from ratchet.io.runner import VERB_FAILED

        structlog.get_logger().error(VERB_FAILED, reason=error.reason)
    if "RATCHET_JOB" in os.environ:  # a coordinator in a cluster: `kubectl describe` of its Job shows the reason, too
        from ratchet.io.cluster import coordinator

        coordinator.tell(error, f"{str(ctx.invoked_subcommand).title()}Failed")


def _fail(sentence: str, code: int, error: BaseException) -> Never:
    if os.environ.get("RATCHET_DEBUG") == "1":
        raise error
    click.echo(f"ratchet: {' '.join(sentence.split())}", err=True)
    sys.exit(code)
