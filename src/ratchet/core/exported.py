"""The exporter's metrics, and how they are derived from facts about models, cycles and sources.

Nothing here sends requests. The number of label values is bounded: no run, cycle or day is a label.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ratchet.core.history import Curve, CycleNow, Trained
from ratchet.errors import Reason

# For a table with hundreds of columns only those that drifted most are exported.
MOST_FEATURES = 50

type Sample = tuple[str, tuple[str, ...], float]


@dataclass(frozen=True)
class Metric:
    """A metric: its name, the names of its labels, its meaning."""

    name: str
    labels: tuple[str, ...]
    meaning: str


METRICS = (
    Metric("ratchet_champion_version", ("model",), "Number of the champion version"),
    Metric("ratchet_champion_info", ("model", "version"), "1 for the champion version"),
    Metric(
        "ratchet_champion_since_timestamp_seconds", ("model",), "When it became champion, if Ratchet moved the alias"
    ),
    Metric("ratchet_champion_f1", ("model",), "The champion's F1 on the test rows of its own run"),
    Metric("ratchet_champion_f1_all_positive", ("model",), "F1 on those rows if all are labelled positive"),
    Metric(
        "ratchet_rolling_f1",
        ("model",),
        "The champion's F1 over the rolling window that ends on the newest measured day",
    ),
    Metric("ratchet_rolling_precision", ("model",), "Its precision over the same window"),
    Metric("ratchet_rolling_recall", ("model",), "Its recall over the same window"),
    Metric("ratchet_rolling_accuracy", ("model",), "Its accuracy over the same window"),
    Metric("ratchet_rolling_roc_auc", ("model",), "Its area under the ROC curve over the same window"),
    Metric("ratchet_rolling_day_timestamp_seconds", ("model",), "Midnight, in UTC, of the newest measured day"),
    Metric("ratchet_rolling_f1_floor", ("model",), "Rolling F1 below which the newest measured day is low"),
    Metric(
        "ratchet_rolling_f1_estimated",
        ("model",),
        "F1 expected from the scores alone over the window that ends on the newest scored day; blind to a changed"
        " concept",
    ),
    Metric("ratchet_rolling_precision_estimated", ("model",), "Precision expected over the same window"),
    Metric("ratchet_rolling_recall_estimated", ("model",), "Recall expected over the same window"),
    Metric("ratchet_rolling_positives_estimated", ("model",), "Number of positive rows expected in the same window"),
    Metric("ratchet_rolling_f1_estimated_floor", ("model",), "F1 below which that window is low"),
    Metric(
        "ratchet_rolling_f1_estimated_error",
        ("model",),
        "Mean absolute error of the estimated rolling F1 on past days",
    ),
    Metric(
        "ratchet_estimated_day_timestamp_seconds", ("model",), "Midnight, in UTC, of the newest day with an estimate"
    ),
    Metric("ratchet_estimate_alert", ("model",), "1 if `exporter.estimate_alert` is on, else 0"),
    Metric(
        "ratchet_champion_objective",
        ("model",),
        "The champion's value by another objective than F1 on the test rows of its own run; a cost is negative",
    ),
    Metric("ratchet_champion_objective_constant", ("model",), "That of the best constant labelling of the same rows"),
    Metric("ratchet_rolling_objective", ("model",), "The champion's value over the rolling window; a cost is negative"),
    Metric(
        "ratchet_rolling_objective_floor",
        ("model",),
        "Rolling value below which the newest measured day is low; then there is no floor of F1",
    ),
    Metric(
        "ratchet_rows_not_yet_known",
        ("model",),
        "Rows that the champion's cycle left out because their labels were not known yet",
    ),
    Metric("ratchet_versions", ("model",), "Number of registered versions"),
    Metric("ratchet_decisions", ("model", "decision"), "Number of runs with this decision"),
    Metric(
        "ratchet_drift",
        ("model", "feature"),
        "Distance of the feature's distribution from that in the champion's training data",
    ),
    Metric("ratchet_validation_failed", ("model",), "1 if the newest validated version failed its validation, else 0"),
    Metric("ratchet_cycle_last_success_timestamp_seconds", ("model",), "When the last successful cycle ended"),
    Metric(
        "ratchet_cycle_period_seconds",
        ("model",),
        "Longest time between two scheduled cycles; missing while the schedule is suspended",
    ),
    Metric("ratchet_cycle_schedule_timestamp_seconds", ("model",), "When the schedule was created"),
    Metric("ratchet_cycle_running", ("model",), "Number of running and waiting cycles"),
    Metric(
        "ratchet_cycle_step_seconds", ("model", "step"), "Duration of the step in the newest cycle that completed it"
    ),
    Metric(
        "ratchet_cycles_failed",
        ("model", "step", "reason"),
        "Number of failed cycles whose Jobs still exist in the cluster",
    ),
    Metric("ratchet_exporter_source_up", ("model", "source"), "1 if the last poll of the source succeeded, else 0"),
    Metric(
        "ratchet_exporter_source_timestamp_seconds",
        ("model", "source"),
        "When the last successful poll of the source ended",
    ),
)


@dataclass(frozen=True)
class Champion:
    """The serving version.

    since: a Unix time, None if unknown. floor: of F1, or of the objective if there is one. rolling: the newest rolling
    metrics by name, without `rolling_`. day: midnight of the newest measured day, as a Unix time. estimated_day: that
    of the newest day with an estimate. drift: distances by feature. objective, objective_constant: by another objective
    than F1; None if it was trained for F1. not_yet_known: rows that its cycle left out, None if it counted none.
    f1_low, f1_high: the 95 % interval of F1. moved: by whom it was made champion, and why. curve: its days. These are
    for the console.
    """

    version: int
    since: float | None = None
    f1: float | None = None
    f1_all_positive: float | None = None
    floor: float | None = None
    rolling: Mapping[str, float] = field(default_factory=dict)
    day: float | None = None
    estimated_day: float | None = None
    drift: Mapping[str, float] = field(default_factory=dict)
    objective: float | None = None
    objective_constant: float | None = None
    not_yet_known: float | None = None
    f1_low: float | None = None
    f1_high: float | None = None
    moved: str = ""
    curve: Curve | None = None


@dataclass(frozen=True)
class ModelFacts:
    """A registered model.

    decisions: number of runs by decision. validation_failed: of the newest validated version. estimate_alert: whether
    an estimate below its floor is an alert. trained: its newest cycles' runs, the newest first, for the console.
    """

    model: str
    champion: Champion | None = None
    versions: int = 0
    decisions: Mapping[str, int] = field(default_factory=dict)
    validation_failed: bool = False
    estimate_alert: bool = False
    trained: Sequence[Trained] = ()


@dataclass(frozen=True)
class CycleFacts:
    """The cycles of a cluster. Times are Unix times. failed: their number by step and reason. newest: newest first."""

    last_success: float | None = None
    period: float | None = None
    scheduled: float | None = None
    running: int = 0
    steps: Mapping[str, float] = field(default_factory=dict)
    failed: Mapping[tuple[str, Reason], int] = field(default_factory=dict)
    newest: Sequence[CycleNow] = ()


@dataclass(frozen=True)
class SourceState:
    """Whether the last poll of a source succeeded, and when it last succeeded; None: never."""

    source: str
    up: bool
    answered: float | None


def of_model(facts: ModelFacts) -> Iterator[Sample]:
    """The samples of a model; unknown values are omitted."""
    own = (facts.model,)
    yield "ratchet_versions", own, facts.versions
    yield "ratchet_validation_failed", own, float(facts.validation_failed)
    yield "ratchet_estimate_alert", own, float(facts.estimate_alert)
    for decision, count in facts.decisions.items():
        yield "ratchet_decisions", (*own, decision), count
    if facts.champion is not None:
        yield from _of_champion(own, facts.champion)


def of_cycles(facts: CycleFacts, model: str) -> Iterator[Sample]:
    """The samples of the cycles of a namespace. model: the setting, without an engine."""
    own = (model,)
    yield "ratchet_cycle_running", own, facts.running
    yield from _known("ratchet_cycle_last_success_timestamp_seconds", own, facts.last_success)
    yield from _known("ratchet_cycle_period_seconds", own, facts.period)
    yield from _known("ratchet_cycle_schedule_timestamp_seconds", own, facts.scheduled)
    for step, seconds in facts.steps.items():
        yield "ratchet_cycle_step_seconds", (*own, step), seconds
    for (step, reason), count in facts.failed.items():
        yield "ratchet_cycles_failed", (*own, step, reason), count


def of_sources(states: Iterable[SourceState], model: str) -> Iterator[Sample]:
    """The samples of the sources themselves, which exist even if a source is down. model: as for `of_cycles`."""
    for state in states:
        yield "ratchet_exporter_source_up", (model, state.source), float(state.up)
        yield from _known("ratchet_exporter_source_timestamp_seconds", (model, state.source), state.answered)


def _of_champion(own: tuple[str], champion: Champion) -> Iterator[Sample]:
    yield "ratchet_champion_version", own, champion.version
    yield "ratchet_champion_info", (*own, str(champion.version)), 1
    yield from _known("ratchet_champion_since_timestamp_seconds", own, champion.since)
    yield from _known("ratchet_champion_f1", own, champion.f1)
    yield from _known("ratchet_champion_f1_all_positive", own, champion.f1_all_positive)
    yield from _known("ratchet_rows_not_yet_known", own, champion.not_yet_known)
    yield from _known("ratchet_champion_objective", own, champion.objective)
    yield from _known("ratchet_champion_objective_constant", own, champion.objective_constant)
    measure = "f1" if champion.objective is None else "objective"
    yield from _known(f"ratchet_rolling_{measure}_floor", own, champion.floor)
    yield from _known("ratchet_rolling_day_timestamp_seconds", own, champion.day)
    yield from _known("ratchet_estimated_day_timestamp_seconds", own, champion.estimated_day)
    for name, value in champion.rolling.items():
        yield f"ratchet_rolling_{name}", own, value
    moved_most = sorted(champion.drift.items(), key=lambda entry: (-entry[1], entry[0]))[:MOST_FEATURES]
    for feature, distance in moved_most:
        yield "ratchet_drift", (*own, feature), distance


def _known(name: str, labels: tuple[str, ...], value: float | None) -> Iterator[Sample]:
    if value is not None:
        yield name, labels, value
