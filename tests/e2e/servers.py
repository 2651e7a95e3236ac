"""The servers of a test's own model: what they answer, a steady load on them, and how they are broken."""

import json
import secrets
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ratchet.io.cluster.deployment import VERSION
from tests.e2e.cluster import NAMESPACE, ClusterError, create, every, get, kubectl, logs, wait_until
from tests.e2e.ports import forwarded

DEPLOYMENT = "server-sklearn"
ELSEWHERE = "default"
_CLIENT = """
import json, os, signal, socket, sys, threading, time, urllib3
from collections import Counter
address, body, headers = os.environ["ADDRESS"], os.environ["BODY"], {"Content-Type": "application/json"}
stop, answers, unfinished = threading.Event(), [], []
signal.signal(signal.SIGTERM, lambda *_: stop.set())
def ask():
    pool = urllib3.PoolManager(retries=False, timeout=20)
    while not stop.is_set():
        try:
            answers.append(pool.request("POST", address, body=body, headers=headers).status)
        except Exception as error:
            answers.append(repr(error))
        time.sleep(float(os.environ["PAUSE"]))
def begin():
    to = urllib3.util.parse_url(address)
    while not stop.is_set():
        with socket.create_connection((to.host, to.port), timeout=60) as connection:
            connection.sendall(b"POST /invocations HTTP/1.1\\r\\nHost: here\\r\\nContent-Length: 1000\\r\\n\\r\\n{")
            unfinished.append(connection.recv(4096)[9:12].decode())
def tell():
    bad = [each for each in answers if each != 200]
    seen = {"good": len(answers) - len(bad), "bad": bad[:5], "codes": Counter(map(str, bad))}
    print(json.dumps({**seen, "unfinished": Counter(unfinished)}), flush=True)
clients = [threading.Thread(target=ask) for _ in range(int(os.environ["CLIENTS"]))]
[each.start() for each in clients]
[threading.Thread(target=begin, daemon=True).start() for _ in range(int(os.environ["UNFINISHED"]))]
print("begun", flush=True)
while not stop.wait(1):
    tell()
[each.join() for each in clients]
tell()
"""


def told():
    """The version that the servers are told to serve; None where nobody has told them."""
    template = get("deployment", DEPLOYMENT)["spec"]["template"]["metadata"]
    text = template.get("annotations", {}).get(VERSION)
    return None if text is None else int(text)


def pods():
    """Its pods that nobody has told to go."""
    found = every("pods", f"app.kubernetes.io/name={DEPLOYMENT}")
    return [pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]]


def ready():
    """How many of its pods are ready."""
    return get("deployment", DEPLOYMENT)["status"].get("readyReplicas", 0)


def wait_until_ready(seconds=240):
    def ready():
        found = get("deployment", DEPLOYMENT)
        status, wanted = found["status"], found["spec"]["replicas"]
        known = status.get("observedGeneration") == found["metadata"]["generation"]
        return (
            known and status.get("availableReplicas") == status.get("updatedReplicas") == status["replicas"] == wanted
        )

    wait_until(f"{DEPLOYMENT} is ready", ready, seconds)


def measures():
    """What `/metrics` of a server says: the lines without comments."""
    script = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/metrics').read().decode())"
    text = kubectl("exec", pods()[-1], "--", "python", "-c", script)
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))


def answers(server, body, token=None, namespace=NAMESPACE):
    """The status with which a server answers a request with this token; None while it is not there."""
    try:
        with forwarded(server, 8080, namespace) as address:
            headers = {"Content-Type": "application/json"}
            headers |= {} if token is None else {"Authorization": f"Bearer {token}"}
            request = Request(f"{address}/invocations", json.dumps(body).encode(), headers)  # noqa: S310
            try:
                with urlopen(request, timeout=60) as answer:  # noqa: S310  # http, above
                    return answer.status
            except HTTPError as error:
                return error.code
    except (OSError, HTTPException):
        return None


def example(model, version):
    """A request that a version accepts: the example that lies with its files."""
    return kubectl("exec", pods()[-1], "--", "cat", f"/models/{model}-sklearn/{version}/serving_input_example.json")


class Load:
    """A steady load from a pod of another namespace. A context manager: leaving it removes the pod.

    clients: each asks, waits for the answer, and pauses for some seconds. unfinished: begin a request and never end it.
    """

    def __init__(self, body, *, clients=3, pause=0.05, unfinished=0):
        self._name = f"load-{secrets.token_hex(3)}"
        found = {"BODY": body, "CLIENTS": clients, "PAUSE": pause, "UNFINISHED": unfinished}
        self._variables = {name: str(value) for name, value in found.items()}

    def __enter__(self):
        image = get("deployment", DEPLOYMENT)["spec"]["template"]["spec"]["containers"][0]["image"]
        address = f"http://{DEPLOYMENT}.ratchet:8080/invocations"
        container = {
            "name": "load",
            "image": image,
            "command": ["python", "-c", _CLIENT],
            "env": [{"name": name, "value": value} for name, value in {"ADDRESS": address, **self._variables}.items()],
            "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        }
        spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 30, "containers": [container]}
        metadata = {"name": self._name, "namespace": ELSEWHERE}
        create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, ELSEWHERE)
        wait_until("the load has begun", lambda: self.seen().get("good", 0) > 5, 60)
        return self

    def seen(self):
        """How many answers were good, what the first others were, and how many of each other answer there were.

        unfinished: the same for requests that were never ended.
        """
        try:
            lines = logs(self._name, ELSEWHERE).splitlines()
        except ClusterError:
            return {}
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return found[-1] if found else {}

    def __exit__(self, *_):
        kubectl("delete", "pod", self._name, "--wait=false", namespace=ELSEWHERE)


def sabotage(name, code):
    """A ConfigMap with Python that every interpreter of a container runs first, and the JSON patch that mounts it."""
    data = {"sitecustomize.py": code}
    create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
    return lambda pod: (
        {"op": "add", "path": f"{pod}/volumes/-", "value": {"name": "sabotage", "configMap": {"name": name}}},
        {
            "op": "add",
            "path": f"{pod}/containers/0/volumeMounts/-",
            "value": {"name": "sabotage", "mountPath": "/sabotage"},
        },
        {"op": "add", "path": f"{pod}/containers/0/env/-", "value": {"name": "PYTHONPATH", "value": "/sabotage"}},
    )
