"""A receiver of messages, as a team's chat is one: over HTTP, and with each way in which one can fail."""

import json
import threading
from collections import deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

HANG, CLOSE = "hang", "close"
SECRET_PATH = "/hooks/T0000-NEVER-SHOWN"  # noqa: S105  # of a test


class Receiver:
    """What it got, and what it answers first: statuses, pairs of a status and headers, HANG, or CLOSE; then 200.

    came: set with the first request. requests: path, headers and body of each.
    """

    def __init__(self):
        self.answers = deque()
        self.requests = []
        self.came, self.released = threading.Event(), threading.Event()
        self.address = None

    @property
    def messages(self):
        return [json.loads(request.body) for request in self.requests]

    @property
    def texts(self):
        return [message["text"] for message in self.messages]


@contextmanager
def receiving():
    """A receiver on 127.0.0.1; hanging requests end with it."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests.append(SimpleNamespace(path=self.path, headers=self.headers, body=body))
            receiver.came.set()
            answer = receiver.answers.popleft() if receiver.answers else 200
            if answer == HANG:
                receiver.released.wait(120)
            if answer in (HANG, CLOSE):
                self.connection.close()
                return
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            content = b"ok" if status == 200 else b""  # as Slack does; an Alertmanager wants to read it
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def finish(self):
            if not self.wfile.closed and self.connection.fileno() != -1:
                super().finish()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.address = f"http://127.0.0.1:{server.server_port}{SECRET_PATH}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
