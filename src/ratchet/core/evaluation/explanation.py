"""Why a model says what it does, and where it differs from the champion: what a trainer found, for the report."""

from dataclasses import dataclass

from ratchet.core.evaluation.disagreement import DayLeads, Disagreement
from ratchet.core.evaluation.importance import Importance


@dataclass(frozen=True)
class Explanation:
    """Each part is empty or None if it is unknown.

    rows: drawn test rows, on which all but `days` was measured. candidate, champion: the importance of the features,
    the greatest in F1 first. version: the champion's number. days: all test rows, by day. failed: why the candidate's
    importance is unknown, no_champion: why the champion's is; clauses, empty if it is known or was not asked for.
    """

    rows: int = 0
    candidate: tuple[Importance, ...] = ()
    champion: tuple[Importance, ...] = ()
    version: int | None = None
    days: DayLeads | None = None
    disagreement: Disagreement | None = None
    failed: str = ""
    no_champion: str = ""

    def by_model(self) -> dict[str, tuple[Importance, ...]]:
        """The importance by model, `candidate` and `champion`, of those for which it is known."""
        found = {"candidate": self.candidate, "champion": self.champion}
        return {model: rows for model, rows in found.items() if rows}
