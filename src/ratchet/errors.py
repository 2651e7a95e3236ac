"""Errors, classified by what the operator must do about them.

    RatchetError            exit 1  the base; never raised itself
    ├── ConfigurationError  exit 2  change the configuration or the command; trying again is useless
    ├── DataError           exit 3  change the data; trying again is useless
    ├── TemporaryError      exit 1  a service was away or busy; try again
    └── FailedError         exit 1  a step of Ratchet's own failed; read the log

Raised everywhere below `cli`, which alone turns them into exit codes. A message is one sentence: what was
wrong, the value, what is accepted, where. A reason is one of a few words, which a dashboard may count. A model that is
held is a result, not an error.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Literal, get_args

type Reason = Literal["configuration", "data", "out-of-memory", "image", "missing", "room", "deadline", "other"]
REASONS: tuple[Reason, ...] = get_args(Reason.__value__)


class RatchetError(Exception):
    """The base of all errors that the operator is meant to read. reason: None is that of the class."""

    exit_code: ClassVar[int] = 1
    reason: Reason = "other"

    def __init__(self, sentence: str, reason: Reason | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason or self.reason


class ConfigurationError(RatchetError):
    """A setting, an argument or an environment variable is wrong."""

    exit_code = 2
    reason = "configuration"


class DataError(RatchetError):
    """The table can't be used for training or scoring."""

    exit_code = 3
    reason = "data"


class TemporaryError(RatchetError):
    """A service did not respond in time, or another process holds a lock."""


class FailedError(RatchetError):
    """A step ended without its result."""


class Interrupted(BaseException):
    """SIGTERM or SIGINT arrived; not an `Exception`, so that nothing on the way treats it as a failure.

    arrived: the signal that this process is ending by, None while there is none.
    """

    arrived: ClassVar[int | None] = None

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


@contextmanager
def interruption_kept() -> Iterator[None]:
    """Inside, any error after a signal's arrival becomes Interrupted: what it cut short fails in ways of its own.

    A callback of code in C turns it into that code's error, which doesn't mention it; a destructor loses it.
    """
    try:
        yield
    except Exception as error:
        if Interrupted.arrived is None:
            raise
        raise Interrupted(Interrupted.arrived) from error


def reason_of(code: int | None) -> Reason:
    """The reason of a process known only by its exit code."""
    return next((each.reason for each in (ConfigurationError, DataError) if each.exit_code == code), "other")


def reason_named(written: object) -> Reason:
    """The reason recorded as text; `other` if there is none, or one from another version."""
    return next((reason for reason in REASONS if reason == written), "other")


def without_credentials(text: str) -> str:
    """The text without the user and password of any address in it."""
    return re.sub(r"://[^/@\s]+@", "://***@", text)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, since the rest is usually for programmers; its type if it has no text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
