"""What a scoring server counts, for `/metrics`."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any

from mlflow.exceptions import MlflowException
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Measures:
    """The metrics of `/metrics`; with a separate registry, so that one process can have several."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "ratchet_server_requests", "Requests to /invocations, by HTTP status.", ["code"], registry=registry
        )
        self.seconds = Histogram(
            "ratchet_server_request_seconds",
            "Duration of requests to /invocations, in seconds.",
            buckets=_BUCKETS,
            registry=registry,
        )
        self.predictions = Counter(
            "ratchet_server_predictions", "Rows, by predicted label.", ["label"], registry=registry
        )
        self.failures = Counter(
            "ratchet_server_failures",
            "Requests that match the signature but on whose rows the model failed; MLflow returns 400.",
            registry=registry,
        )
        self.prepared = Gauge(
            "ratchet_server_prepared",
            "1 if a prepared plan of the model answers JSON, 0 if all requests take MLflow's way.",
            registry=registry,
        )
        about = ["model", "version"]
        self.model = Gauge("ratchet_server_model_info", "1 for the served version.", about, registry=registry)

    def count(self, labels: Iterable[object]) -> None:
        """Count predicted labels, one for each row."""
        for label, rows in Tally(map(_name, labels)).items():
            self.predictions.labels(label).inc(rows)


class Counted:
    """A pyfunc model that counts its predicted labels and delegates everything else to the model.

    labels: the labels in an answer of the model.
    """

    def __init__(self, model: Any, measures: Measures, labels: Callable[[Any], Any]) -> None:
        self._model = model
        self._measures = measures
        self._labels = labels

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, data: Any, params: Any = None) -> Any:
        try:
            answer = self._model.predict(data, params=params)
        except MlflowException:  # the rows don't match the signature
            raise
        except Exception:
            self._measures.failures.inc()
            raise
        self._measures.count(self._labels(answer))
        return answer


def _name(label: object) -> str:
    """`0` or `1` for any numeric type; labels of other models must not create new series."""
    return {0: "0", 1: "1"}.get(label, "other") if isinstance(label, Real) else "other"  # type: ignore[call-overload]
