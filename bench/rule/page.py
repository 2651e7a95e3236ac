"""The page docs/rule.md: its text is `page.md`, every number of it comes from the run."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
from bench.rule.power import BASE_RATE, CONFIDENCE, DAYS, F1, LEADS, ROWS_A_DAY, VERSIONS, Power
from bench.rule.results import REFERENCE, Result
from bench.rule.rules import MEANINGS, RULES, f1_recorded
from bench.rule.worlds import WORLDS

_TEMPLATE = Path(__file__).with_name("page.md")
_SHOWN = ("lower", "no difference shown", "higher")


def page(results: Sequence[Result], flights: Result, found: Sequence[Power], months: int) -> str:
    """The whole page. found: of so many simulated months each, with the flights' noise."""
    rates, f1s = _months(flights)
    by_number = {(one.lead, one.versions): one for one in found}
    return _TEMPLATE.read_text(encoding="utf-8").format(
        worlds="\n".join(
            f"- *{one.world}*: {WORLDS[one.world].meaning}; {one.decisions} decisions." for one in results
        ),
        rules="\n".join(f"- *{rule}*: {meaning}." for rule, meaning in MEANINGS.items()),
        correlation=np.corrcoef(rates, f1s)[0, 1],
        months=_months_table(flights, rates, f1s),
        tables=tables(results),
        record=_verdict(results, "by record"),
        champion=_verdict(results, "champion"),
        confident=_verdict(results, f"all, {CONFIDENCE:g}"),
        newest=_verdict(results, "newest"),
        first=_verdict(results, "first"),
        power=_power_table(by_number),
        noise=flights.noise(),
        simulated=months,
        **_setting(),
        versions_most=VERSIONS[-1],
        few=by_number[LEADS[1], VERSIONS[0]].promoted,
        many=by_number[LEADS[1], VERSIONS[-1]].promoted,
        equal=by_number[LEADS[0], VERSIONS[0]].promoted,
        equal_many=by_number[LEADS[0], VERSIONS[-1]].promoted,
        refit=refit_table(results),
        refitted=_refit_verdict(results),
        most_flips=max(one.flips()[2] for one in results),
    )


def tables(results: Sequence[Result]) -> str:
    """F1 in the next period by world and rule, and the differences from the reference."""
    others = [rule for rule in RULES if rule != REFERENCE]
    f1 = ([one.world, *(f"{one.f1(rule, 'measured'):.3f} ({one.promoted(rule)})" for rule in RULES)] for one in results)
    apart = ([one.world, *(str(one.against_reference(rule, "measured")) for rule in others)] for one in results)
    return "\n\n".join(
        [
            "F1 in the next period (in brackets: candidates promoted):",
            _table(["world", *RULES], f1),
            f"The difference from *{REFERENCE}* in the same periods:",
            _table(["world", *others], apart),
        ]
    )


def refit_table(results: Iterable[Result]) -> str:
    """What refitting brought under the reference rule, and how many labels it changed."""
    head = ["world", "measured", "refitted", "difference", "better in", "labels changed: least, median, most"]
    rows = []
    for one in results:
        gain, flips = one.against_reference(REFERENCE, "refitted"), one.flips()
        before, after = (f"{one.f1(REFERENCE, way):.3f}" for way in ("measured", "refitted"))
        changed = ", ".join(f"{share:.1%}" for share in flips)
        rows.append([one.world, before, after, str(gain), f"{gain.better} of {gain.periods}", changed])
    return _table(head, rows)


def _months(flights: Result) -> tuple[list[float], list[float]]:
    (history,) = flights.histories
    return [one.counts.positives / one.counts.total for one in history], [f1_recorded(one) for one in history]


def _months_table(flights: Result, rates: Sequence[float], f1s: Sequence[float]) -> str:
    (history,) = flights.histories
    shown = ("by record", "champion", "all")
    rows = []
    for place, candidate in enumerate(history):
        month = candidate.windows.as_of - timedelta(days=1)
        decisions = ("**promoted**" if flights.played[rule][0].promoted[place] else "held" for rule in shown)
        rows.append([f"{month:%b}", f"{rates[place]:.1%}", f"{f1s[place]:.3f}", *decisions])
    return _table(["test month", "late", "F1 of its candidate", *shown], rows)


def _power_table(found: dict[tuple[float, int], Power]) -> str:
    head = ["true lead", "champion", *(f"all, {count} versions" for count in VERSIONS[1:])]
    rows = []
    for lead in LEADS:
        ones = [found[lead, count] for count in VERSIONS]
        rows.append([f"{lead:.3f}" if lead else "none", *(f"{one.promoted:.0f}" for one in ones)])
        rows.append([f"… with confidence {CONFIDENCE:g}", *(f"{one.promoted_with_confidence:.0f}" for one in ones)])
    return _table(head, rows)


def _setting() -> dict[str, float]:
    return {"days": DAYS, "rows": ROWS_A_DAY, "rate": BASE_RATE, "f1": F1}


def _verdict(results: Sequence[Result], rule: str) -> str:
    """In how many worlds a rule was shown to be better or worse than the reference."""
    shown = [one.against_reference(rule, "measured").shown for one in results]
    return _counted(shown)


def _refit_verdict(results: Sequence[Result]) -> str:
    return _counted([one.against_reference(REFERENCE, "refitted").shown for one in results])


def _counted(shown: Sequence[int]) -> str:
    parts = [f"{_SHOWN[sign + 1]} in {shown.count(sign)}" for sign in (1, -1, 0) if sign in shown]
    return f"{', '.join(parts)} of {len(shown)} worlds"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
