"""The work of `ratchet exporter`: it polls MLflow and the cluster in the background and answers Prometheus at once."""

import os
import threading
from collections.abc import Iterator, Mapping
from typing import Never

import structlog

from ratchet import background
from ratchet.core import exported
from ratchet.core.exported import CycleFacts, ModelFacts, Sample
from ratchet.io import prometheus
from ratchet.io.cluster import credentials
from ratchet.io.cluster.api import Api
from ratchet.io.poller import Poller
from ratchet.io.records.model_facts import Models
from ratchet.jobs.cycles import Cycles
from ratchet.settings import Settings

log = structlog.get_logger()


class Exporter:
    """The sources and their facts. cluster: None outside a cluster, where only MLflow's are exported."""

    def __init__(self, models: Poller[tuple[ModelFacts, ...]], cluster: Poller[CycleFacts] | None) -> None:
        self._models = models
        self._cluster = cluster

    def begin(self, stop: threading.Event) -> None:
        """Poll each source in its own thread until `stop` is set."""
        background.begin("ask-mlflow", self._models.refresh_for_ever, stop)
        if self._cluster is not None:
            background.begin("ask-cluster", self._cluster.refresh_for_ever, stop)

    def samples(self) -> Iterator[Sample]:
        """All known samples."""
        states = [self._models.state(), *([] if self._cluster is None else [self._cluster.state()])]
        yield from exported.of_sources(states)
        for model in self._models.facts() or ():
            yield from exported.of_model(model)
        if self._cluster is not None and (cycles := self._cluster.facts()) is not None:
            yield from exported.of_cycles(cycles)


def export(settings: Settings) -> Never:
    """Serve until the process is stopped; raises ConfigurationError if the port is not available."""
    # Who asks again in a minute need not insist; an answer that takes long is worth as little as none.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    own = settings.exporter
    exporter, never = opened(settings), threading.Event()
    prometheus.serve(own.host, own.port, exporter.samples)
    log.info("exporter.ready", address=f"http://{own.host}:{own.port}/metrics", mlflow=settings.tracking.uri)
    exporter.begin(never)
    while True:
        never.wait()


def opened(settings: Settings, variables: Mapping[str, str] = os.environ) -> Exporter:
    """The exporter for these settings, before its first poll."""
    own = settings.exporter
    models = Poller("mlflow", Models(settings), own.mlflow_seconds, own.keep_seconds)
    way_in, namespace = credentials.inside(variables), variables.get("RATCHET_NAMESPACE")
    if way_in is None or not namespace:
        return Exporter(models, None)
    cycles = Cycles(Api(way_in, namespace, patience=0))
    return Exporter(models, Poller("cluster", cycles, own.cluster_seconds, own.keep_seconds))
