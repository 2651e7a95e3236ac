"""The scoring server: MLflow's own application, with `/metrics`, probabilities on request, and graceful shutdown.

`jobs.serve` runs it. MLflow's code handles requests as in `mlflow models serve`, after `io.serving.requests` has given
each category its text in training. This module adds the needs of a server in a cluster: `/live` responds from the
start and `/ping` once the model is loaded; it counts requests; and on SIGTERM it continues for a while, closing each
connection after a response, so that no request is lost.
"""

import asyncio
import json
import signal
import socket
import time
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from numbers import Real
from types import FrameType
from typing import Any, Protocol
from urllib.parse import parse_qs

import uvicorn
from mlflow.exceptions import MlflowException
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from ratchet.core.model_inputs import ModelInputs
from ratchet.errors import ConfigurationError
from ratchet.io.serving.plain_columns import plain_columns
from ratchet.io.serving.requests import RefusedError, asked_of

type Message = MutableMapping[str, Any]
type Send = Callable[[Message], Awaitable[None]]
type Receive = Callable[[], Awaitable[Message]]
type App = Callable[[Message, Receive, Send], Awaitable[None]]

# How long a terminating pod still receives requests, until its address is removed from every node's tables.
DRAIN_SECONDS = 5.0
# Longer than clients and proxies keep an idle connection, so that the client closes it first.
_KEEP_ALIVE_SECONDS = 75
_GRACEFUL_SECONDS = 20
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_INVOCATIONS = "/invocations"
# More rows are scored in another thread: /ping and other requests would wait for longer than some milliseconds.
_ROWS_AT_ONCE = 500


class Plan(Protocol):
    """Scores columns by name, of text or None and of numbers or None: `labels` and `probabilities` are arrays."""

    def score(self, columns: Mapping[str, Sequence[Any]]) -> Any: ...


class Measures:
    """The metrics of `/metrics`; with a separate registry, so that one process can have several."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "ratchet_server_requests", "Requests to /invocations, by HTTP status.", ["code"], registry=self.registry
        )
        self.seconds = Histogram(
            "ratchet_server_request_seconds",
            "Duration of requests to /invocations, in seconds.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.predictions = Counter(
            "ratchet_server_predictions", "Rows, by predicted label.", ["label"], registry=self.registry
        )
        self.failures = Counter(
            "ratchet_server_failures",
            "Requests that match the signature but on whose rows the model failed; MLflow returns 400.",
            registry=self.registry,
        )
        self.prepared = Gauge(
            "ratchet_server_prepared",
            "1 if a prepared plan of the model answers JSON, 0 if all requests take MLflow's way.",
            registry=self.registry,
        )
        self.model = Gauge(
            "ratchet_server_model_info",
            "1 for the served version.",
            ["model", "version"],
            registry=self.registry,
        )


@dataclass(frozen=True)
class Limits:
    """What one client can take. requests: answered at once. size: of a request, in bytes. seconds: for each request."""

    requests: int = 64
    size: int = 64 * 2**20
    seconds: float = 60.0


class ScoringServer:
    """An ASGI application that has no model at first."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.measures = Measures()
        self.draining = False
        self.failed = False
        self._limits = limits or Limits()
        self._at_once = 0
        self._apps: dict[bool, App] = {}
        self._texts: dict[str, bool] = {}
        self._numbers: tuple[str, ...] | None = None
        self._plan: Plan | None = None

    def serve(self, labels: Any, both: Any, model: str, version: int, plan: Plan | None = None) -> None:
        """Serve a model from now on. labels, both: pyfunc models; the second also returns probabilities.

        plan: gives the same answers faster.
        """
        from mlflow.pyfunc import scoring_server

        counted = {False: _counted(labels, self.measures, _labels), True: _counted(both, self.measures, _label_column)}
        self._texts, self._numbers = _inputs(labels.metadata)
        self._apps = {kind: scoring_server.init(each) for kind, each in counted.items()}
        self._plan = plan
        self.measures.prepared.set(plan is not None)
        self.measures.model.labels(model, str(version)).set(1)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        if scope["type"] != "http":
            await _lifespan(receive, send)
            return
        send = self._closing(send) if self.draining else send
        path = scope["path"]
        if path == "/live":
            await _answer(send, 200, b"\n")
        elif path == "/metrics":
            await _answer(send, 200, generate_latest(self.measures.registry), CONTENT_TYPE_LATEST)
        elif not self._apps:
            await _answer(send, 503, b'{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "no model is loaded yet"}')
        elif path != _INVOCATIONS:
            await self._apps[False](scope, receive, send)
        else:
            await self._invoke(scope, receive, send)

    async def _invoke(self, scope: Message, receive: Receive, send: Send) -> None:
        reply = _Reply(send, self.measures)
        try:
            async with asyncio.timeout(self._limits.seconds):
                await self._admit(scope, receive, reply)
        except RefusedError as error:
            await _refuse(reply, HTTPStatus.BAD_REQUEST, str(error))
        except _LimitError as error:
            await _refuse(reply, error.status, str(error))
        except TimeoutError:
            if reply.status is not None:
                raise  # a part is sent: only an end of the connection tells that the rest is missing
            seconds = f"{self._limits.seconds:g} s"
            await _refuse(reply, HTTPStatus.REQUEST_TIMEOUT, f"the request was not received and answered in {seconds}")
        finally:
            reply.count()

    async def _admit(self, scope: Message, receive: Receive, reply: "_Reply") -> None:
        """Answer a request, unless too many others are being answered. Raises RefusedError, _LimitError."""
        self._at_once += 1
        try:
            await asyncio.sleep(0)  # so that all that have arrived are counted before one of them is scored
            if self._at_once > self._limits.requests:
                message = f"{self._limits.requests} other requests are being answered; try again"
                raise _LimitError(HTTPStatus.SERVICE_UNAVAILABLE, message)
            body, kind = await _body(receive, self._limits.size), _content_type(scope)
            wanted = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("probabilities", ["false"])[-1]
            probabilities = wanted.lower() in ("true", "1")
            if (answer := await self._planned(body, kind, probabilities=probabilities)) is not None:
                await _answer(reply, HTTPStatus.OK, answer)
                return
            asked = asked_of(body, kind, self._texts, self._numbers)
            headers = [pair for pair in scope["headers"] if pair[0] not in (b"content-length", b"content-type")]
            headers += [(b"content-length", str(len(asked.body)).encode()), (b"content-type", asked.kind.encode())]
            await self._apps[probabilities]({**scope, "headers": headers}, _said(asked.body, receive), reply)
        finally:
            self._at_once -= 1

    async def _planned(self, body: bytes, kind: str, *, probabilities: bool) -> bytes | None:
        """The answer of the plan; None if there is none for this request."""
        if self._plan is None:
            return None
        columns = plain_columns(body, kind, self._texts, self._numbers or ())
        if columns is None:
            return None
        score = self._plan.score
        many = len(next(iter(columns.values()))) > _ROWS_AT_ONCE
        try:
            found = await asyncio.to_thread(score, columns) if many else score(columns)
        except Exception:  # noqa: BLE001  # the model itself says what is wrong
            return None
        labels = found.labels.tolist()
        for label, rows in Tally(map(_name, labels)).items():
            self.measures.predictions.labels(label).inc(rows)
        if not probabilities:
            return json.dumps({"predictions": labels}).encode()
        pairs = zip(labels, found.probabilities.tolist(), strict=True)
        return json.dumps({"predictions": [{"label": one, "probability": other} for one, other in pairs]}).encode()

    @staticmethod
    def _closing(send: Send) -> Send:
        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        return closing


def run(app: ScoringServer, host: str, port: int, drain_seconds: float = DRAIN_SECONDS) -> None:
    """Serve until SIGTERM or SIGINT, then drain without losing requests. Raises OSError if the port is taken."""
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        lifespan="off",
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACEFUL_SECONDS,
    )
    with socket.create_server((host, port), backlog=1024) as listening:
        # asyncio sets this only for its own sockets. Without it the second packet of a response waits until the client
        # has acknowledged the first, which takes 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _Server(config, app, drain_seconds).run(sockets=[listening])


class _LimitError(Exception):
    """A request beyond a limit. status: of the answer."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class _Reply:
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


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: ScoringServer, drain_seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._drain_seconds = drain_seconds
        self._leave_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # uvicorn's own
        """Start to drain; a second signal, or SIGINT, ends the server at once."""
        if self._app.draining or sig == signal.SIGINT:
            self.should_exit = True
        self._app.draining = True
        self._leave_at = time.monotonic() + self._drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Called ten times per second; returns whether to exit."""
        over = self._leave_at is not None and time.monotonic() >= self._leave_at
        return await super().on_tick(counter) or over or self._app.failed


class _Counted:
    """A pyfunc model that counts its predicted labels and delegates everything else to the model."""

    def __init__(self, model: Any, measures: Measures, labels: Callable[[Any], Any]) -> None:
        self._model = model
        self._measures = measures
        self._labels = labels

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, data: Any, params: Any = None) -> Any:
        try:
            answer = self._model.predict(data, params=params)
        except MlflowException:  # the rows don't match the signature
            raise
        except Exception:
            self._measures.failures.inc()
            raise
        for label, rows in Tally(_name(label) for label in self._labels(answer)).items():
            self._measures.predictions.labels(label).inc(rows)
        return answer


def _name(label: object) -> str:
    """`0` or `1` for any numeric type; labels of other models must not create new series."""
    return {0: "0", 1: "1"}.get(label, "other") if isinstance(label, Real) else "other"  # type: ignore[call-overload]


def _counted(model: Any, measures: Measures, labels: Callable[[Any], Any]) -> Any:
    return _Counted(model, measures, labels)


def _labels(answer: Any) -> Any:
    return answer


def _label_column(answer: Any) -> Any:
    return answer["label"]


def _inputs(about: Any) -> tuple[dict[str, bool], tuple[str, ...] | None]:
    """A model's text inputs, each with whether it is boolean; and its numeric inputs."""
    try:
        inputs = ModelInputs.of(about, "the model")
    except ConfigurationError:  # without names or with other types: MLflow validates its requests
        return {}, None
    return {name: name in inputs.booleans for name in inputs.texts}, inputs.numeric


async def _body(receive: Receive, most: int) -> bytes:
    """Raises _LimitError for more than `most` bytes."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > most:
            raise _LimitError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the request is larger than {most:,} bytes")
        if not message.get("more_body"):
            return bytes(body)


def _said(body: bytes, receive: Receive) -> Receive:
    """A receiver that first returns the request, which has already been read, and then the client's next messages."""
    waiting = [{"type": "http.request", "body": body}]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message


def _content_type(scope: Message) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"content-type"), "")


_ERROR_CODES = {
    HTTPStatus.BAD_REQUEST: "BAD_REQUEST",
    HTTPStatus.REQUEST_TIMEOUT: "DEADLINE_EXCEEDED",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "BAD_REQUEST",
    HTTPStatus.SERVICE_UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
}
"""MLflow's words."""
_UNREAD = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


async def _refuse(send: Send, status: HTTPStatus, sentence: str) -> None:
    """Answer with an error; the connection ends with it where the rest of the request may still come."""
    more = [(b"connection", b"close")] if status in _UNREAD else []
    more += [(b"retry-after", b"1")] if status == HTTPStatus.SERVICE_UNAVAILABLE else []
    body = json.dumps({"error_code": _ERROR_CODES[status], "message": sentence}).encode()
    await _answer(send, status, body, more=more)


async def _answer(
    send: Send, status: int, body: bytes, kind: str = "application/json", more: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
