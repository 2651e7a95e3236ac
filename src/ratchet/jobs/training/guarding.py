"""Looks at a candidate slice by slice, beside the champion, and holds the guardrails against what it finds.

Called by `jobs.training.train`, only if there are slices or guardrails. The registrar reads the results.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from ratchet.core.evaluation.counts import Counts
from ratchet.core.guardrail import GuardrailResult, why_held
from ratchet.engines.base import Engine
from ratchet.errors import RatchetError
from ratchet.io.records.version import Version
from ratchet.jobs.training import rivals
from ratchet.settings import Settings

if TYPE_CHECKING:
    from ratchet.core.evaluation.guardrails import Measurements, SliceRow

log = structlog.get_logger()


@dataclass(frozen=True)
class Guarded:
    """The groups of the slices, worst first, and the guardrails' results. version: the champion's number.

    why: the reason why the champion is not beside them; empty if it is.
    """

    rows: Sequence["SliceRow"] = ()
    results: Sequence[GuardrailResult] = ()
    version: int | None = None
    why: str = ""

    def why_held(self, settings: Settings) -> str | None:
        """Why the registrar will hold the candidate, if the champion stays; None if it will not."""
        return why_held(self.results, [one.text for one in settings.promotion.guardrails], self.version)


def guard(settings: Settings, engine: Engine, versions: Sequence[Version], counts: Counts, threshold: float) -> Guarded:
    """Measure the candidate's slices beside the champion's. counts, threshold: as the candidate labels the test rows.

    A champion that can't be measured is not beside them, with the reason.
    """
    if not settings.evaluation.slices and not settings.promotion.guardrails:
        return Guarded()
    from ratchet.core.evaluation import guardrails
    from ratchet.core.evaluation.metrics import metrics

    found = _measured(settings, engine, versions, counts, threshold)
    samples, seed, promotion = settings.evaluation.bootstrap_samples, settings.seed, settings.promotion
    whole: Mapping[str, float] = metrics(counts, threshold)
    return Guarded(
        guardrails.slice_rows(found, samples, seed, promotion.objective),
        guardrails.results(promotion.guardrails, found, whole, samples, seed, promotion.objective),
        found.version,
        found.why,
    )


def _measured(
    settings: Settings, engine: Engine, versions: Sequence[Version], counts: Counts, threshold: float
) -> "Measurements":
    from ratchet.core.evaluation.guardrails import Measurements

    slices = settings.evaluation.sliced
    own, confusion = engine.count_slices(slices), counts.confusion(threshold)
    champion = next((version for version in versions if version.champion), None)
    first = int(confusion.day[0])
    if champion is None:
        return Measurements(own.groupings, own.sums, None, None, first, "there is no champion")
    since = rivals.first_day(champion, confusion)
    why = rivals.learnt_from(confusion, {champion.number: since}, settings.promotion.common_days)
    if why:
        return Measurements(own.groupings, own.sums, None, champion.number, first, why[champion.number])
    try:
        theirs = engine.count_slices(slices, champion.files)
    except RatchetError as error:
        log.warning("train.champion_not_sliced", version=champion.number, reason=str(error))
        return Measurements(own.groupings, own.sums, None, champion.number, first, str(error))
    return Measurements(own.groupings, own.sums, theirs.sums, champion.number, since, "")
