"""Real servers of both engines under a small load, scraped meanwhile."""

import json
import random
import signal
import threading
import time
from contextlib import ExitStack

import urllib3
from mlflow.tracking import MlflowClient

from ratchet.io.records import samples
from tests.integration.conftest import free_port
from tests.integration.verbs import Verb

SCRAPES, PAUSE = 240, 0.5
# The addresses of pods, which Prometheus gives as instance.
SERVERS = {"10.244.0.11:8080": "sklearn", "10.244.0.12:8080": "sklearn", "10.244.0.15:8080": "spark"}
GOES, FROM, TO = "10.244.0.12:8080", 150, 165
CROWDED = range(70, 100)  # scrapes in which four ask at once, of whom two are answered
_pool = urllib3.PoolManager(retries=False, timeout=30, maxsize=8)


class Server:
    """A served version, and who asks it until it ends."""

    def __init__(self, folder, engine):
        client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
        self.rows = samples.read(client, client.get_model_version(f"flights-{engine}", "1").run_id)
        few = ("--set", "serving.max_concurrent=2")
        self.words, self.scrape = (folder, "serve", engine, "--env", "test", *few, "--port"), 0

    def begin(self):
        port = free_port()
        self.verb, self.address = Verb(*self.words, str(port)), f"http://127.0.0.1:{port}"
        self.verb.wait_for("serve.ready")
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._load, args=(number,)) for number in range(4)]
        for thread in self.threads:
            thread.start()

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        self.verb.send(signal.SIGTERM)
        self.verb.end()
        self.verb.__exit__()

    def told(self, scrape):
        self.scrape = scrape
        try:
            return _pool.request("GET", f"{self.address}/metrics").data.decode()
        except urllib3.exceptions.HTTPError:
            return None

    def _load(self, number):
        chance = random.Random(number)  # noqa: S311  # a load, no secret
        while not self.stop.wait(chance.expovariate(30)):
            if number > 0 and self.scrape not in CROWDED:
                continue
            first = chance.randrange(len(self.rows.rows) - 12)
            body = json.dumps(self.rows.request(first, first + chance.randrange(1, 12)))
            if chance.random() < 0.03:
                body = "{"
            _pool.request(
                "POST", f"{self.address}/invocations", body=body, headers={"Content-Type": "application/json"}
            )


def scraped(folder):
    """For each scrape what each server told, by instance; None where it is down."""
    found = {each: Server(folder, engine) for each, engine in SERVERS.items()}
    with ExitStack() as stack:
        for server in found.values():
            server.begin()
            stack.callback(server.end)
        for scrape in range(SCRAPES):
            if scrape == FROM:
                found[GOES].end()
            if scrape == TO:
                found[GOES].begin()
            yield {each: server.told(scrape) for each, server in found.items()}
            time.sleep(PAUSE)
