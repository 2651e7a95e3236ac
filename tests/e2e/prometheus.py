"""What Prometheus in the cluster knows, asked through a port of this machine."""

import json
import re
import select
import subprocess
import time
from contextlib import contextmanager
from http.client import HTTPException
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.e2e.cluster import CONTEXT, NAMESPACE, wait_until

_SECONDS = 60


@contextmanager
def forwarded(service, port):
    """The address at which a Service answers on this machine."""
    command = ["kubectl", "--context", CONTEXT, "-n", NAMESPACE, "port-forward", "--address", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, f"service/{service}", f":{port}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        ready, _, _ = select.select([process.stdout], [], [], 20)
        line = process.stdout.readline() if ready else ""
        if not (found := re.search(r"127\.0\.0\.1:(\d+)", line)):
            message = f"no way to {service}: {line.strip()}"
            raise URLError(message)
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.kill()
        process.communicate()


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

    return wait_until(f"{sentence} ({expression})", probe, seconds, pause=3)[0]
