"""A step of a cycle, wherever it runs: it is started, polled until it has ended, and may be stopped.

`jobs.retrain` knows steps and runners by these protocols alone. A runner is this machine, which runs steps as processes
(`jobs.local_runner`), or a cluster, which runs them as Jobs and SparkApplications (`io.cluster`).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from ratchet.core import steps
from ratchet.errors import RatchetError, Reason

type OnEvent = Callable[[Mapping[str, Any]], None]

# The event in which a verb reports its reason, if its exit code implies another.
VERB_FAILED = "verb.failed"


@dataclass(frozen=True)
class Order:
    """The task of a step: `verb` with `arguments` is its command line, after `ratchet`.

    engines: those that a registrar has to decide on, as in its arguments.
    """

    verb: tuple[str, ...]
    arguments: tuple[str, ...]
    engines: tuple[str, ...] = ()

    @property
    def step(self) -> str:
        """The name of the step."""
        return steps.name_of(self.verb)


@dataclass(frozen=True)
class Ended:
    """How a step ended: its exit code (None if it had none); if it failed, its last sentence and the reason."""

    code: int | None
    sentence: str = ""
    reason: Reason = "other"

    @classmethod
    def by(cls, error: RatchetError) -> "Ended":
        """The end of a step by an error."""
        return cls(error.exit_code, str(error), error.reason)


class Step(Protocol):
    """A step that was started."""

    def poll(self) -> Ended | None:
        """How it ended; None while it runs. Pending events are forwarded before its end is reported."""

    def age(self) -> float:
        """Seconds since its start, including by an earlier coordinator."""

    def stop(self, ended: Ended) -> None:
        """End it now, with `ended` as its result; its run ends as KILLED."""

    def leave(self) -> None:
        """Stop watching it: on a machine it ends with the cycle, in a cluster it continues."""


class Runner(Protocol):
    """Where the steps of a cycle run."""

    @property
    def poll_seconds(self) -> float:
        """The poll interval, in seconds."""

    @property
    def begin_cycle(self) -> Callable[[str, Sequence[str]], str | None] | None:
        """Starts another cycle, given its id and its verb's arguments; returns why it did not start, or None.

        None if the caller must run the cycle itself.
        """

    def cycle(self, cycle: str | None) -> AbstractContextManager[str]:
        """Begin a cycle with exclusive use of the runner until it ends; the value is its id.

        cycle: its id; None: the runner creates one. Raises RatchetError.
        """

    def lost(self) -> Sequence[tuple[str, str]]:
        """Earlier cycles and watches that had no last word, each once: id, and a sentence. Raises RatchetError."""

    def watch(self) -> AbstractContextManager[str]:
        """Begin a watch, possibly alongside a running cycle; the value is its id. Raises RatchetError."""

    def together(self) -> bool:
        """Whether another step may start alongside the running ones; checked repeatedly until they have ended."""

    def start(self, order: Order, cycle: str, on_event: OnEvent) -> Step:
        """Start a step, or take over one started earlier; raises RatchetError if that fails."""
