"""One request to the scoring server's application without a socket: what `jobs.checking` serves a model with once."""

import asyncio
import json
from http import HTTPStatus
from typing import Any

from ratchet.errors import FailedError
from ratchet.io.serving.exchange import App, Message

_LONGEST_ANSWER = 300


def predictions(app: App, request: object) -> list[Any]:
    """The predictions with probabilities for a request, sent as JSON; raises FailedError for any other answer."""
    status, body = asyncio.run(_ask(app, json.dumps(request).encode()))
    text = body.decode("utf-8", errors="replace")
    try:
        return list(json.loads(text)["predictions"])
    except (ValueError, KeyError, TypeError) as error:
        said = f"{status} {HTTPStatus(status).phrase}: {text[:_LONGEST_ANSWER]}"
        message = f"the scoring server rejects rows of the table: {said}"
        raise FailedError(message) from error


async def _ask(app: App, body: bytes) -> tuple[int, bytes]:
    status, parts, asked = 0, [], False

    async def receive() -> Message:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()  # the client stays connected
        asked = True
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    await app(_scope(body), receive, send)
    return status, b"".join(parts)


def _scope(body: bytes) -> Message:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/invocations",
        "raw_path": b"/invocations",
        "query_string": b"probabilities=true",
        "root_path": "",
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
        "client": None,
        "server": None,
    }
