"""The exporter's page: samples in Prometheus' text format, over HTTP. A scrape neither waits nor sends requests."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
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


def serve(host: str, port: int, samples: Callable[[], Iterable[Sample]]) -> Callable[[], None]:
    """Serve these samples, and this process's memory and CPU time, in separate threads.

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

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
