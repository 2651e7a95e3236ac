"""Finds out which features the measured model rests on, and where it wins or loses against the champion.

Called by `jobs.training.train`, beside the model's logging. A failure is a warning: a model without an explanation is
as good as with one.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import structlog

from ratchet.core.evaluation.counts import Bools, Confusion
from ratchet.core.evaluation.disagreement import Disagreement, day_leads, disagreement
from ratchet.core.evaluation.explanation import Explanation
from ratchet.core.evaluation.importance import Importance, Permuted, importances, permutation
from ratchet.engines.base import Engine
from ratchet.errors import RatchetError, first_line
from ratchet.io.records.version import Version
from ratchet.jobs.training.rivals import Compared
from ratchet.settings import Settings

log = structlog.get_logger()

_RECORDED = "promotion.compare is recorded, so no version was scored on the candidate's rows"


def explain(
    settings: Settings, engine: Engine, versions: Sequence[Version], own: Confusion, compared: Compared
) -> Explanation:
    """The explanation of the engine's measured model; never raises an error.

    versions: all existing ones. own: the candidate's counts on the test rows.
    """
    champion = next((version for version in versions if version.champion), None)
    found = Explanation(version=None if champion is None else champion.number)
    try:
        if compared.champion is not None:
            found = replace(found, days=day_leads(own, compared.champion))
        if settings.evaluation.importance:
            found = _with_importance(settings, engine, champion, compared, found)
    except Exception as error:  # noqa: BLE001  # the trainer goes on, whatever failed
        log.warning("train.not_explained", reason=first_line(error))
        found = replace(found, failed=first_line(error))
    return found


def _with_importance(
    settings: Settings, engine: Engine, champion: Version | None, compared: Compared, found: Explanation
) -> Explanation:
    sample = _Sample(settings, engine)
    scored = engine.score_permuted(sample.columns, sample.permuted)
    found = replace(found, rows=sample.rows, candidate=sample.importances(scored))
    if champion is None:
        return found
    if compared.champion is None:
        notes = [rival.note for rival in compared.rivals if rival.champion]
        return replace(found, no_champion=next(filter(None, notes), _RECORDED))
    try:
        theirs = engine.score_permuted(sample.columns, sample.permuted, champion.files)
    except RatchetError as error:
        log.warning("train.champion_not_explained", version=champion.number, reason=str(error))
        return replace(found, no_champion=str(error))
    first = int(compared.champion.day[0])
    return replace(
        found,
        champion=sample.importances(theirs, first),
        disagreement=sample.disagreement(scored, theirs, first),
    )


class _Sample:
    """Drawn test rows, and the same rows in the order of the permutation."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        drawn = engine.draw(settings.evaluation.importance_rows)
        self.columns, self._day, self._label = drawn.columns, drawn.day, drawn.label
        self.permuted = self.columns.take(permutation(self.rows, settings.seed)).reset_index(drop=True)

    @property
    def rows(self) -> int:
        return len(self._day)

    def importances(self, scored: Permuted, first: int | None = None) -> tuple[Importance, ...]:
        """Of a model's features, on the rows from the day `first` on."""
        kept = self._since(first)
        some = Permuted(scored.features, scored.labels[:, kept], scored.scores[:, kept])
        samples = self._settings.evaluation.bootstrap_samples
        return importances(self._day[kept], self._label[kept], some, samples, self._settings.seed)

    def disagreement(self, own: Permuted, theirs: Permuted, first: int) -> Disagreement:
        """Of the two models on these rows, by the candidate's features."""
        kept = self._since(first)
        columns = {name: self.columns[name].to_numpy()[kept] for name in own.features}
        return disagreement(columns, self._label[kept], own.labels[0, kept], theirs.labels[0, kept])

    def _since(self, first: int | None) -> Bools:
        return np.ones(self.rows, dtype=np.bool_) if first is None else self._day >= first
