"""A step of a cycle as a process of its own on this machine, with a deadline.

Its events (JSON lines on stdout) are passed on as they come; it is stopped with SIGTERM first, so that its run in
MLflow ends as what it was.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

GRACE_SECONDS = 20.0


class StepProcess:
    """A running `ratchet` verb. A context manager: leaving it early stops the process.

    on_event gets each event of the process, from a thread of its own.
    """

    def __init__(self, verb: Sequence[str], on_event: Callable[[Mapping[str, Any]], None]) -> None:
        # The verbs and options come from Ratchet's own command line, and no shell is involved.
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "ratchet", *verb], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._last_words = ""
        self._readers = [
            threading.Thread(target=self._pass_events, args=(on_event,), daemon=True),
            threading.Thread(target=self._pass_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def wait(self, seconds: float) -> int | None:
        """The exit code, or None where the process has not ended within `seconds`."""
        try:
            code = self._process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            return None
        for reader in self._readers:
            reader.join(GRACE_SECONDS)
        return code

    @property
    def last_words(self) -> str:
        """The last line that it wrote to stderr: a failed verb's sentence."""
        return self._last_words.removeprefix("ratchet: ")

    def stop(self) -> None:
        """Ask it to end, and kill it when it doesn't."""
        if self._process.poll() is None:
            self._process.terminate()
            if self.wait(GRACE_SECONDS) is None:
                self._process.kill()
                self._process.wait(GRACE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _pass_events(self, on_event: Callable[[Mapping[str, Any]], None]) -> None:
        for line in self._process.stdout or ():
            try:
                event = json.loads(line)
            except ValueError:
                sys.stdout.write(line)
            else:
                on_event(event)

    def _pass_errors(self) -> None:
        for line in self._process.stderr or ():
            sys.stderr.write(line)
            self._last_words = line.strip() or self._last_words
