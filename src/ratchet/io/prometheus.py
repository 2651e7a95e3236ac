"""The exporter's page: samples in Prometheus' text, over HTTP. A scrape waits for nothing and asks nobody."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ratchet.core.exported import METRICS, Sample
from ratchet.errors import ConfigurationError


class _Samples(Collector):
    """Samples as Prometheus' client wants them; all are gauges: each is what was last seen somewhere else."""

    def __init__(self, samples: Callable[[], Iterable[Sample]]) -> None:
        self._samples = samples

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing: what there is to tell differs from scrape to scrape."""
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        families = {each.name: GaugeMetricFamily(each.name, each.meaning, labels=each.labels) for each in METRICS}
        for name, labels, value in self._samples():
            families[name].add_metric(labels, value)
        yield from (family for family in families.values() if family.samples)


def serve(host: str, port: int, samples: Callable[[], Iterable[Sample]]) -> Callable[[], None]:
    """Answer in threads of their own with these samples, and with this process's memory and CPU time.

    What is returned ends it. Raises ConfigurationError where the port can't be had.
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
