"""MLflow's facts about the models, in a few requests: the model, its versions, its champion's run; and new runs.

Used by `jobs.exporter`. Unreadable tags, which users may have edited, are skipped without an error.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from ratchet.core import trial
from ratchet.core.exported import Champion, ModelFacts
from ratchet.core.objective import F1, Objective
from ratchet.core.objective import TAG as OBJECTIVE
from ratchet.core.watch_estimate import ESTIMATED, ESTIMATED_ERROR
from ratchet.core.watch_verdict import TAG as WATCH
from ratchet.core.watch_verdict import floor_of
from ratchet.errors import FailedError
from ratchet.io.records.connection import connect, ignoring_absent, mlflow_errors
from ratchet.io.records.decision_counts import DecisionCounts
from ratchet.io.records.registered_model import RegisteredModel, listed
from ratchet.io.records.rolling_curves import Curves, newest_step
from ratchet.io.records.version import CHAMPION
from ratchet.settings import Settings, Watch

_DAY_SECONDS = 86_400
_ROLLING = ("f1", "precision", "recall", "accuracy", "roc_auc", "objective")
_CURVES = (*(f"rolling_{name}" for name in _ROLLING), *ESTIMATED.values(), ESTIMATED_ERROR)
_DRIFT = "drift."


class Models:
    """Queries MLflow for the facts about the configured models."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: MlflowClient | None = None
        self._decisions = DecisionCounts(settings.experiment, settings.model, settings.retrain.engines)
        self._curves = Curves()

    def __call__(self) -> tuple[ModelFacts, ...]:
        """The facts of each engine's model; raises RatchetError if MLflow is unavailable."""
        with mlflow_errors(self._settings.tracking):
            self._client = client = self._client or connect(self._settings.tracking)
            decisions = self._decisions.refresh(client)
            return tuple(self._facts(client, engine, decisions[engine]) for engine in self._settings.retrain.engines)

    def _facts(self, client: MlflowClient, engine: str, decisions: Mapping[str, int]) -> ModelFacts:
        name = self._settings.registered_name(engine)
        model = RegisteredModel.read(client, name)
        facts = ModelFacts(
            name,
            decisions=decisions,
            estimate_alert=self._settings.exporter.estimate_alert,
            trained=self._decisions.newest(engine),
        )
        if model is None:
            return facts
        versions = sorted(listed(client, name), key=lambda version: int(version.version), reverse=True)
        number = model.aliases.get(CHAMPION)
        named = next((version for version in versions if int(version.version) == number), None)
        return replace(
            facts,
            champion=None if named is None else self._with_curve(client, model, named),
            versions=len(versions),
            validation_failed=_validation_failed(versions),
        )

    def _with_curve(self, client: MlflowClient, model: RegisteredModel, version: ModelVersion) -> Champion:
        run = None
        with ignoring_absent():
            run = client.get_run(version.run_id) if version.run_id else None
        by, watch = _objective(run), self._settings.watch
        champion = _champion(run, model, version, watch)
        if run is None:
            return champion
        fixed = watch.floor is not None and by.cost is None
        return replace(champion, curve=self._curves.of(client, model.name, run, by, champion.floor, fixed=fixed))


def _champion(run: Run | None, model: RegisteredModel, version: ModelVersion, watch: Watch) -> Champion:
    metrics = {} if run is None else run.data.metrics
    f1, by = _number(version.tags.get("ratchet.f1", metrics.get("f1"))), _objective(run)
    objective = None if by == F1 else _number(metrics["objective"])
    own, record = f1 if by == F1 else objective, _record(model, int(version.version))
    return Champion(
        version=int(version.version),
        since=_since(record),
        f1=f1,
        f1_all_positive=_number(metrics.get("f1_all_positive")),
        floor=_number(floor_of(watch.floor, _measured_floor(version, metrics, by), own, by)),
        rolling=_rolling(metrics, watch.floor if by == F1 else None),
        day=None if run is None else _day(run, "rolling_f1"),
        estimated_day=None if run is None else _day(run, ESTIMATED["f1"]),
        drift={
            name.removeprefix(_DRIFT): value
            for name, value in metrics.items()
            if name.startswith(_DRIFT) and isfinite(value)
        },
        objective=objective,
        not_yet_known=_number(metrics.get("rows_not_yet_known")),
        objective_constant=None if by == F1 else _number(metrics.get("objective_constant")),
        f1_low=_number(metrics.get("f1_low")),
        f1_high=_number(metrics.get("f1_high")),
        moved=_moved(record),
    )


def _rolling(metrics: Mapping[str, float], floor: float | None) -> dict[str, float]:
    """The newest values of the curves, without `rolling_`. floor: of F1, if it is fixed."""
    curves = {name: metrics[name] for name in _CURVES if isfinite(_of(metrics, name))}
    if floor is not None and ESTIMATED["f1"] in curves:
        curves[ESTIMATED["f1_floor"]] = floor
    return {name.removeprefix("rolling_"): value for name, value in curves.items()}


def _objective(run: Run | None) -> Objective:
    """What the version was trained for."""
    if run is None or "objective" not in run.data.metrics:
        return F1
    try:
        return Objective.from_tag(run.data.tags.get(OBJECTIVE), run.info.run_id)
    except FailedError:
        return F1


def _measured_floor(version: ModelVersion, metrics: Mapping[str, float], objective: Objective) -> float | None:
    """The floor of the newest verdict; before the first one, that of the last day of the version's test window."""
    floor = _number(_object(version.tags.get(WATCH)).get("floor"))
    name = "rolling_f1_floor" if objective == F1 else "rolling_objective_floor"
    return metrics.get(name) if floor is None else floor


def _since(record: Mapping[str, Any]) -> float | None:
    """When `champion` was moved to the version; None if a user moved it directly in MLflow."""
    try:
        at = datetime.fromisoformat(str(record.get("at")))
    except ValueError:
        return None
    return at.replace(tzinfo=at.tzinfo or UTC).timestamp()


def _moved(record: Mapping[str, Any]) -> str:
    return f"{record['by']}: {record['because']}" if record.get("by") and record.get("because") else ""


def _record(model: RegisteredModel, version: int) -> Mapping[str, Any]:
    """The record of the move of `champion` to the version; empty if a user moved it directly in MLflow."""
    record = _object((model.tags or {}).get("ratchet.champion"))
    return record if record.get("version") == version else {}


def _day(run: Run, metric: str) -> float | None:
    """Midnight of the newest day with a rolling metric; its step is the day's number."""
    step = newest_step(run, metric)
    return None if step is None else float(step * _DAY_SECONDS)


def _validation_failed(newest_first: Sequence[ModelVersion]) -> bool:
    outcomes = (_object(version.tags.get(trial.TAG)).get("outcome") for version in newest_first)
    return next((outcome for outcome in outcomes if outcome is not None), None) == "failed"


def _of(metrics: Mapping[str, float], name: str) -> float:
    return metrics.get(name, float("nan"))


def _number(text: object) -> float | None:
    try:
        number = float(str(text))
    except ValueError:
        return None
    return number if isfinite(number) else None


def _object(text: str | None) -> Mapping[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
