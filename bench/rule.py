"""`make rule`: why versions are compared on the same rows; writes docs/rule.md.

For each month from March to December a candidate is trained with that month as its test window, exactly as
`ratchet train sklearn` would. Then two teams are imagined: one promotes a candidate whose F1 beats the F1 values that
earlier promoted versions recorded on their own months, the other scores those versions on the candidate's month.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from ratchet import configuration
from ratchet.core.evaluation.counts import Counts
from ratchet.core.evaluation.f1 import f1_all_positive, f1_of
from ratchet.core.evaluation.threshold import choose
from ratchet.core.windows import Period, Windows, windows_until
from ratchet.engines.sklearn.pipeline import pipeline
from ratchet.engines.sklearn.row_order import ordered
from ratchet.io.table import inspection
from ratchet.io.table.inspection import DAY, LABEL, EventTable, Rows
from ratchet.settings import Settings

MONTHS = [date(2013, month, 1) for month in range(4, 13)] + [date(2014, 1, 1)]
_MONTH = Period(1, "mo")


@dataclass(frozen=True)
class Candidate:
    """A trained month: its number is its month's."""

    month: int
    model: CalibratedClassifierCV
    threshold: float


@dataclass
class Team:
    """Who promotes by one rule; `served` is the F1 of each month with the version that was in service then."""

    versions: list[Candidate] = field(default_factory=list)
    recorded: list[float] = field(default_factory=list)
    served: list[float] = field(default_factory=list)

    def decide(self, candidate: Candidate, own: float, bar: Sequence[float]) -> bool:
        promoted = all(own > other for other in bar)
        if promoted:
            self.versions.append(candidate)
            self.recorded.append(own)
        return promoted


def main() -> None:
    """Train all months, play both rules, write the table."""
    settings = configuration.load("dev")
    table = inspection.inspect(settings.data)
    by_record, by_rows = Team(), Team()
    candidates: list[Candidate] = []
    lines, f1s, rates = [], [], []
    for as_of in MONTHS:
        windows = windows_until(as_of, _MONTH, _MONTH, None)
        candidate, test = _train(settings, table, windows)
        candidates.append(candidate)
        counts = {one.month: _counts(one, test, table, settings) for one in candidates}
        f1 = {one.month: f1_of(counts[one.month].confusion(one.threshold)) for one in candidates}
        own, base = f1[candidate.month], counts[candidate.month]
        for team in (by_record, by_rows):
            if team.versions:
                team.served.append(f1[team.versions[-1].month])
        recorded = by_record.decide(candidate, own, by_record.recorded or [f1_all_positive(base)])
        bar = [f1[version.month] for version in by_rows.versions] or [f1_all_positive(base)]
        same = by_rows.decide(candidate, own, bar)
        f1s.append(own)
        rates.append(base.positives / base.total)
        others = ", ".join(f"{_name(one.month)} {f1[one.month]:.3f}" for one in candidates[:-1])
        lines.append(
            f"| {_name(candidate.month)} | {rates[-1]:.1%} | {own:.3f} | {others or '–'} | {_decision(recorded)}"
            f" | {_decision(same)} | {_served(by_record)} | {_served(by_rows)} |"
        )
        print(lines[-1], flush=True)
    served = f"{np.mean(by_rows.served):.3f} on the same rows, {np.mean(by_record.served):.3f} by record"
    text = _PAGE.format(
        correlation=np.corrcoef(rates, f1s)[0, 1],
        rows="\n".join(lines),
        by_record=len(by_record.versions),
        by_rows=len(by_rows.versions),
        served=served,
    )
    Path("docs/rule.md").write_text(text, encoding="utf-8")


def _train(settings: Settings, table: EventTable, windows: Windows) -> tuple[Candidate, Rows]:
    train, calibration, test = (inspection.load(table, window, table.features) for window in windows)
    learnt, features = ordered(train.frame), list(table.features)
    choice = settings.sklearn
    fitted = pipeline(choice.estimator, choice.params, table.numeric, table.categorical, settings.seed)
    fitted.fit(learnt[features], learnt[LABEL].astype(np.int64))
    model = CalibratedClassifierCV(FrozenEstimator(fitted), method="isotonic")
    model.fit(calibration.frame[features], calibration.frame[LABEL].astype(np.int64))
    month = (windows.test.start or windows.test.end).month
    unfinished = Candidate(month, model, 0.0)
    threshold = choose(_counts(unfinished, calibration, table, settings)).value
    return Candidate(month, model, threshold), test


def _counts(candidate: Candidate, rows: Rows, table: EventTable, settings: Settings) -> Counts:
    score = candidate.model.predict_proba(rows.frame[list(table.features)])[:, 1]
    return Counts.from_rows(rows.frame[DAY], score, rows.frame[LABEL], settings.evaluation.score_levels)


def _name(month: int) -> str:
    return f"{date(2013, month, 1):%b}"


def _decision(promoted: bool) -> str:
    return "**promoted**" if promoted else "held"


def _served(team: Team) -> str:
    return f"{team.served[-1]:.3f}" if team.served else "–"


_PAGE = """# Why versions are compared on the same rows

Made by `make rule` from the sample: each month from March to December 2013 is once the test window of a candidate
(scikit-learn's default estimator; the month before calibrates, everything before that trains).

F1 of a month follows its share of late flights: their correlation over these months is r = {correlation:.2f}. An F1
that was recorded in one month therefore says little about another month.

- *by record*: promoted when its F1 is greater than the F1 that each promoted version recorded on its own month.
- *same rows*: promoted when its F1 is greater than that of each promoted version **on the candidate's month**.
- *served*: F1 of that month with the version that was in service during it, before the month's decision.

| month | late | F1 | earlier candidates on this month | by record | same rows | served, by record | served, same rows |
|---|---|---|---|---|---|---|---|
{rows}

Promoted by record: {by_record} of 10; on the same rows: {by_rows} of 10. Mean F1 in service: {served}.

A record from a bad month can't be beaten in a good one, however good the model is: after the month with the most late
flights nothing is promoted any more. On the same rows a candidate is held when, and only when, an older version is at
least as good now. What the months also show: differences under 0.01 are noise (the standard deviation of F1 over
resampled days is about 0.04), which is why the report shows intervals and the probability of being truly better.
"""


if __name__ == "__main__":
    main()
