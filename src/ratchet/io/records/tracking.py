"""A trainer's run in MLflow: created once, written in batches, closed with the right status.

`jobs.training.train` is the only caller. MLflow's client repeats a request whose response was lost, so a run has an
attempt id, and a duplicate run from such a repetition is removed. Writes are batched, because a thousand single metrics
would take seconds.
"""

import tempfile
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
from mlflow.data.dataset_source_registry import resolve_dataset_source
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Metric, Param, RunStatus, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, Schema

from ratchet import background
from ratchet.core.evaluation.counts import day_number
from ratchet.core.watch_estimate import ESTIMATED
from ratchet.errors import ConfigurationError, Interrupted, TemporaryError, interruption_kept
from ratchet.io.records import orphaned_runs
from ratchet.settings import Tracking

if TYPE_CHECKING:  # it imports scikit-learn, which would delay a trainer's start
    from ratchet.core.evaluation.estimate import EstimatedDay
    from ratchet.core.evaluation.rolling import RollingDay

_PARAMS_A_BATCH = 100
METRICS_A_BATCH = 1000
_LONGEST_PARAM = 6000
_INPUT_TRIES = 4
_INPUT_PAUSE_SECONDS = 0.3
_ROLLING = ("accuracy", "precision", "recall", "f1", "f1_floor", "roc_auc", "objective", "objective_floor")


def experiment_id(client: MlflowClient, name: str, tracking: Tracking) -> str:
    """The id of the experiment of that name, which is created if missing.

    Raises ConfigurationError if the experiment on a server keeps its artifacts elsewhere than `tracking.artifacts`.
    """
    place = _artifact_location(tracking)
    found = client.get_experiment_by_name(name)
    if found is None:
        with suppress(MlflowException):  # another trainer may have created it meanwhile
            client.create_experiment(name, artifact_location=place)
        found = client.get_experiment_by_name(name)
    elif place is not None and not tracking.uri.startswith("sqlite:") and found.artifact_location != place:
        message = (
            f"the experiment {name!r} at {tracking.uri} keeps its artifacts in {found.artifact_location}, and"
            f" tracking.artifacts is {place}: another model has this name; set `model` to one that is not taken"
        )
        raise ConfigurationError(message)
    if found is None:
        message = f"the experiment {name!r} can't be made at {tracking.uri}"
        raise TemporaryError(message)
    return str(found.experiment_id)


def _artifact_location(tracking: Tracking) -> str | None:
    """A server can't write to a folder of this machine, so a folder counts with a file only."""
    place = tracking.artifacts
    if place is not None and "://" in place:
        return place.rstrip("/")
    return Path(place).absolute().as_uri() if place is not None and tracking.uri.startswith("sqlite:") else None


@dataclass(frozen=True)
class Run:
    """The run being recorded."""

    client: MlflowClient
    run_id: str
    experiment_id: str

    def addresses(self, uri: str) -> dict[str, str]:
        """The addresses of the run: ids, and pages if MLflow is a server."""
        page = (
            f"{uri.rstrip('/')}/#/experiments/{self.experiment_id}/runs/{self.run_id}" if "http" in uri else self.run_id
        )
        return {"run": page, "experiment": self.experiment_id, "tracking": uri}

    def tags(self, tags: Mapping[str, str]) -> None:
        self.client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def params(self, params: Mapping[str, str]) -> None:
        """Log parameters in batches; a value too long for MLflow is truncated."""
        entities = [Param(key, value[:_LONGEST_PARAM]) for key, value in params.items()]
        for start in range(0, len(entities), _PARAMS_A_BATCH):
            self.client.log_batch(self.run_id, params=entities[start : start + _PARAMS_A_BATCH])

    def metrics(
        self, metrics: Mapping[str, float], days: Sequence["RollingDay"], estimated: Sequence["EstimatedDay"] = ()
    ) -> None:
        """Log the metrics of the test window, and those of its days at the day's number and time; NaN is skipped."""
        now = int(time.time() * 1000)
        entities = [Metric(key, value, now, 0) for key, value in metrics.items()]
        entities.extend(rolling_metrics(days))
        entities.extend(estimated_metrics(estimated))
        for start in range(0, len(entities), METRICS_A_BATCH):
            self.client.log_batch(self.run_id, metrics=entities[start : start + METRICS_A_BATCH])

    def artifacts(self, files: Mapping[str, bytes]) -> None:
        """Write files at the top of the run's artifacts."""
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            self.client.log_artifacts(self.run_id, folder)

    def beside[R](self, call: Callable[[], R]) -> Future[R]:
        """Start a call in a separate thread, in which this run is also active."""
        attached = threading.Event()

        def attach_and_call() -> R:
            try:
                mlflow.start_run(run_id=self.run_id)
            finally:
                attached.set()
            return call()

        future = background.begin("beside-run", attach_and_call)
        try:
            attached.wait()
        except BaseException:
            # Attaching sets the run's status, so the end of the run must be written after it.
            attached.wait()
            raise
        return future

    def data_input(self, context: str, uri: str, digest: str, columns: Mapping[str, str]) -> None:
        """Log the data read. context: `training` or `test`. columns: `double`, `string` or `boolean` by name."""
        schema = Schema([ColSpec(DataType[kind], name) for name, kind in columns.items()])
        source = resolve_dataset_source(uri if "://" in uri else str(Path(uri).absolute()))
        dataset = MetaDataset(source, name=Path(uri).name or "table", digest=digest, schema=schema)
        # MLflow fails if two trainers log the same new data concurrently; a retry finds them.
        for _ in range(_INPUT_TRIES - 1):
            with suppress(MlflowException):
                mlflow.log_input(dataset, context)
                return
            time.sleep(_INPUT_PAUSE_SECONDS)
        mlflow.log_input(dataset, context)


@contextmanager
def recorded_run(client: MlflowClient, experiment: str, *, model: str, cycle: str, engine: str) -> Iterator[Run]:
    """Begin a run; it ends as FINISHED, as KILLED when interrupted, as FAILED on any other error.

    experiment: its id.
    """
    attempt = uuid.uuid4().hex
    tags = {
        "ratchet.cycle": cycle,
        "ratchet.engine": engine,
        "ratchet.model": model,
        "ratchet.attempt": attempt,
        orphaned_runs.TAG: orphaned_runs.tag(),
    }
    mlflow.start_run(experiment_id=experiment, run_name=f"{cycle}-{engine}", tags=tags)
    active = mlflow.active_run()
    run = Run(client, active.info.run_id, experiment)
    status = RunStatus.FAILED
    try:
        with interruption_kept():
            _remove_twins(run, attempt)
            orphaned_runs.close_before(client, experiment, cycle, engine, run.run_id)
            yield run
        status = RunStatus.FINISHED
    except (Interrupted, KeyboardInterrupt, SystemExit) as error:
        status = RunStatus.KILLED
        # An interrupted request may keep SQLite's lock while its stack frames exist.
        traceback.clear_frames(error.__traceback__)
        raise
    finally:
        mlflow.end_run(RunStatus.to_string(status))


def _remove_twins(run: Run, attempt: str) -> None:
    for twin in run.client.search_runs([run.experiment_id], f"tags.`ratchet.attempt` = '{attempt}'"):
        if twin.info.run_id != run.run_id:
            run.client.delete_run(twin.info.run_id)


def rolling_metrics(days: Iterable["RollingDay"]) -> Iterator[Metric]:
    """The metrics of days, at the day's number and time; NaN is skipped."""
    for day in days:
        yield from _of_day(day_number(day.day), {f"rolling_{name}": getattr(day, name) for name in _ROLLING})


def estimated_metrics(days: Iterable["EstimatedDay"]) -> Iterator[Metric]:
    """The estimates of days, like `rolling_metrics`."""
    for day in days:
        own = {ESTIMATED[name]: getattr(day.expected, name) for name in ("f1", "precision", "recall", "positives")}
        yield from _of_day(day_number(day.day), own | {ESTIMATED["f1_floor"]: day.f1_floor})


def _of_day(number: int, values: Mapping[str, float]) -> Iterator[Metric]:
    for name, value in values.items():
        if value == value:  # noqa: PLR0124  # NaN is not equal to itself
            yield Metric(name, value, number * 86_400_000, number)
