"""The sentences of a decision: what was compared with what, in one sentence for people.

`core.decision` joins them. `own` is what the candidate achieved, `ranked` its rivals, the hardest first. Imports only
the standard library.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from math import floor

from ratchet.core.objective import F1, Achieved, Objective
from ratchet.core.rival import Rival

_FEWEST_DIGITS = 3
_MOST_DIGITS = 17
# More consecutive versions are written as a range.
_LISTED = 2
# Products such as 0.29 * 1000 can be slightly below 290; without this they would lose a tenth of a per cent.
_ROUNDING = 1e-9


def unknown(versions: Sequence[int], objective: Objective) -> str:
    """An existing version has no value, neither measured nor recorded. versions: the numbers of such ones."""
    first, remedy = min(versions), ", or give it the tag ratchet.f1" if objective == F1 else ""
    return (
        f"version {first} can be neither scored nor found with a recorded {objective.name}, so nothing can be shown to"
        f" be better; delete the version in MLflow{remedy}"
    )


def trivial(own: Achieved, ranked: Sequence[Rival]) -> str:
    """The candidate is no better than what needs no model."""
    value, trivial = _shown(own.objective, own.value, own.constant)
    word = "ties with" if own.value == own.constant else "is not better than"
    first = "" if ranked else ", and there is no version yet"
    return f"{own.objective.said(value)} {word} {own.objective.constant} ({trivial}){first}"


def trivial_champion(own: Achieved, ranked: Sequence[Rival]) -> str:
    """A remark, if the champion is no better than what needs no model; else nothing."""
    champion = next((rival for rival in ranked if rival.champion and rival.basis == "same_rows"), None)
    if champion is None or champion.value > own.constant:
        return ""
    value, trivial = _shown(own.objective, champion.value, own.constant)
    which = f"the champion, version {champion.version} ({value}),"
    return f"; {which} is no better than {own.objective.constant} ({trivial})"


def champion_unscored(ranked: Sequence[Rival], objective: Objective) -> str:
    """A remark, if the champion could not be scored on these rows; else nothing."""
    champion = next((rival for rival in ranked if rival.champion and rival.basis == "recorded" and rival.note), None)
    if champion is None:
        return ""
    counts = f"so recorded {objective.name} counts"
    return f"the champion, version {champion.version}, was not scored on these rows, {counts}; "


def left_out(how: str, versions: Mapping[int, str]) -> str:
    """A remark on versions that do not count, if any. how: what was done with them."""
    if not versions:
        return ""
    return f"; {how}: version{'s' if len(versions) > 1 else ''} {', '.join(_ranges(sorted(versions)))}"


def _ranges(numbers: Sequence[int]) -> list[str]:
    """Ascending numbers as text; three or more consecutive ones as a range."""
    groups = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    runs = ([number for _, number in group] for _, group in groups)
    return [text for run in runs for text in ([f"{run[0]} to {run[-1]}"] if len(run) > _LISTED else map(str, run))]


def first(own: Achieved, *, any_others: bool) -> str:
    """The candidate meets no rival. any_others: whether there are versions that do not count."""
    value, trivial = _shown(own.objective, own.value, own.constant)
    what = "meets no version that counts" if any_others else "is that of the first version"
    return f"{own.objective.said(value)} {what}, and {own.objective.constant} has {trivial}"


def older(own: Achieved, newer: str) -> str:
    """newer: the part that names the version whose data the candidate's are not newer than."""
    return f"{own.objective.said(f'{own.objective.shown(own.value):.3f}')} decides nothing: {newer}"


def against(own: Achieved, ranked: Sequence[Rival], probability: float | None, asked: float | None) -> str:
    """The candidate beside its hardest rival, the first. asked: the probability that it doesn't reach, if so."""
    best, objective = ranked[0], own.objective
    value = best.own(own.value)
    shown, other = _shown(objective, value, best.value)
    difference = _difference(objective.shown(value), objective.shown(best.value))
    comparison = f"{_named(best, len(ranked), objective)} ({other}{difference}{_chance(probability)})"
    word = "beats" if value > best.value else "ties with" if value == best.value else objective.is_worse
    but = ""
    if asked is not None:
        but = f", but a probability of {_percent(asked)} is asked for"
        but += ", and without versions on the same rows none is known" if probability is None else ""
    return f"{objective.said(shown)} {word} {comparison}{but}{_recorded(ranked, objective)}"


def _named(best: Rival, existing: int, objective: Objective) -> str:
    which = f"version {best.version}" if existing == 1 else f"version {best.version}, the best of {existing} versions,"
    if best.fewer_days:
        return f"{which} on those of the rows that it has not learnt from"
    return f"{which} on the same rows" if best.basis == "same_rows" else f"{which} by its recorded {objective.name}"


def _difference(candidate: float, other: float) -> str:
    if candidate == other:
        return ""
    digits = max(len(number.partition(".")[2]) for number in numbers(candidate, other))
    return f", difference {candidate - other:+.{digits}f}"


def _chance(probability: float | None) -> str:
    return "" if probability is None else f"; better on days like these with a probability of {_percent(probability)}"


def _recorded(ranked: Sequence[Rival], objective: Objective) -> str:
    by_record = sorted((rival for rival in ranked if rival.basis == "recorded"), key=lambda rival: rival.version)
    if not by_record or (len(by_record) == len(ranked) and not any(rival.note for rival in ranked)):
        return ""
    notes: dict[str, list[str]] = {}
    for rival in by_record:
        notes.setdefault(rival.note.rstrip("."), []).append(str(rival.version))
    parts = (f"{', '.join(versions)}{f' ({note})' if note else ''}" for note, versions in notes.items())
    counted = "version" if len(by_record) == 1 else "versions"
    return f"; counted by recorded {objective.name}: {counted} {', '.join(parts)}"


def _shown(objective: Objective, first: float, second: float) -> tuple[str, str]:
    return numbers(objective.shown(first), objective.shown(second))


def numbers(first: float, second: float) -> tuple[str, str]:
    """Both numbers with three digits, or as many as are needed to distinguish them."""
    for digits in range(_FEWEST_DIGITS, _MOST_DIGITS):
        texts = f"{first:.{digits}f}", f"{second:.{digits}f}"
        if first == second or texts[0] != texts[1]:
            return texts
    return repr(first), repr(second)


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, …"""
    teens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _percent(share: float) -> str:
    """A share in per cent, rounded down, so that a share just below a bound does not appear to reach it."""
    return f"{floor(share * 1000 + _ROUNDING) / 10:g} %"
