"""A step of a cycle as a separate process on this machine, with a deadline.

Its events (JSON lines on stdout) are forwarded as they arrive; it is stopped with SIGTERM first, so that its run in
MLflow ends with the right status.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from ratchet.errors import Reason, reason_named, reason_of
from ratchet.io.runner import VERB_FAILED, Ended, OnEvent

GRACE_SECONDS = 20.0


class StepProcess:
    """A running `ratchet` verb; a `Step` of `io.runner`.

    on_event receives each event of the process, from a separate thread. clock: seconds of a monotonic clock.
    """

    def __init__(self, verb: Sequence[str], on_event: OnEvent, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        # The verbs and options come from Ratchet's own command line, and no shell is involved.
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "ratchet", *verb], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._last_words = ""
        self._reason: Reason | None = None
        self._readers = [
            threading.Thread(target=self._pass_events, args=(on_event,), daemon=True),
            threading.Thread(target=self._pass_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def poll(self) -> Ended | None:
        """How the process ended; None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        for reader in self._readers:
            reader.join(GRACE_SECONDS)
        # The last line that it wrote to stderr is a failed verb's sentence.
        return Ended(code, self._last_words.removeprefix("ratchet: "), self._reason or reason_of(code))

    def age(self) -> float:
        return self._clock() - self._begun

    def stop(self, ended: Ended | None = None) -> None:  # noqa: ARG002  # only the caller needs it
        """Ask it to end, and kill it if it doesn't."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(GRACE_SECONDS)

    def leave(self) -> None:
        """Stop it: a process does not outlive its cycle."""
        self.stop()

    def _pass_events(self, on_event: OnEvent) -> None:
        for line in self._process.stdout or ():
            # Other lines are a verb's output for users; the cycle prints its own.
            event = None
            with suppress(ValueError):
                event = json.loads(line)
            if not isinstance(event, dict):
                continue
            if event.get("event") == VERB_FAILED:
                self._reason = reason_named(event.get("reason"))
            on_event(event)

    def _pass_errors(self) -> None:
        for line in self._process.stderr or ():
            sys.stderr.write(line)
            self._last_words = line.strip() or self._last_words
