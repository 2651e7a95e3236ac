"""One page with the evidence for and against a candidate: `report.html`, which a trainer logs to its run.

The page embeds its plots and loads nothing, so that it opens from a file. The trainer writes it before the decision;
the registrar replaces the part from `report.decision_section`.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from math import ceil, isfinite, log10, nan
from typing import Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ratchet.core.evaluation.drift import FeatureDrift
from ratchet.core.evaluation.estimate import Expected, PastError
from ratchet.core.evaluation.explanation import Explanation
from ratchet.core.evaluation.guardrails import SliceRow
from ratchet.core.evaluation.metrics import ClassRow
from ratchet.core.evaluation.resampling import Interval
from ratchet.core.evaluation.rolling import RollingDay
from ratchet.core.guardrail import GuardrailResult
from ratchet.core.objective import F1, Achieved, Objective
from ratchet.core.rival import Rival
from ratchet.core.search import Searched
from ratchet.core.watch_estimate import BLIND_SPOT
from ratchet.core.windows import Window
from ratchet.report import decision_section
from ratchet.report.numbers import Scale, count, measure, probability, share, signed

MEANINGS = {
    "f1": ("F1", "harmonic mean of precision and recall; decides on the promotion"),
    "precision": ("Precision", "share of the rows labelled positive that are positive"),
    "recall": ("Recall", "share of the positive rows that are labelled so"),
    "accuracy": ("Accuracy", "share of all rows that are labelled right"),
    "roc_auc": (
        "ROC AUC",
        "probability that a positive row has a higher score than a negative one; 0.5 is chance level",
    ),
    "average_precision": ("Average precision", "precision averaged over recall; the base rate is chance level"),
    "brier": ("Brier score", "mean squared error of the score; 0 is perfect"),
    "log_loss": ("Log loss", "mean surprise at what happened, given the score; 0 is perfect"),
    "threshold": ("Threshold", "rows with at least this score are labelled positive"),
}
_TOP_FEATURES = 10


class Month(Protocol):
    """Rows and positives of a calendar month (`2013-12`)."""

    @property
    def month(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def positives(self) -> int: ...


class Summary(Protocol):
    """Facts about one window; missing: the number of rows without a value, by feature."""

    @property
    def window(self) -> Window: ...
    @property
    def rows(self) -> int: ...
    @property
    def positives(self) -> int: ...
    @property
    def months(self) -> Sequence[Month]: ...
    @property
    def missing(self) -> Mapping[str, int]: ...


@dataclass(frozen=True)
class Evidence:
    """The findings of a trainer.

    model: the registered name. source: a sentence on the files that were read. summaries: of the training, calibration
    and test window. metrics: at least those of MEANINGS, on the test window. f1_interval: 95 %, on days like these.
    f1_all_positive: F1 of labelling every test row positive. probability_better: that the candidate is better than the
    best rescored version on days like these; None if unknown. set_aside: why a version was not compared, by number.
    classes: the classification report. pictures: PNG files by name. links: addresses of the run and related pages, or
    ids without an address, by name. drift: of the features, from training to the test window. warnings: sentences on
    the data. labels: sentences on when labels become known. refit: a clause on the model that is to serve, empty if
    there is only the measured one. refit_flips: the share of test rows that the measured and the refitted model label
    differently. slices: groups of test rows, worst first. guardrails: their results. champion_not_sliced: why the
    champion is not beside them; empty if it is. explained: what the model rests on, and where it differs from the
    champion. expected: of the test window, from the scores alone; past_error: of the rolling estimates in it. achieved,
    achieved_interval: the value by another objective, which then decides instead of F1. searched: the search
    for parameters, if there was one.
    """

    model: str
    engine: str
    cycle: str
    as_of: date
    created: datetime
    source: str
    summaries: Sequence[Summary]
    metrics: Mapping[str, float]
    f1_interval: Interval
    f1_all_positive: float
    rivals: Sequence[Rival]
    probability_better: float | None
    classes: Sequence[ClassRow]
    rolling: Sequence[RollingDay]
    pictures: Mapping[str, bytes]
    parameters: Mapping[str, str]
    links: Mapping[str, str]
    drift: Sequence[FeatureDrift] = ()
    warnings: Sequence[str] = ()
    labels: Sequence[str] = ()
    set_aside: Mapping[int, str] = field(default_factory=dict)
    slices: Sequence[SliceRow] = ()
    guardrails: Sequence[GuardrailResult] = ()
    champion_not_sliced: str = ""
    refit: str = ""
    refit_flips: float | None = None
    explained: Explanation = field(default_factory=Explanation)
    expected: Expected | None = None
    past_error: PastError | None = None
    achieved: Achieved | None = None
    achieved_interval: Interval | None = None
    searched: Searched | None = None

    @property
    def deciding(self) -> "Deciding":
        """What decides: F1, or another objective."""
        if self.achieved is None or self.achieved_interval is None:
            return Deciding(F1, self.metrics["f1"], self.f1_interval, self.f1_all_positive)
        return Deciding.shown(self.achieved, self.achieved_interval)


@dataclass(frozen=True)
class Deciding:
    """The measure that decides, as people read it: a cost is positive. constant: of the best constant labelling."""

    objective: Objective
    value: float
    interval: Interval
    constant: float

    @classmethod
    def shown(cls, achieved: Achieved, interval: Interval) -> "Deciding":
        """From values of which the greater is better."""
        by = achieved.objective
        return cls(by, by.shown(achieved.value), _turned(by, interval.low, interval.high), by.shown(achieved.constant))

    def of(self, rival: Rival) -> tuple[float, float | None, float | None]:
        """A version's value and the ends of its interval."""
        if self.objective == F1:
            return rival.f1, rival.f1_low, rival.f1_high
        value = nan if rival.objective is None else self.objective.shown(rival.objective)
        if rival.objective_low is None or rival.objective_high is None:
            return value, None, None
        interval = _turned(self.objective, rival.objective_low, rival.objective_high)
        return value, interval.low, interval.high

    def of_group(self, row: SliceRow) -> SliceRow:
        """A group of test rows, with a cost as people read it."""
        if row.objective is None or row.objective_low is None or row.objective_high is None:
            return row
        ends, theirs = _turned(self.objective, row.objective_low, row.objective_high), row.champion_objective
        return replace(
            row,
            objective=self.objective.shown(row.objective),
            objective_low=ends.low,
            objective_high=ends.high,
            champion_objective=None if theirs is None else self.objective.shown(theirs),
        )

    @property
    def unit(self) -> float:
        """What the comparison is drawn in: 1, or of a cost the power of ten that is not below it."""
        greatest = max(self.value, self.constant)
        return 1.0 if self.objective.cost is None or not greatest else 10.0 ** ceil(log10(greatest))

    @property
    def meanings(self) -> dict[str, tuple[str, str]]:
        """The rows of the measures on the test window; by another objective, that comes first."""
        if self.objective == F1:
            return MEANINGS
        name, meaning = MEANINGS["f1"]
        first = {"objective": (self.objective.name.capitalize(), f"{self.objective.meaning}; decides on the promotion")}
        return {**first, **MEANINGS, "f1": (name, meaning.partition(";")[0])}


def _turned(objective: Objective, low: float, high: float) -> Interval:
    ends = sorted((objective.shown(low), objective.shown(high)))
    return Interval(ends[0], ends[1])


def render(evidence: Evidence) -> str:
    """The page as HTML, with the decision still open. The evidence is escaped as text, never inserted as markup."""
    deciding = evidence.deciding
    shown = {**evidence.metrics, "objective": deciding.value}
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            e=evidence,
            decision=Markup(decision_section.open_section()),  # noqa: S704  # made of that module's constants
            by=deciding,
            shown=shown,
            scale=Scale.over(_values(evidence, deciding), deciding.unit),
            rivals=sorted(evidence.rivals, key=lambda rival: (not rival.champion, -rival.version)),
            pictures={
                name: f"data:image/png;base64,{b64encode(png).decode()}" for name, png in evidence.pictures.items()
            },
            top_rate=max((m.positives / m.rows for s in evidence.summaries for m in s.months if m.rows), default=0.0)
            or 1.0,
            missing=sorted({name for summary in evidence.summaries for name in summary.missing}),
            guardrails=guardrail_lines(evidence.guardrails),
            slices=[deciding.of_group(row) for row in evidence.slices if row.value is not None],
            top_features=_TOP_FEATURES,
            blind_spot=BLIND_SPOT,
            meanings=deciding.meanings,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ratchet.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        filter_.__name__: filter_ for filter_ in (count, last_day, measure, probability, share, signed)
    }
    return environment


@dataclass(frozen=True)
class GuardrailLine:
    """A guardrail in the report: the group that is nearest to its bound, or furthest beyond it.

    unseen: the largest of its groups. broken: how many groups break it. unknown: how many have too few rows.
    """

    worst: GuardrailResult
    broken: int
    unseen: float | None
    unknown: int


def guardrail_lines(results: Sequence[GuardrailResult]) -> list[GuardrailLine]:
    """A line for each guardrail, in the order of the settings."""
    lines = []
    for text in dict.fromkeys(result.guardrail for result in results):
        own = [result for result in results if result.guardrail == text]
        ranked = sorted(own, key=lambda one: (not one.broken, one.slack is None, one.slack or 0.0))
        unseen = max((one.unseen for one in own if one.unseen is not None), default=None)
        unknown = sum(one.value is None for one in own)
        lines.append(GuardrailLine(ranked[0], sum(one.broken for one in own), unseen, unknown))
    return lines


def last_day(window: Window) -> date:
    """The last day of a window."""
    return window.end - timedelta(days=1)


def _values(evidence: Evidence, by: Deciding) -> list[float]:
    values = [by.value, by.interval.low, by.interval.high, by.constant]
    for rival in evidence.rivals:
        values += [value for value in by.of(rival) if value is not None]
    return [value for value in values if isfinite(value)] or [0.0]
