"""How many runs were promoted and held, and the newest of them, without reading every run each time.

The exporter polls once a minute.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from ratchet.core.history import MOST_CYCLES, Trained
from ratchet.core.notice import Measured
from ratchet.io.records.candidates import is_complete, report_page, run_page
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
            self._keep(_trained(run), self._newest[run.data.tags.get("ratchet.engine", "")])
        self._asked = True
        counts = {engine: dict.fromkeys(DECISIONS, 0) for engine in self._engines}
        found = Counter((run.engine, run.decision) for run in self._known.values())
        for (engine, decision), count in found.items():
            if engine in counts and decision in DECISIONS:
                counts[engine][decision] = count
        return counts

    def newest(self, engine: str) -> tuple[Trained, ...]:
        """An engine's runs of its newest cycles, the newest first, as of the last refresh."""
        return tuple(sorted(self._newest[engine].values(), key=lambda run: run.begun, reverse=True))

    def _forget(self) -> None:
        self._begun = self._clock()
        self._asked = False
        self._known: dict[str, _Known] = {}
        self._newest: defaultdict[str, dict[str, Trained]] = defaultdict(dict)

    def _keep(self, run: Trained, cycles: dict[str, Trained]) -> None:
        """Keep the newest run of each of the newest cycles."""
        if run.cycle not in cycles or run.begun >= cycles[run.cycle].begun:
            cycles[run.cycle] = run
        if len(cycles) > MOST_CYCLES:
            del cycles[min(cycles, key=lambda cycle: cycles[cycle].begun)]

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


def _trained(run: Run) -> Trained:
    tags, f1, ids = run.data.tags, Measured.of(run.data.metrics), (run.info.experiment_id, run.info.run_id)
    return Trained(
        cycle=tags.get("ratchet.cycle", ""),
        begun=run.info.start_time / 1000,
        status=run.info.status,
        decision=tags.get("ratchet.decision", ""),
        reason=tags.get("ratchet.reason", ""),
        page=run_page(*ids),
        report=report_page(*ids) if is_complete(run) else "",
        f1=None if f1 is None else f1.f1,
        low=None if f1 is None else f1.low,
        high=None if f1 is None else f1.high,
    )
