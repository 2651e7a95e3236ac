"""Deletes runs and versions past `retention.runs` that nothing needs any more, with their models and files.

Interrupted anywhere, it is run again: what is half deleted is found once more. MLflow's database keeps the entries of
deleted runs and models, without files, until `mlflow gc`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from mlflow.tracking import MlflowClient

from ratchet.core.steps import ENGINES
from ratchet.core.windows import Period
from ratchet.errors import ConfigurationError
from ratchet.io.records.candidates import Candidates
from ratchet.io.records.connection import connect, mlflow_errors
from ratchet.io.records.expired import delete_run, expired_runs, expired_versions
from ratchet.io.records.registered_model import RegisteredModel
from ratchet.io.records.version import Version
from ratchet.jobs.promotion.case import held_model
from ratchet.settings import Settings


def prune(settings: Settings, told: Callable[[str], None], *, dry_run: bool, today: date | None = None) -> str:
    """Delete what has expired, or only list it; returns a sentence that sums it up.

    told: gets a line about each version and run, before it is deleted. today: None is the current day, UTC. Raises
    ConfigurationError if `retention.runs` is not set, or if the store refuses to delete; TemporaryError if MLflow is
    unavailable or a model is locked for long.
    """
    if settings.retention.runs is None:
        message = "retention.runs is not set, so everything is kept; a period such as 12mo or 400d is accepted"
        raise ConfigurationError(message)
    first_day = Period.parse(settings.retention.runs).before(today or datetime.now(UTC).date())
    with mlflow_errors(settings.tracking):
        client = connect(settings.tracking)
        pruning = _Pruning(client, settings, datetime.combine(first_day, time(), UTC), told, dry_run)
        counts = [pruning.engine(engine) for engine in ENGINES]
    versions, runs = map(sum, zip(*counts, strict=True))
    verb = "would be deleted" if dry_run else "deleted"
    return f"older than {first_day}: {versions} versions and {runs} runs {verb}"


@dataclass(frozen=True)
class _Pruning:
    """before: what began earlier may expire."""

    client: MlflowClient
    settings: Settings
    before: datetime
    told: Callable[[str], None]
    dry_run: bool

    def engine(self, engine: str) -> tuple[int, int]:
        """Delete an engine's versions, then its runs; returns how many of each."""
        expired, remaining = self._versions(self.settings.registered_name(engine))
        found = Candidates(self.client, self.settings.experiment, self.settings.model)
        runs = expired_runs(found, engine, remaining, self.before)
        for run in runs:
            outcome = run.outcome or "without a decision"
            self.told(f"run {run.run_id} of {run.begun:%Y-%m-%d}: cycle {run.cycle}, {engine}, {outcome}")
            if not self.dry_run:
                delete_run(self.client, run.run_id)
        return len(expired), len(runs)

    def _versions(self, name: str) -> tuple[tuple[Version, ...], tuple[Version, ...]]:
        """The versions that have expired, and those that remain."""
        model = RegisteredModel.read(self.client, name)
        if model is None:
            return (), ()
        if self.dry_run or not self._expired(model):
            return self._told(model)
        with held_model(self.client, self.settings, name, "prune") as held:
            expired, remaining = self._told(held)
            for version in expired:
                held.delete(version.number)
        return expired, remaining

    def _expired(self, model: RegisteredModel) -> tuple[Version, ...]:
        # Otherwise later candidates have to beat those that were set aside, too.
        return expired_versions(model.versions, self.before) if self.settings.promotion.set_aside else ()

    def _told(self, model: RegisteredModel) -> tuple[tuple[Version, ...], tuple[Version, ...]]:
        expired = self._expired(model)
        for version in expired:
            created = f"{version.created:%Y-%m-%d}"
            self.told(f"version {version.number} of {version.model} of {created}: {version.set_aside}")
        return expired, tuple(version for version in model.versions if version not in expired)
