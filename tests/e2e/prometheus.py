"""What Prometheus in the cluster knows, asked through a port of this machine."""

import json
import time
from http.client import HTTPException
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.e2e.cluster import wait_until
from tests.e2e.ports import forwarded

_SECONDS = 60


def ask(path, **query):
    """The data of an answer of Prometheus' API. Tried again while it comes back."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            with forwarded("prometheus", 9090) as address:
                request = Request(f"{address}/api/v1/{path}", urlencode(query).encode() if query else None)  # noqa: S310
                with urlopen(request, timeout=30) as answer:  # noqa: S310  # http, above
                    return json.load(answer)["data"]
        except (OSError, HTTPException):
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def value(expression):
    """The samples of an instant query: labels as a frozenset of pairs → number."""
    return {
        frozenset((key, text) for key, text in each["metric"].items()): float(each["value"][1])
        for each in ask("query", query=expression)["result"]
    }


def number(expression):
    """The only sample of an instant query; None where there is none."""
    found = list(value(expression).values())
    assert len(found) <= 1, found
    return found[0] if found else None


def wait_for(sentence, expression, true=lambda found: found is not None, seconds=180):
    """The number of an expression, once something is true of it."""

    def probe():
        found = number(expression)
        return (found,) if true(found) else None

    return wait_until(f"{sentence} ({expression})", probe, seconds, pause=1)[0]
