"""What a registrar says of a candidate.

`jobs.promotion.register` makes it, a cycle reads it off the registrar's events, `tables` prints it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# The metrics that a table of results shows, by the heads of their columns.
MEASURES = {"F1": "f1", "precision": "precision", "recall": "recall", "ROC AUC": "roc_auc", "threshold": "threshold"}


@dataclass(frozen=True)
class Result:
    """What became of an engine's candidate in a cycle.

    model: the registered model. cycle, run_id, report: None where there is no candidate. version: the number that the
    candidate got, None where it got none. metrics: of the test window.
    """

    engine: str
    model: str
    cycle: str | None
    outcome: Literal["promoted", "staged", "held", "missing"]
    reason: str
    version: int | None = None
    run_id: str | None = None
    metrics: Mapping[str, float] | None = None
    report: str | None = None
