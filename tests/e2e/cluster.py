"""The cluster as the tests see it: kubectl and the API on one named context, everything with a deadline.

What is asked again and again goes over one connection, by Ratchet's own client: each kubectl costs a tenth of a second
of a core, which the pods that are waited for need themselves.
"""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import cache

from ratchet.errors import RatchetError
from ratchet.io.cluster import api, credentials

CONTEXT = "kind-ratchet"
NAMESPACE = "ratchet"
IN_CLUSTER = (sys.executable, "-m", "ratchet", "in-cluster", "--context", CONTEXT)
NODE = "ratchet-control-plane"
_RESOURCES = {
    resource.plural: resource
    for resource in (
        api.APPLICATIONS,
        api.CRON_JOBS,
        api.DEPLOYMENTS,
        api.JOBS,
        api.LEASES,
        api.PODS,
        api.SCHEDULED_APPLICATIONS,
        api.Resource("apis/apps/v1", "statefulsets", "StatefulSet"),
    )
}
# What kubectl says while the API server is away; one that has just started forbids everything to everyone.
_AWAY = (
    "refused",
    "timeout",
    "eof",
    "unable to connect",
    "etcdserver",
    "reset by peer",
    "try again",
    "forbidden: user",
)


class ClusterError(AssertionError):
    """kubectl or the API ended with an error; its message is theirs."""

    @property
    def away(self):
        """Whether the API server could not be asked at all."""
        return isinstance(self.__cause__, api.AwayError) or any(word in str(self).lower() for word in _AWAY)


def command(*words, stdin=None, seconds=60, environment=None):
    """What a command wrote to stdout; raises ClusterError with what it wrote to stderr."""
    try:
        done = subprocess.run(
            words, input=stdin, capture_output=True, text=True, timeout=seconds, check=False, env=environment
        )
    except subprocess.TimeoutExpired as error:
        message = f"timeout: {' '.join(words)} had not ended after {seconds} s"
        raise ClusterError(message) from error
    if done.returncode != 0:
        message = f"{' '.join(words)}: {done.stderr.strip()[-2000:]}"
        raise ClusterError(message)
    return done.stdout


def kubectl(*words, stdin=None, seconds=60, namespace=NAMESPACE):
    return command("kubectl", "--context", CONTEXT, "--namespace", namespace, *words, stdin=stdin, seconds=seconds)


@contextmanager
def _asked(kind, namespace=NAMESPACE):
    """The API of a namespace, and the kind as it knows it; its errors become ClusterError."""
    try:
        yield _api(namespace), _RESOURCES[kind if kind.endswith("s") else f"{kind}s"]
    except RatchetError as error:
        raise ClusterError(str(error)) from error


@cache
def _api(namespace):
    return api.Api(credentials.outside(CONTEXT), namespace, patience=0)


def get(kind, name, namespace=NAMESPACE):
    """The object, or None where there is none."""
    with _asked(kind, namespace) as (asked, resource):
        return asked.get(resource, name)


def every(kind, selector="", namespace=NAMESPACE):
    """All objects of a kind, the oldest first."""
    with _asked(kind, namespace) as (asked, resource):
        items = asked.items(resource, labels=selector)
    return sorted(items, key=lambda item: item["metadata"]["creationTimestamp"])


def create(manifest, namespace=NAMESPACE):
    return json.loads(kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(manifest), namespace=namespace))


def logs(pod, namespace=NAMESPACE):
    """What the pod's first container has written; nothing where it has not begun or is gone."""
    found = get("pod", pod, namespace)
    if found is None:
        return ""
    with _asked("pod", namespace) as (asked, _):
        text = asked.log(pod, found["spec"]["containers"][0]["name"], None) or ""
    return "".join(line.partition(" ")[2] for line in text.splitlines(keepends=True))  # without the times


@contextmanager
def patching():
    """Change an object by a JSON patch (`patch(kind, name, operation, …)`); what it was is put back after the block."""
    before = []

    def change(kind, name, *operations):
        before.append((kind, name, get(kind, name)["spec"]))
        kubectl("patch", kind, name, "--type=json", "-p", json.dumps(operations))

    try:
        yield change
    finally:
        for kind, name, spec in reversed(before):
            # Not by `kubectl replace`: it takes its input for what was applied, and the next apply stumbles over that.
            back = [{"op": "replace", "path": "/spec", "value": spec}]
            kubectl("patch", kind, name, "--type=json", "-p", json.dumps(back))


def name_of(thing):
    return thing["metadata"]["name"]


def wait_until(sentence, probe, seconds, pause=0.3):
    """What `probe` returns once that is true; fails with the sentence after `seconds`.

    An API server that is away is waited for, too.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := probe():
                return found
        except ClusterError as error:
            if not error.away:
                raise
        assert time.monotonic() < deadline, f"after {seconds} s it was not true that {sentence}"
        time.sleep(pause)


def on_node(*words, seconds=60):
    """Run a command on the node, which is a container of Docker."""
    return command("docker", "exec", NODE, *words, seconds=seconds)


def at_rest():
    """Whether every Deployment and StatefulSet has all its pods ready, the operator's among them; servers may wait."""
    services = every("deployments", "app.kubernetes.io/component!=server") + every("statefulsets")
    return all(
        thing["status"].get("readyReplicas", 0) == thing["spec"]["replicas"]
        and thing["status"].get("observedGeneration") == thing["metadata"]["generation"]
        for thing in services + every("deployments", namespace="spark-operator")
    )


def wait_until_at_rest(seconds=300):
    wait_until("every service of Ratchet is ready", at_rest, seconds)
