"""The gate between reading and fitting: refuses a table whose newest weeks are broken, or warns of it.

`train` calls `pass_through` with what its engine has read, `ratchet check` calls `judged` with its own rows.
"""

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import structlog

from ratchet.core.evaluation import feature_counts
from ratchet.core.evaluation.feature_counts import FeatureCounts
from ratchet.core.gate.day_counts import DayCounts
from ratchet.core.gate.findings import Finding
from ratchet.core.gate.own_bounds import OwnBounds, judge_own
from ratchet.core.gate.rules import judge
from ratchet.core.gate.since import judge_since
from ratchet.core.gate.weeks import Weeks
from ratchet.core.windows import Windows
from ratchet.engines.base import Engine
from ratchet.errors import ConfigurationError, DataError, FailedError
from ratchet.io.table.inspection import EventTable
from ratchet.settings import Settings
from ratchet.settings.data import Action

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from ratchet.io.records.version import Version

log = structlog.get_logger()

_LISTED = 3
_WRONG = {"numeric": ("unseen",), "categorical": ("min", "max"), "raw": ("min", "max", "unseen")}
"""Bounds that don't apply, by the kind of feature."""


def check_bounds(settings: Settings, table: EventTable) -> None:
    """Raises ConfigurationError for a bound on a column that is no feature, or of the other kind; reads no rows."""
    for name, bound in settings.data.bounds.items():
        if name not in table.features:
            near = get_close_matches(name, table.features) or list(table.features[:_LISTED])
            message = f"data.bounds names {name!r}, which is no feature of {table.uri}; features: {', '.join(near)}"
            raise ConfigurationError(message)
        kind = next(kind for kind in _WRONG if name in getattr(table, kind))
        if given := [field for field in _WRONG[kind] if getattr(bound, field) is not None]:
            message = f"data.bounds.{name}.{given[0]} does not apply: {name!r} is a {kind} feature of {table.uri}"
            raise ConfigurationError(message)


def pass_through(
    settings: Settings,
    engine: Engine,
    table: EventTable,
    windows: Windows,
    champion: Sequence[FeatureCounts] = (),
) -> tuple[str, ...]:
    """Judge what an engine has read; returns warnings, also logged.

    champion: the counts of the window that the champion was trained on. Raises DataError for what is refused.
    """

    def since() -> list[Finding]:
        return judge_since(champion, engine.count_features()[1], windows.test) if champion else []

    told = judged(settings, table, windows, engine.count_days, since)
    for warning in told:
        log.warning("data.warning", warning=warning)
    return told


def judged(
    settings: Settings,
    table: EventTable,
    windows: Windows,
    days: Callable[[], DayCounts],
    since: Callable[[], Sequence[Finding]] = list,
) -> tuple[str, ...]:
    """The warnings of all checks that are on; raises DataError for what is refused.

    days: counts the windows, if a check needs it. since: finds what has changed since the champion's training.
    """
    found = _found(settings, windows, days, since)
    refused = [one for one in found if one.severe and _action(settings, one) == "refuse"]
    for one in refused[1:]:
        log.error("gate.refused", because=one.sentence(table.uri))
    if refused:
        more = f"; {len(refused) - 1} more in the log" if len(refused) > 1 else ""
        message = f"{refused[0].sentence(table.uri)}; {refused[0].overruled_by}{more}"
        raise DataError(message)
    return tuple(_grouped(found, table.uri))


def _found(
    settings: Settings, windows: Windows, days: Callable[[], DayCounts], since: Callable[[], Sequence[Finding]]
) -> list[Finding]:
    data, every = settings.data, {"ignore"}
    actions = {*data.checks.model_dump().values(), *(bound.check or "refuse" for bound in data.bounds.values())}
    if actions == every:
        return []
    own = {name: OwnBounds(one.min, one.max, one.missing, one.unseen) for name, one in data.bounds.items()}
    weeks = Weeks(days(), windows)
    thinned = data.label.known_at is not None and settings.gap is None
    learnt = judge(weeks, thinned=thinned)
    said = {(one.check, one.feature) for one in learnt}
    learnt += [one for one in since() if (one.check, one.feature) not in said]
    found = [one for one in learnt if one.feature not in own or not own[one.feature].replaces(one.check)]
    return [one for one in (*judge_own(weeks, own), *found) if _action(settings, one) != "ignore"]


def champion_counts(client: "MlflowClient", versions: "Iterable[Version]") -> tuple[FeatureCounts, ...]:
    """The counts of the champion's training window; empty without a champion, or one of an older Ratchet's."""
    # `ratchet check` needs none of MLflow, which takes a second to import.
    from ratchet.io.records import candidates

    run = next((version.run_id for version in versions if version.champion), None)
    if run is None:
        return ()
    try:
        return feature_counts.from_csv(candidates.artifact(client, run, feature_counts.NAME).decode())
    except FailedError as error:
        # The comparison is a further look; a run without counts is no reason to train no more.
        log.info("gate.without_champion", because=str(error))
        return ()


def _action(settings: Settings, found: Finding) -> Action:
    bound = None if found.feature is None else settings.data.bounds.get(found.feature)
    if bound is not None and bound.check is not None:
        return bound.check
    action: Action = "refuse" if found.own else getattr(settings.data.checks, found.check)
    return action


def _grouped(found: Iterable[Finding], uri: str) -> list[str]:
    """A sentence for each check and span; of several features, the first has it, and the others are named."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for one in found:
        groups.setdefault((one.check, str(one.where)), []).append(one)
    return [own[0].sentence(uri) + _others(own[1:]) for own in groups.values()]


def _others(found: Sequence[Finding]) -> str:
    if not found:
        return ""
    names = ", ".join(repr(one.feature) for one in found[:_LISTED])
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return f"; so are {names}{more}" if len(found) > 1 else f"; so is {names}"
