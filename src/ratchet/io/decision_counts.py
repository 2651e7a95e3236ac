"""How many runs were promoted and held, without reading every run each time: the exporter asks once a minute."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from ratchet.settings import Settings

DECISIONS = ("promoted", "held", "staged")

_PAGE = 100
_DAY = 86_400.0
# A decision may be taken back while its rollout is looked at; a run that has none after a week will get none.
_UNSETTLED_SECONDS = _DAY
_UNDECIDED_SECONDS = 7 * _DAY


class DecisionCounts:
    """Counts the decisions on a model's runs. Once a day it begins anew, since runs may be deleted."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._forget()

    def refresh(self, client: MlflowClient) -> Mapping[str, Mapping[str, int]]:
        """The counts by engine and decision; asks for the runs that may have changed."""
        if self._clock() - self._begun > _DAY:
            self._forget()
        for run in self._runs(client):
            self._known[run.info.run_id] = (
                run.data.tags.get("ratchet.engine", ""),
                run.data.tags.get("ratchet.decision", ""),
                run.info.start_time / 1000,
            )
        self._asked = True
        counts = {str(engine): dict.fromkeys(DECISIONS, 0) for engine in self._settings.retrain.engines}
        found = Counter((engine, decision) for engine, decision, _ in self._known.values())
        for (engine, decision), count in found.items():
            if engine in counts and decision in DECISIONS:
                counts[engine][decision] = count
        return counts

    def _forget(self) -> None:
        self._begun = self._clock()
        self._asked = False
        self._known: dict[str, tuple[str, str, float]] = {}

    def _since(self) -> float:
        """The start of the oldest run that may have changed."""
        if not self._asked:
            return 0.0
        now = self._clock()
        undecided = [begun for _, decision, begun in self._known.values() if decision in ("", "staged")]
        return min([begun for begun in undecided if now - begun < _UNDECIDED_SECONDS] + [now - _UNSETTLED_SECONDS])

    def _runs(self, client: MlflowClient) -> Iterator[Run]:
        experiment = client.get_experiment_by_name(self._settings.experiment)
        if experiment is None:
            return
        wanted = (
            f"tags.`ratchet.model` = '{self._settings.model}' and attributes.start_time >= {self._since() * 1000:.0f}"
        )
        token = None
        while True:
            page = client.search_runs([experiment.experiment_id], wanted, max_results=_PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return
