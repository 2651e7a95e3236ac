"""A version's server as a separate process during its trial; `jobs.promotion.validate` sends it requests."""

import json
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import urllib3

_ADDRESS = "127.0.0.1"
_CONNECT_SECONDS = 3.0
_ANSWER_SECONDS = 60.0
_POLL_SECONDS = 0.1
_GRACE_SECONDS = 20.0
_LONGEST_ANSWER = 300


class TrialError(Exception):
    """The trial can't be completed because of the version; the text is a sentence."""


class TrialServer:
    """`ratchet serve` with one version; entering it waits until the server is ready.

    options: give it the same settings, but for the tokens: it accepts one of its own, so a trial needs no Secret.
    start_seconds: the deadline of the wait.
    """

    def __init__(
        self,
        engine: str,
        number: int,
        options: Sequence[str],
        start_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.peak_bytes = 0
        self.start_seconds = 0.0
        self._deadline_seconds = start_seconds
        self._clock = clock
        self._port = _free_port()
        self._token = secrets.token_hex(32)
        self._command = [sys.executable, "-m", "ratchet", "serve", engine, "--version", str(number), *options]
        self._command += ["--host", _ADDRESS, "--port", str(self._port)]
        self._pool = urllib3.PoolManager(
            retries=False, timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_ANSWER_SECONDS)
        )
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self._words = tempfile.NamedTemporaryFile(mode="w+b", suffix=".log")  # closed in __exit__
        self._tokens = tempfile.NamedTemporaryFile(mode="w+b", suffix=".token")  # closed in __exit__
        self._tokens.write(self._token.encode())
        self._tokens.flush()
        command = [*self._command, "--set", f"serving.token_file={json.dumps(self._tokens.name)}"]
        # The command line is Ratchet's own, and no shell is involved.
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self._words)  # noqa: S603
        threading.Thread(target=self._watch_memory, daemon=True).start()
        try:
            self._wait()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def ask(self, body: object, *, probabilities: bool = False) -> list[Any]:
        """The predictions for a request; raises TrialError for any other response."""
        answer = self._request("POST", "/invocations" + "?probabilities=true" * probabilities, body)
        text = answer.data.decode("utf-8", errors="replace")
        if answer.status != HTTPStatus.OK:
            message = f"its server returned {answer.status} for a valid request: {text[:_LONGEST_ANSWER]}"
            raise TrialError(message)
        try:
            return list(json.loads(text)["predictions"])
        except (ValueError, KeyError, TypeError) as error:
            message = f"its server's response has no predictions: {text[:_LONGEST_ANSWER]}"
            raise TrialError(message) from error

    def status_of(self, body: object) -> int:
        """The HTTP status of the response to a request."""
        return int(self._request("POST", "/invocations", body).status)

    def _request(self, method: str, path: str, body: object = None) -> urllib3.BaseHTTPResponse:
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body)
        try:
            return self._pool.request(
                method,
                f"http://{_ADDRESS}:{self._port}{path}",
                body=sent,
                headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"},
            )
        except urllib3.exceptions.HTTPError as error:
            message = f"its server did not respond to a request: {self._ended() or type(error).__name__}"
            raise TrialError(message) from error

    def _wait(self) -> None:
        begin = self._clock()
        while True:
            if (ended := self._ended()) is not None:
                raise TrialError(ended)
            with suppress(urllib3.exceptions.HTTPError):
                address = f"http://{_ADDRESS}:{self._port}/ping"
                if self._pool.request("GET", address).status == HTTPStatus.OK:
                    break
            if self._clock() - begin > self._deadline_seconds:
                message = f"its server was not ready within {self._deadline_seconds:.0f} s (serving.start_seconds)"
                raise TrialError(message)
            time.sleep(_POLL_SECONDS)
        self.start_seconds = self._clock() - begin

    def _ended(self) -> str | None:
        """How the server's process ended, in a sentence; None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        if code == -signal.SIGKILL:
            return "its server was killed, probably for lack of memory"
        lines = Path(self._words.name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        said = lines[-1].removeprefix("ratchet: ") if lines else "no message"
        return f"its server ended with {code}: {said}"

    def _watch_memory(self) -> None:
        """Track the peak memory of the server's processes together, including Spark's JVM."""
        while not self._over.wait(_POLL_SECONDS):
            with suppress(psutil.Error):
                own = psutil.Process(self._process.pid)
                processes = [own, *own.children(recursive=True)]
                self.peak_bytes = max(self.peak_bytes, sum(each.memory_info().rss for each in processes))

    def _end(self) -> None:
        self._over.set()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # it has no other clients: nothing to drain
            try:
                self._process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(_GRACE_SECONDS)
        self._words.close()
        self._tokens.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_ADDRESS, 0))
        return int(probe.getsockname()[1])
