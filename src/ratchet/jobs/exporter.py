"""The work of `ratchet exporter` and `ratchet console`, which are one server.

It polls MLflow and the cluster in the background, and answers Prometheus and readers of the console at once.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Never

import structlog

from ratchet import background
from ratchet.core import exported
from ratchet.core.exported import CycleFacts, ModelFacts, Sample, SourceState
from ratchet.io import prometheus
from ratchet.io.cluster import credentials
from ratchet.io.cluster.api import Api
from ratchet.io.poller import Poller
from ratchet.io.prometheus import Page
from ratchet.io.records.model_facts import Models
from ratchet.jobs.cycles import Cycles
from ratchet.report.console.page import POLICY, Seen, render
from ratchet.settings import Settings

log = structlog.get_logger()


class Exporter:
    """The sources and their facts. cluster: None outside a cluster, where only MLflow's are exported."""

    def __init__(self, model: str, models: Poller[tuple[ModelFacts, ...]], cluster: Poller[CycleFacts] | None) -> None:
        self._model = model
        self._models = models
        self._cluster = cluster

    def begin(self, stop: threading.Event) -> None:
        """Poll each source in its own thread until `stop` is set."""
        background.begin("ask-mlflow", self._models.refresh_for_ever, stop)
        if self._cluster is not None:
            background.begin("ask-cluster", self._cluster.refresh_for_ever, stop)

    def samples(self) -> Iterator[Sample]:
        """All known samples."""
        yield from exported.of_sources(self._states(), self._model)
        for model in self._models.facts() or ():
            yield from exported.of_model(model)
        if self._cluster is not None and (cycles := self._cluster.facts()) is not None:
            yield from exported.of_cycles(cycles, self._model)

    def page(self, settings: Settings) -> str:
        """The console, from the same facts."""
        cluster = None if self._cluster is None else self._cluster.facts()
        states, address = self._states(), settings.exporter.mlflow_page
        return render(Seen(settings.model, time.time(), states, self._models.facts(), cluster, address))

    def _states(self) -> list[SourceState]:
        return [self._models.state(), *([] if self._cluster is None else [self._cluster.state()])]


def export(settings: Settings, ready: Callable[[str], None] = lambda _address: None) -> Never:
    """Serve until the process is stopped; raises ConfigurationError if the port is not available.

    ready: called with the address once it listens.
    """
    # Who asks again in a minute need not insist; an answer that takes long is worth as little as none.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    own = settings.exporter
    exporter, never = opened(settings), threading.Event()
    prometheus.serve(own.host, own.port, exporter.samples, Page(partial(exporter.page, settings), POLICY))
    address = f"http://{own.host}:{own.port}"
    log.info("exporter.ready", address=f"{address}/metrics", console=f"{address}/", mlflow=settings.tracking.uri)
    ready(address)
    exporter.begin(never)
    while True:
        never.wait()


def opened(settings: Settings, variables: Mapping[str, str] = os.environ) -> Exporter:
    """The exporter for these settings, before its first poll."""
    own = settings.exporter
    models = Poller("mlflow", Models(settings), own.mlflow_seconds, own.keep_seconds)
    way_in, namespace = credentials.inside(variables), variables.get("RATCHET_NAMESPACE")
    if way_in is None or not namespace:
        return Exporter(settings.model, models, None)
    cycles = Cycles(Api(way_in, namespace, patience=0))
    return Exporter(settings.model, models, Poller("cluster", cycles, own.cluster_seconds, own.keep_seconds))
