"""What must not get worse: each guardrail held against the sums by day of the groups that it bounds.

A bound on all rows is compared with the metric as it is. For each group of a slice, and beside the champion, chance
counts: a guardrail is broken where the metric is shown to be beyond the bound, at 95 % for all groups and guardrails
together (`shown_worse`). So equal models are held by chance in at most 5 of 100 cases, however many slices there are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ratchet.core.evaluation.comparison import FEWEST_DAYS
from ratchet.core.evaluation.counts import Ints
from ratchet.core.evaluation.day_sums import MEASURES, DaySums, Ratio
from ratchet.core.evaluation.objective_values import parts_of
from ratchet.core.evaluation.resampling import Interval, Resampling
from ratchet.core.evaluation.shown_worse import Lead, intervals, joint_length, resampled, uncertainty
from ratchet.core.guardrail import GuardrailResult, Limit
from ratchet.core.objective import F1, Objective
from ratchet.core.slices import ALL_ROWS, Group, Grouping

Measure = Callable[[DaySums], Ratio]

FEWEST_ROWS = 20
"""A group with fewer positive or fewer negative rows says nothing about F1, precision or recall."""
_TOO_FEW = f"too few rows to know: at least {FEWEST_ROWS} of each class on {FEWEST_DAYS} days are needed"


class Guardrail(Protocol):
    """The setting."""

    @property
    def metric(self) -> str: ...
    @property
    def slice(self) -> str | None: ...
    @property
    def limit(self) -> Limit: ...
    @property
    def bound(self) -> float: ...
    @property
    def less_is_better(self) -> bool: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True)
class Measurements:
    """The candidate and the champion on the test rows.

    groupings: of the slices. own, champion: the sums by group; None if there is no champion, or it could not be
    measured. version: the champion's number. since: the first day that the champion has not learnt from. why: the
    reason why the champion is missing.
    """

    groupings: Sequence[Grouping]
    own: Mapping[Group, DaySums]
    champion: Mapping[Group, DaySums] | None
    version: int | None
    since: int
    why: str

    @property
    def days(self) -> Ints:
        """The test days that both count on."""
        days = self.own[ALL_ROWS].confusion.day
        return days if self.champion is None else days[days >= self.since]

    def groups(self, column: str | None = None) -> list[tuple[Group, str]]:
        """The groups with rows, and their names, of all slices or of one."""
        return [
            (group, self.groupings[group[0]].name(group[1]))
            for group in sorted(self.own)
            if group != ALL_ROWS and column in (None, self.groupings[group[0]].slice.column)
        ]


@dataclass(frozen=True)
class SliceRow:
    """A group of test rows: a row of `slices.csv`, and of the report.

    f1, champion_f1: with the 95 % interval of each by itself; None if there are too few rows to know, or no champion.
    difference: the candidate's F1 minus the champion's, on the days that neither has learnt from. objective,
    champion_objective: the same by another objective, greater is better, and then also the difference; None if F1
    decides.
    """

    group: str
    rows: int
    positives: int
    f1: float | None = None
    f1_low: float | None = None
    f1_high: float | None = None
    champion_f1: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    objective: float | None = None
    objective_low: float | None = None
    objective_high: float | None = None
    champion_objective: float | None = None

    @property
    def value(self) -> float | None:
        """What decides: F1, or the value of another objective."""
        return self.f1 if self.objective is None else self.objective

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """The ends of its 95 % interval."""
        by_f1 = self.objective is None
        return (self.f1_low, self.f1_high) if by_f1 else (self.objective_low, self.objective_high)

    @property
    def champion_value(self) -> float | None:
        return self.champion_f1 if self.objective is None else self.champion_objective


def slice_rows(found: Measurements, samples: int, seed: int, objective: Objective = F1) -> list[SliceRow]:
    """Every group with rows: first those where the candidate is furthest below the champion, or has the least value."""
    known = _measured(found, F1, "f1", samples, seed)
    if objective != F1:
        for group, values in _measured(found, objective, "objective", samples, seed).items():
            known[group] |= values
    rows = [
        SliceRow(name, found.own[group].confusion.rows, found.own[group].positives, **known.get(group, {}))
        for group, name in found.groups()
    ]
    return sorted(rows, key=_worst_first)


def results(
    guardrails: Sequence[Guardrail],
    found: Measurements,
    metrics: Mapping[str, float],
    samples: int,
    seed: int,
    objective: Objective = F1,
) -> list[GuardrailResult]:
    """Hold each guardrail against what was measured.

    metrics: of the candidate on all test rows. objective: what the metric `objective` is.
    """
    plain = [one for one in guardrails if one.slice is None and one.limit != "not_worse_by"]
    tests = [test for one in guardrails if one not in plain for test in _tests(one, found, objective)]
    leads = [test.lead for test in tests if test.lead is not None]
    margins = iter(_margins(leads, len(found.days), samples, seed))
    tested = [test.result(found.version, None if test.lead is None else next(margins)) for test in tests]
    return [*(_plain(one, metrics[one.metric]) for one in plain), *tested]


@dataclass(frozen=True)
class _Test:
    """One guardrail for one group. lead: None if it is not known."""

    guardrail: Guardrail
    group: str
    lead: Lead | None
    note: str = ""

    @property
    def least(self) -> float:
        """The lead that the guardrail asks for."""
        negative = self.guardrail.limit == "not_worse_by" or self.guardrail.less_is_better
        return -self.guardrail.bound if negative else self.guardrail.bound

    def result(self, version: int | None, margin: float | None) -> GuardrailResult:
        one, lead = self.guardrail, self.lead
        return GuardrailResult(
            guardrail=one.text,
            metric=one.metric,
            limit=one.limit,
            bound=one.bound,
            group=self.group,
            champion=version if one.limit == "not_worse_by" else None,
            value=None if lead is None else lead.own.value,
            champion_value=None if lead is None or lead.other is None else lead.other.value,
            broken=lead is not None and margin is not None and lead.value + margin < self.least,
            unseen=margin,
            note=self.note,
        )


def _plain(one: Guardrail, value: float) -> GuardrailResult:
    broken = value > one.bound if one.less_is_better else value < one.bound
    return GuardrailResult(one.text, one.metric, one.limit, one.bound, "", None, value, None, broken)


def _tests(one: Guardrail, found: Measurements, objective: Objective) -> list[_Test]:
    if one.limit == "not_worse_by" and found.champion is None:
        return [_Test(one, "", None, found.why)]
    groups = [(ALL_ROWS, "")] if one.slice is None else found.groups(one.slice)
    measure = MEASURES.get(one.metric) or _of(objective)
    return [_test(one, found, group, name, measure) for group, name in groups]


def _test(one: Guardrail, found: Measurements, group: Group, name: str, measure: Measure) -> _Test:
    sign = -1 if one.less_is_better else 1
    own = found.own[group].reindexed(found.days)
    if not _enough(own):
        return _Test(one, name, None, _TOO_FEW)
    if one.limit != "not_worse_by" or found.champion is None:
        return _Test(one, name, Lead(measure(own), None, sign))
    return _Test(one, name, Lead(measure(own), measure(found.champion[group].reindexed(found.days)), sign))


def _margins(leads: Sequence[Lead], days: int, samples: int, seed: int) -> list[float]:
    """How far each lead may jointly lie above the measured one."""
    if not leads:
        return []
    draws = resampled(leads, Resampling(days, joint_length([lead.influence for lead in leads]), samples, seed))
    return list(map(float, uncertainty(np.array([lead.value for lead in leads]), draws)))


def _of(objective: Objective) -> Measure:
    return lambda sums: Ratio(*parts_of(objective, sums.confusion))


def _measured(found: Measurements, by: Objective, name: str, samples: int, seed: int) -> dict[Group, dict[str, float]]:
    """The fields of a SliceRow that one objective fills, of each group with enough rows."""
    own = _leads(found, _of(by), found.own[ALL_ROWS].confusion.day, beside=False)
    beside = _leads(found, _of(by), found.days, beside=True) if found.champion is not None else {}
    low, high = by.bounds
    own_intervals = _intervals(own, samples, seed, (low, high))
    beside_intervals = _intervals(beside, samples, seed, (low - high, high - low))
    fields = {}
    for group, lead in own.items():
        low, high = own_intervals[group].low, own_intervals[group].high
        fields[group] = {name: lead.value, f"{name}_low": low, f"{name}_high": high}
    for group, lead in beside.items():
        if lead.other is not None and group in own:
            low, high = beside_intervals[group].low, beside_intervals[group].high
            fields[group] |= {f"champion_{name}": lead.other.value, "difference": lead.value}
            fields[group] |= {"difference_low": low, "difference_high": high}
    return fields


def _leads(found: Measurements, measure: Measure, days: Ints, *, beside: bool) -> dict[Group, Lead]:
    """A measure, or its lead over the champion's, of each group with enough rows on these days."""
    leads = {}
    for group, _ in found.groups():
        own = found.own[group].reindexed(days)
        if _enough(own):
            other = found.champion[group].reindexed(days) if beside and found.champion is not None else None
            leads[group] = Lead(measure(own), None if other is None else measure(other), 1)
    return leads


def _intervals(
    leads: Mapping[Group, Lead], samples: int, seed: int, bounds: tuple[float, float]
) -> dict[Group, Interval]:
    if not leads:
        return {}
    length = joint_length([lead.influence for lead in leads.values()])
    days = len(next(iter(leads.values())).own.numerator)
    draws = resampled(list(leads.values()), Resampling(days, length, samples, seed))
    return dict(zip(leads, intervals(draws, bounds), strict=True))


def _enough(sums: DaySums) -> bool:
    negatives = sums.confusion.rows - sums.positives
    return sums.days >= FEWEST_DAYS and min(sums.positives, negatives) >= FEWEST_ROWS


def _worst_first(row: SliceRow) -> tuple[bool, bool, float, float, str]:
    unknown, alone = row.value is None, row.difference is None
    return unknown, alone, row.difference or 0.0, row.value or 0.0, row.group
