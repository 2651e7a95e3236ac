"""A candidate under decision: its run, its locked registered model, and the deciding verb.

`decision.json` persists the decision. It is written before the version is created; the next process reads it back, so a
candidate that has become a version is never judged again.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from mlflow.tracking import MlflowClient

from ratchet.core.decision import Decision, Outcome
from ratchet.core.moments import now
from ratchet.core.objective import VALUE_TAG
from ratchet.errors import FailedError
from ratchet.io.records import candidates, process_identity
from ratchet.io.records.candidates import Candidate
from ratchet.io.records.registered_model import RegisteredModel
from ratchet.io.records.version import DECISION, MEASURED_URI, MOVE, REASON, REFIT, SERVES, STAGED, Version
from ratchet.jobs.promotion.judging import judge
from ratchet.jobs.promotion.results import Result
from ratchet.settings import Settings

_COPIED_TAGS = ("ratchet.cycle", "ratchet.engine", "ratchet.as_of", "ratchet.test_from", "ratchet.test_until")


def by(verb: str) -> str:
    """The author of a decision, such as `ratchet register by ann@laptop`."""
    return f"ratchet {verb} by {process_identity.who()}"


def held_model(
    client: MlflowClient, settings: Settings, name: str, verb: str
) -> AbstractContextManager[RegisteredModel]:
    """A registered model, locked for a verb. Raises TemporaryError if another process holds the lock for too long."""
    return RegisteredModel.held(client, name, settings.promotion.lock_seconds, by(verb))


@dataclass(frozen=True)
class Case:
    """A candidate and its registered model. verb: the `ratchet` verb that decides."""

    model: RegisteredModel
    candidate: Candidate
    verb: str

    @classmethod
    def of(cls, model: RegisteredModel, run_id: str, verb: str) -> "Case":
        """Read the candidate under the lock, since it may have been decided on while this process waited for it."""
        return cls(model, candidates.read(model.client, run_id), verb)

    @property
    def own(self) -> Version | None:
        """The version that the registrar has created from the candidate; None if there is none."""
        return self.model.made_from(self.candidate.run_id)

    def judged(self, settings: Settings) -> Decision:
        """Decide on the candidate against the current versions."""
        compared = candidates.rivals(self.model.client, self.candidate)
        others = [version for version in self.model.versions if version.run_id != self.candidate.run_id]
        earlier = candidates.earlier_cycles(self.model.client, settings.model, self.candidate)
        # One request that only guardrails need.
        guarded = candidates.guarded(self.model.client, self.candidate) if settings.promotion.guardrails else ()
        decision = judge(self.candidate, compared, others, settings.promotion, guarded).after(len(earlier))
        if decision.promoted and (served := self.candidate.tags.get(REFIT)):
            decision = replace(decision, reason=f"{decision.reason}; {served}")
        tried_first = settings.promotion.validation or settings.promotion.approval == "manual"
        return replace(decision, outcome="staged") if decision.promoted and tried_first else decision

    def decided(self, own: Version) -> Decision:
        """The decision recorded when its version was created."""
        return self._parsed(candidates.read_decision(self.model.client, self.candidate), own)

    def recorded(self) -> Decision | None:
        """The decision in the candidate's record; None if there is none that can be read."""
        try:
            record = candidates.read_decision(self.model.client, self.candidate)
            return Decision.from_record(record, f"the run {self.candidate.run_id}")
        except FailedError:
            return None

    def with_version(self, decision: Decision, settings: Settings) -> Decision:
        """Create the candidate's version after recording the decision; returns the decision with the number."""
        candidates.write_decision(self.model.client, self.candidate, decision, self._about(settings))
        candidate = self.candidate
        tags = {
            DECISION: decision.outcome,
            REASON: decision.reason,
            "ratchet.f1": repr(decision.f1),
            **_objective_tags(decision),
            **{key: candidate.tag(key) for key in _COPIED_TAGS},
            **{key: candidate.tags[key] for key in (SERVES, MEASURED_URI) if key in candidate.tags},
            **self._last_tag(decision),
        }
        evidence = f"[The report]({candidate.page}) lies at `{candidate.report}`."
        description = f"{decision.reason}.\n\nCycle {candidate.cycle}. {evidence}"
        model_uri = candidate.tag("ratchet.model_uri")
        number = self.model.create(candidate.run_id, model_uri, tags=tags, description=description)
        return replace(decision, version=number)

    def record(self, decision: Decision, settings: Settings) -> None:
        """Write a decision to the candidate's run, the tags last."""
        candidates.record(self.model.client, self.candidate, decision, self._about(settings))

    def conclude(self, own: Version, outcome: Outcome, reason: str) -> None:
        """Write the final decision on a version, first to the version, then to its run; under the lock."""
        self.model.check()
        if outcome == "promoted" and own.move is None:
            self.model.begin(own.number, self.model.next_move(by(self.verb), reason))
        self.model.decide(own.number, outcome, reason)
        self.rewrite(own, outcome, reason)
        self.model.check()
        self.model.settle()

    def rewrite(self, own: Version, outcome: Outcome, reason: str) -> None:
        """Write the outcome of its version to the candidate's run; the rest of the decision stays unchanged."""
        record = candidates.read_decision(self.model.client, self.candidate)
        decision = replace(self._parsed(record, own), outcome=outcome, reason=reason)
        candidates.record(self.model.client, self.candidate, decision, {**record, **_signature()})

    def result(self, outcome: Outcome, reason: str, version: int | None, **facts: Any) -> Result:
        """The result for the candidate. facts: `champion` and `rolled_back`, as in `Result`."""
        candidate = self.candidate
        return Result(
            engine=candidate.engine,
            model=self.model.name,
            cycle=candidate.cycle,
            outcome=outcome,
            reason=reason,
            version=version,
            run_id=candidate.run_id,
            metrics=candidate.metrics,
            report=candidate.report,
            **facts,
        )

    def _parsed(self, record: Mapping[str, Any], own: Version) -> Decision:
        return replace(Decision.from_record(record, f"the run {self.candidate.run_id}"), version=own.number)

    def _last_tag(self, decision: Decision) -> dict[str, str]:
        """The tag that marks the version as the registrar's: that it is staged, or its move to `champion`."""
        if decision.outcome == "staged":
            return {STAGED: now()}
        return {MOVE: self.model.next_move(by(self.verb), decision.reason).to_tag()}

    def _about(self, settings: Settings) -> Mapping[str, Any]:
        return {"model": self.model.name, "promotion": settings.promotion.model_dump(mode="json"), **_signature()}


def _objective_tags(decision: Decision) -> Mapping[str, str]:
    achieved = decision.achieved
    return {} if achieved is None else {**achieved.objective.tags(), VALUE_TAG: repr(achieved.value)}


def _signature() -> Mapping[str, str]:
    return {"decided_by": process_identity.who(), "decided_at": now()}
