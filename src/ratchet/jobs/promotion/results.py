"""The registrar's result for a candidate.

`jobs.promotion.register` creates it, a cycle reads it from the registrar's events, `tables` prints it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# The metrics in a table of results, by column header.
MEASURES = {"F1": "f1", "precision": "precision", "recall": "recall", "ROC AUC": "roc_auc", "threshold": "threshold"}


@dataclass(frozen=True)
class Result:
    """The outcome for an engine's candidate in a cycle.

    model: the registered model. cycle, run_id, report: None if there is no candidate. version: the candidate's number,
    None if it has none. metrics: on the test window. skipped: the newest cycle did not train this engine. champion:
    version and F1, with its interval, of the champion on the same rows; None if it was not compared there.
    rolled_back: its servers were rolled back.
    """

    engine: str
    model: str
    cycle: str | None
    outcome: Literal["promoted", "staged", "held", "missing", "skipped"]
    reason: str
    version: int | None = None
    run_id: str | None = None
    metrics: Mapping[str, float] | None = None
    report: str | None = None
    champion: Mapping[str, float | None] | None = None
    rolled_back: bool = False
