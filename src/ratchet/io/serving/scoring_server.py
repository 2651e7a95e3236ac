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
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from operator import itemgetter
from types import FrameType
from typing import Any, Protocol
from urllib.parse import parse_qs

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ratchet.core.model_inputs import ModelInputs
from ratchet.errors import ConfigurationError
from ratchet.io.serving.exchange import (
    App,
    LimitError,
    Limits,
    Load,
    Message,
    Receive,
    Reply,
    Send,
    answer,
    content_type,
    lifespan,
    received,
    refuse,
    replayed,
)
from ratchet.io.serving.measures import Counted, Measures
from ratchet.io.serving.plain_columns import plain_columns
from ratchet.io.serving.requests import RefusedError, asked_of
from ratchet.io.serving.tokens import Tokens

# How long a terminating pod still receives requests, until its address is removed from every node's tables.
DRAIN_SECONDS = 5.0
# Longer than clients and proxies keep an idle connection, so that the client closes it first.
_KEEP_ALIVE_SECONDS = 75
_GRACEFUL_SECONDS = 20
_INVOCATIONS = "/invocations"
# Never locked: a probe holds no secret, and what these tell is no row, no label of one, and no part of the model.
_OPEN = ("/live", "/metrics", "/ping", "/health", "/version")
# More rows are scored in another thread: /ping and other requests would wait for longer than some milliseconds.
_ROWS_AT_ONCE = 500


class Plan(Protocol):
    """Scores columns by name, of text or None and of numbers or None: `labels` and `probabilities` are arrays."""

    def score(self, columns: Mapping[str, Sequence[Any]]) -> Any: ...


class ScoringServer:
    """An ASGI application that has no model at first. tokens: a request needs one of them; None: it needs none."""

    def __init__(self, limits: Limits, tokens: Tokens | None = None) -> None:
        self.measures = Measures()
        self.draining = False
        self.failed = False
        self._limits = limits
        self._tokens = tokens
        self._load = Load()
        self._apps: dict[bool, App] = {}
        self._texts: dict[str, bool] = {}
        self._numbers: tuple[str, ...] | None = None
        self._plan: Plan | None = None

    def serve(self, labels: Any, both: Any, model: str, version: int, plan: Plan | None = None) -> None:
        """Serve a model from now on. labels, both: pyfunc models; the second also returns probabilities.

        plan: gives the same answers faster.
        """
        from mlflow.pyfunc import scoring_server

        counted: dict[bool, Any] = {
            False: Counted(labels, self.measures, lambda found: found),
            True: Counted(both, self.measures, itemgetter("label")),
        }
        self._texts, self._numbers = _inputs(labels.metadata)
        self._apps = {kind: scoring_server.init(each) for kind, each in counted.items()}
        self._plan = plan
        self.measures.prepared.set(plan is not None)
        self.measures.model.labels(model, str(version)).set(1)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        if scope["type"] != "http":
            await lifespan(receive, send)
            return
        send = self._closing(send) if self.draining else send
        path = scope["path"]
        if path not in _OPEN and not self._may(scope):
            await self._turn_away(path, send)
        elif path == "/live":
            await answer(send, 200, b"\n")
        elif path == "/metrics":
            await answer(send, 200, generate_latest(self.measures.registry), CONTENT_TYPE_LATEST)
        elif not self._apps:
            await answer(send, 503, b'{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "no model is loaded yet"}')
        elif path != _INVOCATIONS:
            await self._apps[False](scope, receive, send)
        else:
            await self._invoke(scope, receive, send)

    def _may(self, scope: Message) -> bool:
        if self._tokens is None:
            return True
        return self._tokens.accept([value for name, value in scope["headers"] if name == b"authorization"])

    async def _turn_away(self, path: str, send: Send) -> None:
        """Before anything of the request's body is read."""
        send = Reply(send, self.measures) if path == _INVOCATIONS else send
        await refuse(
            send, HTTPStatus.UNAUTHORIZED, "the request needs one of the server's tokens: Authorization: Bearer …"
        )

    async def _invoke(self, scope: Message, receive: Receive, send: Send) -> None:
        reply = Reply(send, self.measures)
        try:
            async with asyncio.timeout(self._limits.seconds):
                await self._admit(scope, receive, reply)
        except RefusedError as error:
            await refuse(reply, HTTPStatus.BAD_REQUEST, str(error))
        except LimitError as error:
            await refuse(reply, error.status, str(error))
        except TimeoutError:
            if reply.status is not None:
                raise  # a part is sent: only an end of the connection tells that the rest is missing
            seconds = f"{self._limits.seconds:g} s"
            await refuse(reply, HTTPStatus.REQUEST_TIMEOUT, f"the request was not received and answered in {seconds}")
        finally:
            reply.count()

    async def _admit(self, scope: Message, receive: Receive, reply: Reply) -> None:
        """Answer a request, unless too many others are being answered. Raises RefusedError, LimitError."""
        async with received(receive, self._limits, self._load) as body:
            self._load.requests += 1
            try:
                await asyncio.sleep(0)  # so that all that have arrived are counted before one of them is scored
                if self._load.requests > self._limits.requests:
                    message = f"{self._limits.requests} other requests are being answered; try again"
                    raise LimitError(HTTPStatus.SERVICE_UNAVAILABLE, message)
                await self._score(scope, body, receive, reply)
            finally:
                self._load.requests -= 1

    async def _score(self, scope: Message, body: bytes, receive: Receive, reply: Reply) -> None:
        kind = content_type(scope)
        wanted = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("probabilities", ["false"])[-1]
        probabilities = wanted.lower() in ("true", "1")
        if (found := await self._planned(body, kind, probabilities=probabilities)) is not None:
            await answer(reply, HTTPStatus.OK, found)
            return
        asked = asked_of(body, kind, self._texts, self._numbers, self._limits.check_rows)
        headers = [pair for pair in scope["headers"] if pair[0] not in (b"content-length", b"content-type")]
        headers += [(b"content-length", str(len(asked.body)).encode()), (b"content-type", asked.kind.encode())]
        await self._apps[probabilities]({**scope, "headers": headers}, replayed(asked.body, receive), reply)

    async def _planned(self, body: bytes, kind: str, *, probabilities: bool) -> bytes | None:
        """The answer of the plan; None if there is none for this request."""
        if self._plan is None:
            return None
        columns = plain_columns(body, kind, self._texts, self._numbers or (), self._limits.check_rows)
        if columns is None:
            return None
        score, rows = self._plan.score, len(next(iter(columns.values())))
        many = rows > _ROWS_AT_ONCE
        try:
            found = await asyncio.to_thread(score, columns) if many else score(columns)
        except Exception:  # noqa: BLE001  # the model itself says what is wrong
            return None
        labels = found.labels.tolist()
        self.measures.count(labels)
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


def _inputs(about: Any) -> tuple[dict[str, bool], tuple[str, ...] | None]:
    """A model's text inputs, each with whether it is boolean; and its numeric inputs."""
    try:
        inputs = ModelInputs.of(about, "the model")
    except ConfigurationError:  # without names or with other types: MLflow validates its requests
        return {}, None
    return {name: name in inputs.booleans for name in inputs.texts}, inputs.numeric
