"""The cluster as the tests see it: kubectl and the API on one named context, everything with a deadline.

What is asked again and again goes over one connection: each kubectl costs a tenth of a second of a core, which the
pods that are waited for need themselves.
"""

import json
import subprocess
import time
from functools import cache
from urllib.parse import urlencode

import urllib3

from ratchet.io.cluster import access

CONTEXT = "kind-ratchet"
NAMESPACE = "ratchet"
NODE = "ratchet-control-plane"
# Where the objects of a kind are, below the namespace.
_GROUPS = {
    "configmaps": "api/v1",
    "cronjobs": "apis/batch/v1",
    "deployments": "apis/apps/v1",
    "jobs": "apis/batch/v1",
    "leases": "apis/coordination.k8s.io/v1",
    "pods": "api/v1",
    "scheduledsparkapplications": "apis/sparkoperator.k8s.io/v1beta2",
    "sparkapplications": "apis/sparkoperator.k8s.io/v1beta2",
    "statefulsets": "apis/apps/v1",
    "subjectaccessreviews": "apis/authorization.k8s.io/v1",
}
_OF_THE_CLUSTER = {"subjectaccessreviews"}
_SECONDS = 30
# What is said while the API server is away; one that has just started forbids everything to everyone.
_AWAY = (
    "refused",
    "timeout",
    "timed out",
    "eof",
    "unable to connect",
    "etcdserver",
    "reset by peer",
    "connection aborted",
    "try again",
    "forbidden: user",
    "apiserver not ready",
)


class ClusterError(AssertionError):
    """kubectl or the API ended with an error; its message is theirs."""

    @property
    def away(self):
        """Whether the API server could not be asked at all."""
        return any(word in str(self).lower() for word in _AWAY)


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


@cache
def _way_in():
    found = access.outside(CONTEXT)
    pool = urllib3.PoolManager(
        retries=False,
        timeout=_SECONDS,
        ca_certs=found.ca_file,
        cert_file=found.cert_file,
        key_file=found.key_file,
    )
    return found.address, pool


def _ask(method, path, query=None, body=None):
    """The answer's text; None where the API says that it isn't there."""
    address, pool = _way_in()
    url = f"{address}/{path}" + (f"?{urlencode(query)}" if query else "")
    try:
        answer = pool.request(method, url, body=None if body is None else json.dumps(body), headers=_JSON)
    except urllib3.exceptions.HTTPError as error:
        message = f"{method} {path}: {error}"
        raise ClusterError(message) from error
    text = answer.data.decode(errors="replace")
    if answer.status == 404:
        return None
    if answer.status >= 400:
        message = f"{method} {path}: {answer.status} {text[:2000]}"
        raise ClusterError(message)
    return text


_JSON = {"Content-Type": "application/json"}


def _path(kind, namespace, *more):
    plural = kind if kind.endswith("s") else f"{kind}s"
    place = [] if plural in _OF_THE_CLUSTER else ["namespaces", namespace]
    return "/".join([_GROUPS[plural], *place, plural, *more])


def get(kind, name):
    """The object, or None where there is none."""
    text = _ask("GET", _path(kind, NAMESPACE, name))
    return None if text is None else json.loads(text)


def every(kind, selector="", namespace=NAMESPACE):
    """All objects of a kind, the oldest first."""
    items = json.loads(_ask("GET", _path(kind, namespace), {"labelSelector": selector}))["items"]
    return sorted(items, key=lambda item: item["metadata"]["creationTimestamp"])


def create(manifest, namespace=NAMESPACE):
    path = _path(manifest["kind"].lower(), namespace)
    return json.loads(_ask("POST", path, {"fieldValidation": "Strict"}, manifest))


def logs(pod, namespace=NAMESPACE):
    """What the pod's one container has written; nothing where it has not begun or is gone."""
    return _ask("GET", _path("pods", namespace, pod, "log")) or ""


def delete(kind, name):
    """Delete an object with what it owns, whether it is there or not, and wait for nothing."""
    _ask("DELETE", _path(kind, NAMESPACE, name), {"propagationPolicy": "Background"})


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
