"""The exporter's metrics, and how they are derived from facts about models, cycles and sources.

Nothing here sends requests. The number of label values is bounded: no run, cycle or day is a label.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

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
    Metric("ratchet_champion_version", ("model",), "Number of the version that `champion` names"),
    Metric("ratchet_champion_info", ("model", "version"), "1 for the version that `champion` names"),
    Metric("ratchet_champion_since_timestamp_seconds", ("model",), "When it became champion, where Ratchet moved it"),
    Metric("ratchet_champion_f1", ("model",), "Its F1 on the test rows of its own run"),
    Metric("ratchet_champion_f1_all_positive", ("model",), "F1 of labelling each of those rows positive"),
    Metric("ratchet_rolling_f1", ("model",), "Its F1 over the days that end with the newest measured one"),
    Metric("ratchet_rolling_precision", ("model",), "Its precision over the same days"),
    Metric("ratchet_rolling_recall", ("model",), "Its recall over the same days"),
    Metric("ratchet_rolling_accuracy", ("model",), "Its accuracy over the same days"),
    Metric("ratchet_rolling_roc_auc", ("model",), "Its area under the ROC curve over the same days"),
    Metric("ratchet_rolling_day_timestamp_seconds", ("model",), "Midnight, in UTC, of the newest measured day"),
    Metric("ratchet_rolling_f1_floor", ("model",), "The rolling F1 below which a day counts as low"),
    Metric("ratchet_versions", ("model",), "How many versions are registered"),
    Metric("ratchet_decisions", ("model", "decision"), "How many runs were decided on so"),
    Metric("ratchet_drift", ("model", "feature"), "Distance of a feature from the champion's training data"),
    Metric("ratchet_validation_failed", ("model",), "1 where the newest version that was validated failed, else 0"),
    Metric("ratchet_cycle_last_success_timestamp_seconds", (), "When the last successful cycle ended"),
    Metric("ratchet_cycle_period_seconds", (), "Longest time between two cycles that are due; missing where suspended"),
    Metric("ratchet_cycle_schedule_timestamp_seconds", (), "When the schedule was made"),
    Metric("ratchet_cycle_running", (), "How many cycles run or wait"),
    Metric("ratchet_cycle_step_seconds", ("step",), "How long a step took in the newest cycle in which it was done"),
    Metric("ratchet_cycles_failed", ("step", "reason"), "Failed cycles whose Jobs the cluster still has"),
    Metric("ratchet_exporter_source_up", ("source",), "1 where the last asking of the source was answered, else 0"),
    Metric("ratchet_exporter_source_timestamp_seconds", ("source",), "When the source answered last"),
)


@dataclass(frozen=True)
class Champion:
    """The serving version.

    since: a Unix time, None if unknown. rolling: the newest rolling metrics by name, without `rolling_`. day: midnight
    of the newest measured day, as a Unix time. drift: distances by feature.
    """

    version: int
    since: float | None = None
    f1: float | None = None
    f1_all_positive: float | None = None
    floor: float | None = None
    rolling: Mapping[str, float] = field(default_factory=dict)
    day: float | None = None
    drift: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelFacts:
    """A registered model. decisions: number of runs by decision. validation_failed: of the newest validated version."""

    model: str
    champion: Champion | None = None
    versions: int = 0
    decisions: Mapping[str, int] = field(default_factory=dict)
    validation_failed: bool = False


@dataclass(frozen=True)
class CycleFacts:
    """The cycles of a cluster. Times are Unix times. failed: their number by step and reason."""

    last_success: float | None = None
    period: float | None = None
    scheduled: float | None = None
    running: int = 0
    steps: Mapping[str, float] = field(default_factory=dict)
    failed: Mapping[tuple[str, Reason], int] = field(default_factory=dict)


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
    for decision, count in facts.decisions.items():
        yield "ratchet_decisions", (*own, decision), count
    if facts.champion is not None:
        yield from _of_champion(own, facts.champion)


def of_cycles(facts: CycleFacts) -> Iterator[Sample]:
    """The samples of a cluster's cycles."""
    yield "ratchet_cycle_running", (), facts.running
    yield from _known("ratchet_cycle_last_success_timestamp_seconds", (), facts.last_success)
    yield from _known("ratchet_cycle_period_seconds", (), facts.period)
    yield from _known("ratchet_cycle_schedule_timestamp_seconds", (), facts.scheduled)
    for step, seconds in facts.steps.items():
        yield "ratchet_cycle_step_seconds", (step,), seconds
    for (step, reason), count in facts.failed.items():
        yield "ratchet_cycles_failed", (step, reason), count


def of_sources(states: Iterable[SourceState]) -> Iterator[Sample]:
    """The samples of the sources themselves, which exist even if a source is down."""
    for state in states:
        yield "ratchet_exporter_source_up", (state.source,), float(state.up)
        yield from _known("ratchet_exporter_source_timestamp_seconds", (state.source,), state.answered)


def _of_champion(own: tuple[str], champion: Champion) -> Iterator[Sample]:
    yield "ratchet_champion_version", own, champion.version
    yield "ratchet_champion_info", (*own, str(champion.version)), 1
    yield from _known("ratchet_champion_since_timestamp_seconds", own, champion.since)
    yield from _known("ratchet_champion_f1", own, champion.f1)
    yield from _known("ratchet_champion_f1_all_positive", own, champion.f1_all_positive)
    yield from _known("ratchet_rolling_f1_floor", own, champion.floor)
    yield from _known("ratchet_rolling_day_timestamp_seconds", own, champion.day)
    for name, value in champion.rolling.items():
        yield f"ratchet_rolling_{name}", own, value
    moved_most = sorted(champion.drift.items(), key=lambda entry: (-entry[1], entry[0]))[:MOST_FEATURES]
    for feature, distance in moved_most:
        yield "ratchet_drift", (*own, feature), distance


def _known(name: str, labels: tuple[str, ...], value: float | None) -> Iterator[Sample]:
    if value is not None:
        yield name, labels, value
