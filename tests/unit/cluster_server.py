"""A small API server of a cluster: objects in memory, over HTTP, with the answers that tests need it to give.

It knows what the coordinator asks for and nothing else. What a real cluster does is tested on one, in tests/e2e.
"""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from ratchet.io.cluster.api import Api
from ratchet.io.cluster.credentials import Credentials


class Clock:
    """A clock that moves only when somebody sleeps; `during` is called at each sleep with the time."""

    def __init__(self):
        self.now = 0.0
        self.during = lambda _now: None

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.during(self.now)


class Cluster:
    """Its objects by plural and name, its logs by pod, the requests that it got, and answers that it must give first.

    forced: statuses (or bodies with one) given instead of an answer, the first first. lost: requests that are done and
    answered by nothing. user: by which name it knows a client; None if it does not say.
    """

    def __init__(self):
        self.objects = {}
        self.logs = {}
        self.requests = []
        self.forced = []
        self.lost = set()
        self.away = False
        self.uids = 0
        self.user = None

    def add(self, plural, name, body=None, **metadata):
        self.uids += 1
        found = {"metadata": {}, **(body or {})}
        found["metadata"] = {
            "name": name,
            "namespace": "ratchet",
            "uid": f"uid-{self.uids}",
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            **found["metadata"],
            **metadata,
        }
        self.objects[plural, name] = found
        return found

    def events(self, kind=None):
        """The reasons and messages of the events that were written, in their order."""
        found = [thing for (plural, _), thing in self.objects.items() if plural == "events"]
        return [(event["reason"], event["message"]) for event in found if kind in (None, event["type"])]

    def made(self, plural):
        return [name for kind, name in self.objects if kind == plural]

    def answer(self, method, plural, name, below, query, body):
        if below == "log":
            return (200, self.logs[name]) if name in self.logs else (400, {"message": "no log yet"})
        if method == "POST":
            name = body["metadata"]["name"]
            if (plural, name) in self.objects:
                return 409, {"message": f"{name} already exists"}
            return 201, self.add(plural, name, body)
        if not name:
            return 200, {
                "items": [thing for (kind, _), thing in self.objects.items() if kind == plural and chosen(thing, query)]
            }
        found = self.objects.get((plural, name))
        if found is None:
            return 404, {"message": f"{plural} {name!r} not found"}
        return self.changed(method, plural, name, found, body)

    def changed(self, method, plural, name, found, body):
        if method == "GET":
            return 200, found
        if method == "DELETE":
            return 200, self.objects.pop((plural, name))
        if method == "PUT" and body["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            return 409, {"message": "the object has been modified"}
        if method == "PUT":
            self.objects[plural, name] = found = body
        else:
            merge(found, body)
            if "generation" in found["metadata"]:
                found["metadata"]["generation"] += 1
        found["metadata"]["resourceVersion"] = str(int(found["metadata"]["resourceVersion"]) + 1)
        return 200, found


def chosen(thing, query):
    """Whether an object has the labels (`=`, `!=`), and is what an event is about, that a query asks for."""
    labels = thing["metadata"].get("labels", {})
    for part in filter(None, query.get("labelSelector", "").split(",")):
        unequal = "!=" in part
        key, _, value = part.partition("!=" if unequal else "=")
        if (labels.get(key) == value) == unequal:
            return False
    field = query.get("fieldSelector", "").removeprefix("involvedObject.uid=")
    return not field or thing.get("involvedObject", {}).get("uid") == field


def merge(found, patch):
    for key, value in patch.items():
        if isinstance(value, dict):
            merge(found.setdefault(key, {}), value)
        else:
            found[key] = value


@contextmanager
def serving(cluster):
    """The address at which a cluster answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Or each body waits 40 ms until the client has acknowledged the headers.
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

        def respond(self):
            parts = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if parts.path == "/apis/authentication.k8s.io/v1/selfsubjectreviews":
                self.tell(*((201, {"status": {"userInfo": {"username": cluster.user}}}) if cluster.user else (403, {})))
                return
            plural, name, below = [*parts.path.partition("/namespaces/ratchet/")[2].split("/"), "", ""][:3]
            cluster.requests.append((self.command, plural, name, self.headers.get("Authorization")))
            if cluster.away or (self.command, plural) in cluster.lost:
                if not cluster.away:
                    cluster.lost.discard((self.command, plural))
                    cluster.answer(self.command, plural, name, below, {}, json.loads(text))
                self.close_connection = True
                self.connection.close()
                return
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            status, answer = (
                cluster.forced.pop(0)
                if cluster.forced
                else cluster.answer(self.command, plural, name, below, query, json.loads(text) if text else None)
            )
            self.tell(status, answer)

        def tell(self, status, answer):
            content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.respond)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def api_of(address, clock, patience=300.0):
    return Api(
        Credentials(address, lambda: "Bearer secret"), "ratchet", patience=patience, clock=clock, sleep=clock.sleep
    )
