"""The exporter's answers over HTTP: samples in Prometheus' text format, and the console's page.

An answer neither waits nor sends requests.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ratchet.core.exported import METRICS, Sample
from ratchet.errors import ConfigurationError


class _Samples(Collector):
    """Samples for Prometheus' client; all are gauges: each is the last value read from a source."""

    def __init__(self, samples: Callable[[], Iterable[Sample]]) -> None:
        self._samples = samples

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing, because the samples differ from scrape to scrape."""
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        families = {each.name: GaugeMetricFamily(each.name, each.meaning, labels=each.labels) for each in METRICS}
        for name, labels, value in self._samples():
            families[name].add_metric(labels, value)
        yield from (family for family in families.values() if family.samples)


@dataclass(frozen=True)
class Page:
    """A page of HTML for people. policy: its Content-Security-Policy."""

    html: Callable[[], str]
    policy: str


def serve(host: str, port: int, samples: Callable[[], Iterable[Sample]], page: Page) -> Callable[[], None]:
    """Serve the page at /, and at /metrics these samples, and this process's memory and CPU time, in separate threads.

    Returns a function that stops it. Raises ConfigurationError if the port is not available.
    """
    registry = CollectorRegistry()
    registry.register(_Samples(samples))
    ProcessCollector(registry=registry)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        message = f"exporter.host {host} and exporter.port {port} can't be listened on: {error.strerror or error}"
        raise ConfigurationError(message) from error
    server.set_app(_both(make_wsgi_app(registry), page))

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


def _both(metrics: WSGIApplication, page: Page) -> WSGIApplication:
    """The page at /, the metrics at /metrics, and nothing else."""

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start)
        if path not in ("", "/"):
            return _said(start, "404 Not Found", "There is / for people and /metrics for Prometheus.\n")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _said(start, "405 Method Not Allowed", "The page is read-only: GET it.\n", ("Allow", "GET, HEAD"))
        body = page.html().encode("utf-8", "replace")
        start(
            "200 OK", [("Content-Type", "text/html; charset=utf-8"), *_SAFE, ("Content-Security-Policy", page.policy)]
        )
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return answer


_SAFE = (
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)


def _said(start: StartResponse, status: str, text: str, *headers: tuple[str, str]) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8"), *_SAFE, *headers])
    return [text.encode()]
