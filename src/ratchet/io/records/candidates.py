"""The runs that the registrar decides on: finds them, reads their evidence, writes the decision to them.

`jobs.promotion.register` and `jobs.show` are the callers.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlflow.entities import Run, RunTag
from mlflow.tracking import MlflowClient

from ratchet.core import cycle_ids, guardrail
from ratchet.core.decision import Decision, Outcome
from ratchet.core.guardrail import GuardrailResult
from ratchet.core.objective import TAG as OBJECTIVE
from ratchet.core.objective import Objective
from ratchet.core.rival import Rival
from ratchet.errors import FailedError
from ratchet.report.decision_section import with_decision

REPORT = "report.html"
COMPARISON = "comparison.csv"
DECISION = "decision.json"

_MOST_EARLIER = 1_000
_TRUE = ("ratchet.complete", "ratchet.verified")
_COMPLETE = " and ".join([*(f"tags.`{tag}` = 'true'" for tag in _TRUE), "attributes.status = 'FINISHED'"])


@dataclass(frozen=True)
class Candidate:
    """A finished, complete and verified run. metrics: the last value of each, except those by day."""

    run_id: str
    experiment: str
    engine: str
    cycle: str
    artifact_uri: str
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    created: datetime

    @property
    def outcome(self) -> Outcome | None:
        """The decision on it; None if the registrar has not decided."""
        match self.tags.get("ratchet.decision"):
            case "promoted":
                return "promoted"
            case "staged":
                return "staged"
            case "held":
                return "held"
        return None

    @property
    def objective(self) -> Objective:
        """What it was trained and measured for."""
        return Objective.from_tag(self.tags.get(OBJECTIVE), f"the run {self.run_id}")

    @property
    def report(self) -> str:
        """The address of its report."""
        return f"{self.artifact_uri}/{REPORT}"

    @property
    def page(self) -> str:
        """The report's path within MLflow's UI, independent of its address."""
        return report_page(self.experiment, self.run_id)

    @property
    def test_window(self) -> tuple[str | None, str | None]:
        """First day and end of its test rows."""
        return self.tags.get("ratchet.test_from"), self.tags.get("ratchet.test_until")

    def shares_rows_with(self, other: "Candidate") -> bool:
        """Whether the test windows have days in common."""
        (start, end), (their_start, their_end) = self.test_window, other.test_window
        if start is None or end is None or their_start is None or their_end is None:
            return False
        return start < their_end and their_start < end

    def metric(self, name: str) -> float:
        """A metric of the run; raises FailedError if the trainer did not log it."""
        if name not in self.metrics:
            message = f"the run {self.run_id} has no metric {name}; train again"
            raise FailedError(message)
        return self.metrics[name]

    def tag(self, name: str) -> str:
        """A tag of the run; raises FailedError if the trainer did not set it."""
        if name not in self.tags:
            message = f"the run {self.run_id} has no tag {name}; train again"
            raise FailedError(message)
        return self.tags[name]


@dataclass(frozen=True)
class Candidates:
    """The candidates of a model. experiment: the name of the experiment with its runs."""

    client: MlflowClient
    experiment: str
    model: str

    def newest_cycle(self) -> str | None:
        """The cycle of the newest candidate of any engine; None if there is no candidate."""
        found = self._newest(_COMPLETE)
        return None if found is None else found.data.tags.get("ratchet.cycle")

    def newest(self, engine: str, cycle: str | None = None) -> Candidate | None:
        """The newest candidate of an engine, of one cycle or of any; None if there is none."""
        found = self._newest(f"{_of(engine, cycle)} and {_COMPLETE}")
        return None if found is None else candidate_of(found)

    def newest_of_watch(self, engine: str) -> Candidate | None:
        """The newest decided candidate of an engine in a cycle that a watch started; None if there is none."""
        started = f"tags.`ratchet.cycle` LIKE '{cycle_ids.WATCHED}%' and tags.`ratchet.decision` LIKE '%'"
        found = self._newest(f"{_of(engine, None)} and {started} and {_COMPLETE}")
        return None if found is None else candidate_of(found)

    def missing(self, engine: str, cycle: str) -> "Missing":
        """Why an engine has no candidate in a cycle."""
        run = self._newest(_of(engine, cycle))
        if run is None:
            return Missing(f"the cycle {cycle} has no run of {engine}", begun=False)
        label = f"the newest run of {engine} in the cycle {cycle}, {run.info.run_id},"
        return Missing(f"{label} {_why_no_candidate(run)}", begun=True)

    def _newest(self, wanted: str) -> Run | None:
        experiment = self.client.get_experiment_by_name(self.experiment)
        if experiment is None:
            return None
        of_model = f"tags.`ratchet.model` = '{self.model}' and {wanted}"
        runs = self.client.search_runs(
            [experiment.experiment_id], of_model, order_by=["attributes.start_time DESC"], max_results=1
        )
        return runs[0] if runs else None


@dataclass(frozen=True)
class Missing:
    """Why there is no candidate, in one sentence. begun: whether there is a run at all."""

    reason: str
    begun: bool


def _why_no_candidate(run: Run) -> str:
    if run.info.status != "FINISHED":
        return f"is {run.info.status}, not FINISHED"
    if run.data.tags.get("ratchet.verified") != "true":
        return "is not verified: its logged model did not label the sampled rows as the trainer did"
    return "is not complete"


def run_page(experiment: str, run_id: str) -> str:
    """A run's path within MLflow's UI. experiment: its id."""
    return f"#/experiments/{experiment}/runs/{run_id}"


def report_page(experiment: str, run_id: str) -> str:
    """The path of a run's report."""
    return f"{run_page(experiment, run_id)}/artifacts/{REPORT}"


def earlier_cycles(client: MlflowClient, model: str, candidate: Candidate) -> frozenset[str]:
    """The other cycles that measured an earlier candidate of the engine on some of the candidate's test rows.

    One request, which reads the newest 1,000 runs: MLflow compares tags for equality only, not by order.
    """
    before = f"attributes.start_time < {candidate.created.timestamp() * 1000:.0f}"
    wanted = f"tags.`ratchet.model` = '{model}' and {_of(candidate.engine, None)} and {_COMPLETE} and {before}"
    runs = client.search_runs(
        [candidate.experiment], wanted, order_by=["attributes.start_time DESC"], max_results=_MOST_EARLIER
    )
    others = (candidate_of(run) for run in runs)
    return frozenset(one.cycle for one in others if one.cycle != candidate.cycle and candidate.shares_rows_with(one))


def read(client: MlflowClient, run_id: str) -> Candidate:
    """A candidate as it is now."""
    return candidate_of(client.get_run(run_id))


def rivals(client: MlflowClient, candidate: Candidate) -> tuple[Rival, ...]:
    """The rows of the candidate's comparison.csv; raises FailedError where it has none."""
    return Rival.from_csv(artifact(client, candidate.run_id, COMPARISON).decode("utf-8"))


def guarded(client: MlflowClient, candidate: Candidate) -> tuple[GuardrailResult, ...]:
    """The rows of the candidate's guardrails.csv; none if its trainer had no guardrails."""
    if not _has(client, candidate.run_id, guardrail.NAME):
        return ()
    return GuardrailResult.from_csv(artifact(client, candidate.run_id, guardrail.NAME).decode("utf-8"))


def read_decision(client: MlflowClient, candidate: Candidate) -> Mapping[str, Any]:
    """The content of the candidate's decision.json; raises FailedError if it is absent or unreadable."""
    text = artifact(client, candidate.run_id, DECISION).decode("utf-8")
    try:
        return dict(json.loads(text))
    except (TypeError, ValueError) as error:
        message = f"decision.json of the run {candidate.run_id} can't be read: {text[:100]!r}; train again"
        raise FailedError(message) from error


def write_decision(client: MlflowClient, candidate: Candidate, decision: Decision, about: Mapping[str, Any]) -> None:
    """Write decision.json to the candidate's run.

    about: its content besides the decision and the candidate: the model, who decided, when, with which settings.
    """
    of_candidate = {
        "engine": candidate.engine,
        "cycle": candidate.cycle,
        "run_id": candidate.run_id,
        "as_of": candidate.tags.get("ratchet.as_of"),
        "test_from": candidate.test_window[0],
        "test_until": candidate.test_window[1],
        "metrics": dict(sorted(candidate.metrics.items())),
    }
    decided = decision.to_record()
    content = {**decided, **of_candidate, **about, **decided}  # it comes first, and wins over an earlier one in `about`
    _write(client, candidate, DECISION, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def record(client: MlflowClient, candidate: Candidate, decision: Decision, about: Mapping[str, Any]) -> None:
    """Write a decision to its run: decision.json, the report's section, and last the tags, in one request.

    about: as for `write_decision`.
    """
    write_decision(client, candidate, decision, about)
    report = artifact(client, candidate.run_id, REPORT).decode("utf-8")
    _write(client, candidate, REPORT, with_decision(report, decision, about["model"]))
    tags = {"ratchet.decision": decision.outcome, "ratchet.reason": decision.reason}
    client.log_batch(candidate.run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def _of(engine: str, cycle: str | None) -> str:
    of_engine = f"tags.`ratchet.engine` = '{engine}'"
    return of_engine if cycle is None else f"{of_engine} and tags.`ratchet.cycle` = '{cycle}'"


def is_complete(run: Run) -> bool:
    """Whether a run is a candidate: finished, complete and verified."""
    return run.info.status == "FINISHED" and all(run.data.tags.get(tag) == "true" for tag in _TRUE)


def candidate_of(run: Run) -> Candidate:
    """A trainer's run as a candidate."""
    metrics = {name: value for name, value in run.data.metrics.items() if not name.startswith("rolling_")}
    tags = run.data.tags
    return Candidate(
        run_id=run.info.run_id,
        experiment=run.info.experiment_id,
        engine=tags["ratchet.engine"],
        cycle=tags["ratchet.cycle"],
        artifact_uri=run.info.artifact_uri,
        metrics=metrics,
        tags=tags,
        created=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
    )


def artifact(client: MlflowClient, run_id: str, name: str) -> bytes:
    """The content of a run's artifact; raises FailedError where it has none of that name."""
    if not _has(client, run_id, name):
        message = f"the run {run_id} has no {name}; train again"
        raise FailedError(message)
    with tempfile.TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run_id, name, folder)).read_bytes()


def _has(client: MlflowClient, run_id: str, name: str) -> bool:
    return any(file.path == name for file in client.list_artifacts(run_id))


def _write(client: MlflowClient, candidate: Candidate, name: str, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_text(text, encoding="utf-8")
        client.log_artifact(candidate.run_id, str(file))
