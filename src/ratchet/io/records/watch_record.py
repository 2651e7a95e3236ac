"""The measurements of a version by watches, in its own run: a file of counts per span of days, and the metrics by day.

A file is written once and never changed, and its name contains its days. So a list of names shows the measured days,
and a watch killed at any point is simply run again: days with a file are not rescored, and missing metrics are logged.
"""

import re
import tempfile
from ast import literal_eval
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from mlflow.entities import Metric, Run
from mlflow.tracking import MlflowClient

from ratchet.core.evaluation.counts import Counts, day_number
from ratchet.core.evaluation.estimate import EstimatedDay
from ratchet.core.evaluation.feature_counts import NAME as FEATURES
from ratchet.core.evaluation.feature_counts import FeatureCounts, from_csv
from ratchet.core.evaluation.rolling import RollingDay
from ratchet.core.objective import TAG as OBJECTIVE
from ratchet.core.objective import Objective
from ratchet.core.watch_estimate import ESTIMATED_ERROR, WatchEstimate
from ratchet.core.watch_estimate import TAG as ESTIMATE
from ratchet.core.watch_verdict import TAG, WatchVerdict
from ratchet.core.windows import Window
from ratchet.errors import FailedError
from ratchet.io.records.tracking import METRICS_A_BATCH, estimated_metrics, rolling_metrics
from ratchet.io.records.version import Version, columns_of

COUNTS = "counts.csv"
_FOLDER = "watch"
_ROLES = {"double": "numeric", "string": "categorical"}
_NAME = re.compile(r"watch/counts-(\d{4}-\d\d-\d\d)-to-(\d{4}-\d\d-\d\d)\.csv")
_ONE_DAY = timedelta(days=1)
_MILLISECONDS = 86_400_000


@dataclass(frozen=True)
class Span:
    """Measured days, `end` exclusive, and the artifact with their counts."""

    first: date
    end: date
    path: str

    @property
    def drift(self) -> str:
        """The artifact with the drift of the features from training to these days."""
        return self.path.replace("counts-", "drift-")

    @classmethod
    def of(cls, window: Window) -> "Span":
        """The span of a window, which must have a start."""
        first = window.start or window.end
        return cls(first, window.end, f"{_FOLDER}/counts-{first}-to-{window.end - _ONE_DAY}.csv")


class Record:
    """The measured days of a version. spans: by day, starting with its own test window's if those counts exist."""

    def __init__(self, client: MlflowClient, version: Version) -> None:
        self._client = client
        self.version = version
        self._run: Run = client.get_run(version.run_id)
        self._files = {file.path for file in client.list_artifacts(version.run_id)}
        until = self._run.data.tags.get("ratchet.test_until")
        if until is None:
            message = f"the run {version.run_id} of {version.uri} does not say where its test window ends"
            raise FailedError(message)
        self.tested_until = date.fromisoformat(until)
        self.spans = self._spans()

    @property
    def end(self) -> date:
        """The end of the measured days, exclusive."""
        return max([self.tested_until, *(span.end for span in self.spans)])

    @property
    def tested(self) -> Span | None:
        """Its own test window; None if its run does not have the counts."""
        return next((span for span in self.spans if span.path == COUNTS), None)

    @property
    def threshold(self) -> float:
        """The score from which the version labels a row positive, from its run."""
        if "threshold" not in self._run.data.metrics:
            message = f"the run {self.version.run_id} of {self.version.uri} has no metric threshold"
            raise FailedError(message)
        return float(self._run.data.metrics["threshold"])

    @property
    def objective(self) -> Objective:
        """What it was trained for, from its run; it is judged by that, whatever the setting is now."""
        return Objective.from_tag(self._run.data.tags.get(OBJECTIVE), f"the run {self.version.run_id}")

    def levels(self, default: int) -> int:
        """The levels of its scores, see `core.evaluation.counts`; the threshold is at one of them."""
        return int(self._run.data.params.get("evaluation.score_levels", default))

    def features(self) -> tuple[FeatureCounts, ...]:
        """The distribution of the features in training; empty if its run did not count them."""
        return from_csv(self.read(FEATURES)) if FEATURES in self._files else ()

    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """The features that it was trained on, by their setting; empty if its run doesn't record them."""
        kinds = columns_of(self._run)
        raw = literal_eval(self._run.data.params.get("data.features", "()"))
        roles = {name: "features" if name in raw else _ROLES[kind] for name, kind in kinds.items() if kind in _ROLES}
        if not roles:
            return {}
        return {role: tuple(name for name in roles if roles[name] == role) for role in (*_ROLES.values(), "features")}

    def blocks(self) -> list[list[Span]]:
        """The spans grouped into runs without gaps."""
        found: list[list[Span]] = []
        for span in self.spans:
            if found and found[-1][-1].end == span.first:
                found[-1].append(span)
            else:
                found.append([span])
        return found

    def read(self, path: str) -> str:
        """An artifact of the version's run."""
        with tempfile.TemporaryDirectory() as folder:
            file = self._client.download_artifacts(self.version.run_id, path, folder)
            return Path(file).read_bytes().decode("utf-8")

    def add(self, window: Window, counts: Counts, drift: str) -> None:
        """Store the measurements of a window's days. The counts come last, since they mark the days as measured."""
        span = Span.of(window)
        for path, text in ((span.drift, drift), (span.path, counts.to_csv())):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / Path(path).name
                file.write_text(text, encoding="utf-8")
                self._client.log_artifact(self.version.run_id, str(file), _FOLDER)
        self.spans = self._spans()

    def logged(self, metric: str) -> set[int]:
        """The steps at which the run has a metric."""
        return set(self.history(metric))

    def history(self, metric: str) -> dict[int, float]:
        """The values of a metric in the run, by step."""
        return {entry.step: entry.value for entry in self._client.get_metric_history(self.version.run_id, metric)}

    def log_days(self, days: Iterable[RollingDay]) -> None:
        """Log the rolling metrics of days; each request contains complete days, so that no day is partial."""
        self._log_whole(list(rolling_metrics([day])) for day in days)

    def log_estimates(self, days: Iterable[EstimatedDay]) -> None:
        """Log the estimates of days, like `log_days`."""
        self._log_whole(list(estimated_metrics([day])) for day in days)

    def log_estimate_error(self, error: float, newest: date) -> None:
        """Log the mean absolute error of past estimates, at the newest of the days."""
        step = day_number(newest)
        self._client.log_batch(
            self.version.run_id, metrics=[Metric(ESTIMATED_ERROR, error, step * _MILLISECONDS, step)]
        )

    def _log_whole(self, days: Iterable[list[Metric]]) -> None:
        batch: list[Metric] = []
        for own in days:
            if len(batch) + len(own) > METRICS_A_BATCH:
                self._client.log_batch(self.version.run_id, metrics=batch)
                batch = []
            batch += own
        if batch:
            self._client.log_batch(self.version.run_id, metrics=batch)

    def log_drift(self, metrics: Mapping[str, float], newest: date) -> None:
        """Log the drift of the features, at the newest of the days."""
        step = day_number(newest)
        entries = [Metric(name, value, step * _MILLISECONDS, step) for name, value in metrics.items()]
        for start in range(0, len(entries), METRICS_A_BATCH):
            self._client.log_batch(self.version.run_id, metrics=entries[start : start + METRICS_A_BATCH])

    def conclude(self, name: str, verdict: WatchVerdict) -> None:
        """Write the verdict to the version. name: of the registered model."""
        self._client.set_model_version_tag(name, str(self.version.number), TAG, verdict.to_tag())

    def write_estimate(self, name: str, estimate: WatchEstimate) -> None:
        """Write the newest estimate to the version. name: of the registered model."""
        self._client.set_model_version_tag(name, str(self.version.number), ESTIMATE, estimate.to_tag())

    def _spans(self) -> tuple[Span, ...]:
        tags = self._run.data.tags
        found = []
        if COUNTS in self._files and tags.get("ratchet.test_from", "None") != "None":
            found.append(Span(date.fromisoformat(tags["ratchet.test_from"]), self.tested_until, COUNTS))
        return _apart([*found, *self._watched()])

    def _watched(self) -> list[Span]:
        names = [file.path for file in self._client.list_artifacts(self.version.run_id, _FOLDER)]
        matches = [match for name in names if (match := _NAME.fullmatch(name))]
        return [
            Span(date.fromisoformat(match[1]), date.fromisoformat(match[2]) + _ONE_DAY, match[0]) for match in matches
        ]


def _apart(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans without overlap: of two overlapping ones, which concurrent watches may leave, the longer one counts."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.first, -span.end.toordinal())):
        if not kept or span.first >= kept[-1].end:
            kept.append(span)
    return tuple(kept)
