"""Decides which of a candidate's two models is to serve, and logs both.

Called by `jobs.training.train`. The measured model has not seen the newest rows, so it can be compared with others; the
refitted one has learnt from them. Comparisons use the measured models of both sides.
"""

from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date

from ratchet.core.decision import decide
from ratchet.engines.base import Engine, Role
from ratchet.io.records.version import MEASURED_URI, REFIT, SERVES
from ratchet.jobs.training.rivals import Compared
from ratchet.settings import Promotion


@dataclass(frozen=True)
class Served:
    """The model that a version is made from.

    uri: its address. measured_uri: that of the measured model, which may be the same. flips: the share of test rows
    that the two models label differently, None if there is one model. why: a clause for the decision's sentence; empty
    if refitting is off.
    """

    role: Role
    uri: str
    measured_uri: str
    flips: float | None
    why: str

    def tags(self) -> dict[str, str]:
        """What its run and its version record."""
        return {SERVES: self.role, MEASURED_URI: self.measured_uri, **({REFIT: self.why} if self.why else {})}


def worthwhile(compared: Compared, f1: float, f1_all_positive: float, promotion: Promotion) -> bool:
    """Whether the candidate's F1 would promote it as things stand: only such a candidate is worth a second fit.

    The registrar decides later, perhaps against other versions. Of a candidate that it promotes against this
    expectation, the measured model serves.
    """
    basis = "recorded" if promotion.compare == "recorded" else "same_rows"
    rivals = [rival for rival in compared.rivals if rival.basis == basis]
    return decide(f1, f1_all_positive, rivals, promotion.confidence, achieved=compared.achieved).promoted


def measured(logged: Future[str], *, expected: bool) -> Served:
    """The measured model serves. expected: whether refitting is on."""
    why = "the measured model serves: no promotion was expected when it was trained" if expected else ""
    uri = logged.result()
    return Served("measured", uri, uri, None, why)


def refitted(engine: Engine, flips: float, as_of: date, most_flips: float, logged: Future[str]) -> Served:
    """Log the engine's refitted model, and return the model that serves. logged: the measured model's address."""
    # One after the other: MLflow's logging of a model is not safe in two threads at once.
    measured_uri = logged.result()
    if flips > most_flips:
        differs = f"refitted, it labels {flips:.1%} of the test rows differently, and {most_flips:.1%} are accepted"
        return Served("measured", measured_uri, measured_uri, flips, f"the measured model serves: {differs}")
    why = f"what serves is refitted on all rows before {as_of}"
    return Served("refitted", engine.log_model("refitted"), measured_uri, flips, why)
