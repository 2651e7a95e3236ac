"""Ports of this machine that lead to Services of the cluster."""

import atexit
import re
import select
import subprocess
import threading
from contextlib import contextmanager
from urllib.error import URLError

from tests.e2e.cluster import CONTEXT, NAMESPACE

_ways = {}


@contextmanager
def forwarded(service, port, namespace=NAMESPACE):
    """The address at which a Service answers on this machine.

    A way stays open for whoever asks next: opening one takes kubectl half a second. Whatever goes wrong inside of the
    block closes it, since its pod may be gone.
    """
    way = service, port, namespace
    if way in _ways and _ways[way][0].poll() is not None:
        _close(way)
    if way not in _ways:
        _ways[way] = _opened(*way)
    try:
        yield _ways[way][1]
    except BaseException:
        _close(way)
        raise


def _opened(service, port, namespace):
    command = ["kubectl", "--context", CONTEXT, "-n", namespace, "port-forward", "--address", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, f"service/{service}", f":{port}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    ready, _, _ = select.select([process.stdout], [], [], 20)
    line = process.stdout.readline() if ready else ""
    if not (found := re.search(r"127\.0\.0\.1:(\d+)", line)):
        _end(process)
        message = f"no way to {service}: {line.strip()}"
        raise URLError(message)
    threading.Thread(target=_read, args=(process.stdout,), daemon=True).start()
    return process, f"http://127.0.0.1:{found[1]}"


def _read(said):
    """kubectl has a line for each connection, and would wait for whoever reads it."""
    with said:
        for _ in said:
            pass


def _close(way):
    if way in _ways:
        _end(_ways.pop(way)[0])


def _end(process):
    process.kill()
    process.wait(20)


@atexit.register
def _close_all():
    for way in list(_ways):
        _close(way)
