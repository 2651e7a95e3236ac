"""A port of this machine that leads to a Service of the cluster for as long as it is needed."""

import re
import select
import subprocess
from contextlib import contextmanager
from urllib.error import URLError

from tests.e2e.cluster import CONTEXT, NAMESPACE


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
