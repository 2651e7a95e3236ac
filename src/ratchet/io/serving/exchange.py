"""One request to a scoring server and its answer, as ASGI's messages, with the limits of a request."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

from ratchet.io.serving.measures import Measures
from ratchet.settings import Serving, bytes_of

type Message = MutableMapping[str, Any]
type Send = Callable[[Message], Awaitable[None]]
type Receive = Callable[[], Awaitable[Message]]
type App = Callable[[Message, Receive, Send], Awaitable[None]]

_SIZES_HELD = 4


@dataclass(frozen=True)
class Limits:
    """What one client can take. requests: answered at once. size, rows, seconds: of one request; size is in bytes."""

    requests: int
    size: int
    rows: int
    seconds: float

    @classmethod
    def of(cls, serving: Serving) -> Self:
        """The configured limits."""
        size = bytes_of(serving.max_request)
        return cls(serving.max_concurrent, size, serving.max_rows, serving.request_seconds)

    @property
    def held(self) -> int:
        """Bytes of all requests together that are being received or answered."""
        return _SIZES_HELD * self.size

    def check_rows(self, rows: int) -> None:
        """Raises LimitError for a request with too many rows."""
        if rows > self.rows:
            sentence = f"the request has {rows:,} rows; at most {self.rows:,} are accepted"
            raise LimitError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence)


@dataclass
class Load:
    """What a server has at the moment. requests: being answered. held: bytes of these and of those being received."""

    requests: int = 0
    held: int = 0


class LimitError(Exception):
    """A request beyond a limit. status: of the answer."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Reply:
    """Sends the answer of a request, and counts it before it is complete: the client may read the metrics at once.

    status: None until the answer begins.
    """

    def __init__(self, send: Send, measures: Measures) -> None:
        self.status: int | None = None
        self._send, self._measures = send, measures
        self._begin: float | None = time.perf_counter()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif not message.get("more_body"):
            self.count()
        await self._send(message)

    def count(self) -> None:
        """Count the request, once."""
        if self._begin is not None:
            self._measures.requests.labels(str(self.status or int(HTTPStatus.INTERNAL_SERVER_ERROR))).inc()
            self._measures.seconds.observe(time.perf_counter() - self._begin)
            self._begin = None


@asynccontextmanager
async def received(receive: Receive, limits: Limits, load: Load) -> AsyncIterator[bytes]:
    """A request's body, which counts as held until the end of the context. Raises LimitError."""
    body, more = bytearray(), True
    try:
        while more:
            message = await receive()
            part = message.get("body", b"")
            body += part
            load.held += len(part)
            if len(body) > limits.size:
                sentence = f"the request is larger than {limits.size:,} bytes"
                raise LimitError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence)
            if load.held > limits.held:
                sentence = f"the requests that are being received are larger than {limits.held:,} bytes; try again"
                raise LimitError(HTTPStatus.SERVICE_UNAVAILABLE, sentence)
            more = message.get("more_body", False)
        yield bytes(body)
    finally:
        load.held -= len(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """A receiver that first returns the request, which has already been read, and then the client's next messages."""
    waiting = [{"type": "http.request", "body": body}]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message


def content_type(scope: Message) -> str:
    """The content type of a request; empty if it has none."""
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"content-type"), "")


_ERROR_CODES = {
    HTTPStatus.BAD_REQUEST: "BAD_REQUEST",
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.REQUEST_TIMEOUT: "DEADLINE_EXCEEDED",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "BAD_REQUEST",
    HTTPStatus.SERVICE_UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
}
"""MLflow's words."""
_UNREAD = (HTTPStatus.UNAUTHORIZED, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


async def refuse(send: Send, status: HTTPStatus, sentence: str) -> None:
    """Answer with an error; the connection ends with it where the rest of the request may still come."""
    more = [(b"connection", b"close")] if status in _UNREAD else []
    more += [(b"retry-after", b"1")] if status == HTTPStatus.SERVICE_UNAVAILABLE else []
    more += [(b"www-authenticate", b"Bearer")] if status == HTTPStatus.UNAUTHORIZED else []
    body = json.dumps({"error_code": _ERROR_CODES[status], "message": sentence}).encode()
    await answer(send, status, body, more=more)


async def answer(
    send: Send, status: int, body: bytes, kind: str = "application/json", more: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Send a whole answer. more: further headers."""
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def lifespan(receive: Receive, send: Send) -> None:
    """Confirm the messages about the server's start and end."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
