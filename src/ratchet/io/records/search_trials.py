"""The trials of a search as child runs in MLflow, by which a search that was killed goes on.

All that a later attempt needs is written in the request that creates a child, so there is none that is half written.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from mlflow.entities import Metric, Param
from mlflow.entities import Run as MlflowRun
from mlflow.tracking import MlflowClient

from ratchet.core.search import Trial

_TRIAL = "ratchet.trial"
_SEARCH = "ratchet.search"
_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class SearchTrials:
    """The trials of one search. key: what it searches, in which cycle; another cycle's or another space's differ."""

    client: MlflowClient
    experiment: str
    parent: str
    key: str

    def finished(self) -> tuple[Trial, ...]:
        """The trials of earlier attempts, without a gap in their numbers; they become children of this run."""
        found: dict[int, Trial] = {}
        for run in self._runs():
            trial = _trial(run)
            if trial.number in found or trial.number != len(found):
                self.client.delete_run(run.info.run_id)
                continue
            found[trial.number] = trial
            self.client.set_tag(run.info.run_id, _PARENT, self.parent)
            self._complete(run.info.run_id, run.info.start_time, trial)
        return tuple(found.values())

    def write(self, trial: Trial) -> None:
        """Record a trial as a child of the run."""
        record = json.dumps([trial.number, dict(trial.params), trial.value, trial.seconds])
        tags = {_PARENT: self.parent, _SEARCH: self.key, _TRIAL: record}
        name = f"trial-{trial.number}" if trial.number else "untuned"
        run = self.client.create_run(self.experiment, tags=tags, run_name=name)
        self._complete(run.info.run_id, run.info.start_time, trial)

    def _complete(self, run_id: str, start: int, trial: Trial) -> None:
        values = {"search_value": trial.value, "search_seconds": trial.seconds}
        metrics = [Metric(name, value, start, 0) for name, value in values.items()]
        params = [Param(name, str(value)) for name, value in trial.params.items()]
        self.client.log_batch(run_id, metrics=metrics, params=params)
        self.client.set_terminated(run_id)

    def _runs(self) -> Sequence[MlflowRun]:
        runs = list(self.client.search_runs([self.experiment], f"tags.`{_SEARCH}` = '{self.key}'", max_results=5000))
        return sorted(runs, key=lambda run: (_trial(run).number, run.info.start_time))


def _trial(run: MlflowRun) -> Trial:
    number, params, value, seconds = json.loads(run.data.tags[_TRIAL])
    return Trial(number, params, value, seconds)
