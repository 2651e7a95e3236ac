"""How many runs were promoted and held, without reading every run each time, since the exporter polls once a minute."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from ratchet.io.records.connection import every

DECISIONS = ("promoted", "held", "staged")

_PAGE = 100
_DAY = 86_400.0
# A decision may be reverted while its rollout is watched; a run without a decision after a week will get none.
_SETTLES_SECONDS = _DAY
_GIVEN_UP_SECONDS = 7 * _DAY


@dataclass(frozen=True)
class _Known:
    """The facts about a run. begun, settled: Unix times; after `settled` it no longer changes."""

    engine: str
    decision: str
    begun: float
    settled: float


class DecisionCounts:
    """Counts the decisions on a model's runs; restarts once a day, since runs may be deleted.

    experiment: the name of the experiment with the runs.
    """

    def __init__(
        self, experiment: str, model: str, engines: Sequence[str], clock: Callable[[], float] = time.time
    ) -> None:
        self._experiment = experiment
        self._model = model
        self._engines = engines
        self._clock = clock
        self._forget()

    def refresh(self, client: MlflowClient) -> Mapping[str, Mapping[str, int]]:
        """The counts by engine and decision; fetches the runs that may have changed."""
        if self._clock() - self._begun > _DAY:
            self._forget()
        for run in self._runs(client):
            self._known[run.info.run_id] = _known(run)
        self._asked = True
        counts = {engine: dict.fromkeys(DECISIONS, 0) for engine in self._engines}
        found = Counter((run.engine, run.decision) for run in self._known.values())
        for (engine, decision), count in found.items():
            if engine in counts and decision in DECISIONS:
                counts[engine][decision] = count
        return counts

    def _forget(self) -> None:
        self._begun = self._clock()
        self._asked = False
        self._known: dict[str, _Known] = {}

    def _since(self) -> float:
        """The start of the oldest run that may have changed."""
        if not self._asked:
            return 0.0
        now = self._clock()
        unsettled = [run.begun for run in self._known.values() if run.settled > now]
        return min(unsettled, default=now - _SETTLES_SECONDS)

    def _runs(self, client: MlflowClient) -> Iterable[Run]:
        experiment = client.get_experiment_by_name(self._experiment)
        if experiment is None:
            return ()
        ids = [experiment.experiment_id]
        wanted = f"tags.`ratchet.model` = '{self._model}' and attributes.start_time >= {self._since() * 1000:.0f}"
        return every(lambda token: client.search_runs(ids, wanted, max_results=_PAGE, page_token=token))


def _known(run: Run) -> _Known:
    begun, decision = run.info.start_time / 1000, run.data.tags.get("ratchet.decision", "")
    settled = begun + _SETTLES_SECONDS
    if decision == "staged":
        settled = inf  # an operator may approve it at any time
    elif not decision and run.info.status not in ("FAILED", "KILLED"):
        settled = begun + _GIVEN_UP_SECONDS
    return _Known(run.data.tags.get("ratchet.engine", ""), decision, begun, settled)
