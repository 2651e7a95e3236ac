"""Facts become samples of the declared metrics; what is not known is left out, what could grow is bounded."""

from collections import Counter
from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from ratchet.core import exported
from ratchet.core.exported import METRICS, MOST_FEATURES, Champion, CycleFacts, ModelFacts, SourceState

LABELS = {metric.name: metric.labels for metric in METRICS}
CHAMPION = Champion(
    version=3,
    since=1_700_000_000.0,
    f1=0.54,
    f1_all_positive=0.45,
    floor=0.486,
    rolling={
        "f1": 0.51,
        "precision": 0.5,
        "recall": 0.52,
        "accuracy": 0.7,
        "roc_auc": 0.71,
        "f1_estimated": 0.47,
        "precision_estimated": 0.46,
        "recall_estimated": 0.48,
        "positives_estimated": 812.5,
        "f1_estimated_floor": 0.44,
        "f1_estimated_error": 0.02,
    },
    day=1_699_920_000.0,
    estimated_day=1_700_006_400.0,
    drift={"hour": 0.02, "carrier": 0.11},
    not_yet_known=1_234,
)
BY_COST = replace(
    CHAMPION, objective=-0.7, objective_constant=-0.9, floor=-0.8, rolling={**CHAMPION.rolling, "objective": -0.75}
)
MODEL = ModelFacts("flights-sklearn", CHAMPION, 5, {"promoted": 3, "held": 9, "staged": 0}, validation_failed=True)
CYCLES = CycleFacts(1.7e9, 604_800.0, 1.6e9, 1, {"sklearn": 42.0}, {("spark", "out-of-memory"): 2})


def samples(found):
    return {(name, labels): value for name, labels, value in found}


def test_everything_that_is_known_is_told():
    told = samples([*exported.of_model(MODEL), *exported.of_cycles(CYCLES, "flights")])
    told |= samples(exported.of_sources([SourceState("mlflow", up=True, answered=1.7e9)], "flights"))
    by_objective = samples(exported.of_model(ModelFacts("flights-sklearn", BY_COST)))
    assert {name for name, _ in told | by_objective} == LABELS.keys()
    assert not [name for name, _ in told if "objective" in name]
    assert told["ratchet_champion_version", ("flights-sklearn",)] == 3
    assert told["ratchet_champion_info", ("flights-sklearn", "3")] == 1
    assert told["ratchet_rolling_f1", ("flights-sklearn",)] == 0.51
    assert told["ratchet_rolling_f1_floor", ("flights-sklearn",)] == 0.486
    assert told["ratchet_rolling_f1_estimated", ("flights-sklearn",)] == 0.47
    assert told["ratchet_rolling_f1_estimated_error", ("flights-sklearn",)] == 0.02
    assert told["ratchet_estimated_day_timestamp_seconds", ("flights-sklearn",)] == 1_700_006_400
    assert told["ratchet_estimate_alert", ("flights-sklearn",)] == 0
    assert told["ratchet_validation_failed", ("flights-sklearn",)] == 1
    assert told["ratchet_decisions", ("flights-sklearn", "held")] == 9
    assert told["ratchet_drift", ("flights-sklearn", "carrier")] == 0.11
    assert told["ratchet_cycles_failed", ("flights", "spark", "out-of-memory")] == 2
    assert told["ratchet_cycle_last_success_timestamp_seconds", ("flights",)] == 1.7e9


def test_a_champion_trained_for_another_objective_has_that_ones_floor_and_none_of_f1():
    told = samples(exported.of_model(ModelFacts("flights-sklearn", BY_COST)))
    own = ("flights-sklearn",)
    assert told["ratchet_champion_objective", own] == -0.7
    assert told["ratchet_champion_objective_constant", own] == -0.9
    assert told["ratchet_rolling_objective", own] == -0.75
    assert told["ratchet_rolling_objective_floor", own] == -0.8
    assert ("ratchet_rolling_f1_floor", own) not in told
    assert (told["ratchet_champion_f1", own], told["ratchet_rolling_f1", own]) == (0.54, 0.51)


def test_each_sample_has_as_many_labels_as_its_metric_declares():
    for name, labels, _ in [*exported.of_model(MODEL), *exported.of_cycles(CYCLES, "flights")]:
        assert len(labels) == len(LABELS[name]), name


def test_what_is_not_known_is_left_out():
    told = samples(exported.of_model(ModelFacts("m-spark", Champion(version=1))))
    assert {name for name, _ in told} == {
        "ratchet_champion_version",
        "ratchet_champion_info",
        "ratchet_versions",
        "ratchet_validation_failed",
        "ratchet_estimate_alert",
    }
    assert samples(exported.of_cycles(CycleFacts(), "m")) == {("ratchet_cycle_running", ("m",)): 0}
    away = samples(exported.of_sources([SourceState("mlflow", up=False, answered=None)], "m"))
    assert away == {("ratchet_exporter_source_up", ("m", "mlflow")): 0}


def test_a_model_without_a_version_has_no_champion():
    told = samples(exported.of_model(ModelFacts("m-spark", decisions={"held": 2})))
    assert told["ratchet_versions", ("m-spark",)] == 0
    assert not [name for name, _ in told if "champion" in name or "rolling" in name]


def test_of_many_features_those_that_moved_most_are_told():
    drift = {f"feature {number:03}": number / 1000 for number in range(500)}
    told = [
        labels for name, labels, _ in exported.of_model(ModelFacts("m", Champion(1, drift=drift))) if "drift" in name
    ]
    assert len(told) == MOST_FEATURES
    assert ("m", "feature 499") in told
    assert ("m", "feature 100") not in told


def test_a_metric_is_declared_once_and_no_run_or_cycle_is_a_label():
    assert max(Counter(metric.name for metric in METRICS).values()) == 1
    assert {label for labels in LABELS.values() for label in labels} == {
        "model",
        "version",
        "decision",
        "feature",
        "step",
        "reason",
        "source",
    }


def test_the_page_is_what_prometheus_reads(exposed):
    page = exposed([*exported.of_model(MODEL), *exported.of_cycles(CYCLES, "flights")])
    families = {family.name: family for family in text_string_to_metric_families(page)}
    told = {
        (name, tuple(sample.labels[label] for label in LABELS[name])): sample.value
        for name in LABELS
        if name in families
        for sample in families[name].samples
    }
    assert told == samples([*exported.of_model(MODEL), *exported.of_cycles(CYCLES, "flights")])
    assert {family.type for name, family in families.items() if name in LABELS} == {"gauge"}


def test_a_feature_may_have_any_name(exposed):
    odd = 'he said "late"\n\\ö'
    page = exposed(exported.of_model(ModelFacts("m", Champion(1, drift={odd: 0.5}))))
    families = {family.name: family for family in text_string_to_metric_families(page)}
    assert families["ratchet_drift"].samples[0].labels["feature"] == odd
