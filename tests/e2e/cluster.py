"""The cluster as the tests see it: kubectl on one named context, everything with a deadline."""

import json
import subprocess
import time

CONTEXT = "kind-ratchet"
NAMESPACE = "ratchet"
NODE = "ratchet-control-plane"
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


class KubectlError(AssertionError):
    """kubectl ended with an error; its message is kubectl's."""

    @property
    def away(self):
        """Whether the API server could not be asked at all."""
        return any(word in str(self).lower() for word in _AWAY)


def command(*words, stdin=None, seconds=60, environment=None):
    """What a command wrote to stdout; raises KubectlError with what it wrote to stderr."""
    try:
        done = subprocess.run(
            words, input=stdin, capture_output=True, text=True, timeout=seconds, check=False, env=environment
        )
    except subprocess.TimeoutExpired as error:
        message = f"timeout: {' '.join(words)} had not ended after {seconds} s"
        raise KubectlError(message) from error
    if done.returncode != 0:
        message = f"{' '.join(words)}: {done.stderr.strip()[-2000:]}"
        raise KubectlError(message)
    return done.stdout


def kubectl(*words, stdin=None, seconds=60, namespace=NAMESPACE):
    return command("kubectl", "--context", CONTEXT, "--namespace", namespace, *words, stdin=stdin, seconds=seconds)


def get(kind, name):
    """The object, or None where there is none."""
    text = kubectl("get", kind, name, "--ignore-not-found", "-o", "json")
    return json.loads(text) if text.strip() else None


def every(kind, selector="", namespace=NAMESPACE):
    """All objects of a kind, the oldest first."""
    items = json.loads(kubectl("get", kind, "-l", selector, "-o", "json", "--namespace", namespace))["items"]
    return sorted(items, key=lambda item: item["metadata"]["creationTimestamp"])


def create(manifest, namespace=NAMESPACE):
    return json.loads(kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(manifest), namespace=namespace))


def name_of(thing):
    return thing["metadata"]["name"]


def wait_until(sentence, probe, seconds, pause=1.0):
    """What `probe` returns once that is true; fails with the sentence after `seconds`.

    An API server that is away is waited for, too.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := probe():
                return found
        except KubectlError as error:
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
