"""A champion's rolling measure by day, for the console: two requests, and only when its run has a newer day."""

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from ratchet.core.history import MOST_DAYS, Curve
from ratchet.core.objective import F1, Objective


class Curves:
    """The curves of the champions as last fetched, by model."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, Curve]] = {}

    def of(
        self, client: MlflowClient, model: str, run: Run, by: Objective, floor: float | None, *, fixed: bool
    ) -> Curve | None:
        """The curve of a model's champion; None if no day was measured.

        run: the champion's. by: what it was trained for. floor: that of the newest day. fixed: whether it is that of
        every day; it also is if the run has no floor by day, as those of older versions.
        """
        measure = "rolling_f1" if by == F1 else "rolling_objective"
        newest = newest_step(run, measure)
        if newest is None:
            return None
        state = (run.info.run_id, newest, by, floor, fixed)
        if model not in self._known or self._known[model][0] != state:
            values = _history(client, run, measure)
            floors = {} if fixed else _history(client, run, f"{measure}_floor")
            if not floors and floor is not None:
                floors = dict.fromkeys(values, floor)
            elif newest in floors and floor is not None:
                floors[newest] = floor  # another watch.false_alarms changes the verdict, not what was logged
            self._known[model] = state, _shown(by, values, floors)
        return self._known[model][1]


def newest_step(run: Run, metric: str) -> int | None:
    """The step of a metric's newest value; that of a rolling one is the day's number."""
    # Only the protocol buffer of a run still has the steps.
    return max((entry.step for entry in run.data.to_proto().metrics if entry.key == metric), default=None)


def _history(client: MlflowClient, run: Run, metric: str) -> dict[int, float]:
    found = {entry.step: entry.value for entry in client.get_metric_history(run.info.run_id, metric)}
    return dict(sorted(found.items())[-MOST_DAYS:])


def _shown(by: Objective, values: dict[int, float], floors: dict[int, float]) -> Curve:
    return Curve(
        by.name,
        {day: by.shown(value) for day, value in values.items()},
        {day: by.shown(floor) for day, floor in floors.items() if day in values},
        greater_is_better=by.cost is None,
    )
