"""A step of a cycle, wherever it runs: it is started, looked at until it has ended, and may be stopped.

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

# The event by which a verb says its reason, where its exit code says another.
VERB_FAILED = "verb.failed"


@dataclass(frozen=True)
class Order:
    """What a step has to do: `verb` with `arguments` is its command line, after `ratchet`.

    engines: those that a registrar has to decide on; its arguments say so, too.
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
    """How a step ended: its exit code (None where it never had one); where it failed, its last sentence and why."""

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
        """How it ended; None while it runs. Events that it wrote meanwhile are passed on before its end is told."""

    def age(self) -> float:
        """Seconds since it was started, by whoever started it."""

    def stop(self, ended: Ended) -> None:
        """End it now, and let that be how it ended; its run ends as KILLED."""

    def leave(self) -> None:
        """Nobody looks at it any more: it ends with the cycle on a machine, and goes on in a cluster."""


class Runner(Protocol):
    """Where the steps of a cycle run."""

    @property
    def poll_seconds(self) -> float:
        """Seconds between two looks at the steps."""

    @property
    def begin_cycle(self) -> Callable[[str, Sequence[str]], str | None] | None:
        """Begins another cycle: of an id and its verb's arguments, and returns why it did not, where it did not.

        None where the caller has to run the cycle itself.
        """

    def cycle(self, cycle: str | None) -> AbstractContextManager[str]:
        """Begin a cycle and have the runner to itself until it ends; the value is its id.

        cycle: its id; None is an id that the runner makes. Raises RatchetError.
        """

    def watch(self) -> AbstractContextManager[str]:
        """Begin a watch, beside whatever cycle is at work; the value is its id. Raises RatchetError."""

    def together(self) -> bool:
        """Whether another step may begin beside those that run; asked again until they have ended."""

    def start(self, order: Order, cycle: str, on_event: OnEvent) -> Step:
        """Start a step, or take over the one that was started before; raises RatchetError where it can't be."""
