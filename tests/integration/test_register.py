import itertools
import json
from dataclasses import replace

import mlflow
import pytest
import requests
from mlflow.tracking import MlflowClient

from ratchet.core.rival import Rival
from ratchet.errors import FailedError, TemporaryError
from ratchet.io.records import registered_model
from ratchet.io.records.registered_model import RegisteredModel
from ratchet.jobs.promotion.promote import promote, rollback
from ratchet.jobs.promotion.register import register
from ratchet.jobs.show import show
from ratchet.jobs.training import rivals
from tests.integration.candidate_runs import EXAMPLE, add_run, compare, read_artifact, rival
from tests.integration.conftest import free_port, settings_for

_names = (f"model{number}" for number in itertools.count())


@pytest.fixture
def settings(mlflow_server):
    """Settings of a model of its own, with one engine."""
    return settings_for(mlflow_server, next(_names), retrain={"engines": ("sklearn",)})


@pytest.fixture
def client(settings):
    return MlflowClient(settings.tracking.uri)


def decide(settings, cycle="c1"):
    (result,) = register(settings, cycle)
    return result


def add_and_decide(settings, cycle, f1, **options):
    return add_run(settings, cycle, f1, **options), decide(settings, cycle)


def aliases(settings, engine="sklearn"):
    model = RegisteredModel.read(MlflowClient(settings.tracking.uri), settings.registered_name(engine))
    return {alias: int(version) for alias, version in model.aliases.items()}


def numbers(settings, engine="sklearn"):
    client = MlflowClient(settings.tracking.uri)
    return [version.number for version in registered_model.versions_of(client, settings.registered_name(engine))]


def tags_of(settings, run_id):
    return MlflowClient(settings.tracking.uri).get_run(run_id).data.tags


def test_the_first_is_promoted_with_everything_written(settings, client):
    run_id, result = add_and_decide(settings, "c1", 0.53)
    assert (result.outcome, result.version) == ("promoted", 1)
    assert aliases(settings) == {"champion": 1}
    version = client.get_model_version(settings.registered_name("sklearn"), "1")
    assert version.run_id == run_id
    assert version.tags["ratchet.decision"] == "promoted"
    assert version.tags["ratchet.reason"] == result.reason
    assert version.tags["ratchet.f1"] == "0.53"
    assert version.tags["ratchet.cycle"] == "c1"
    assert result.report.endswith("/report.html")
    assert result.report in version.description
    assert f"/runs/{version.run_id}/artifacts/report.html)" in version.description
    tags = tags_of(settings, run_id)
    assert (tags["ratchet.decision"], tags["ratchet.reason"]) == ("promoted", result.reason)
    assert "promoted · version 1 of" in read_artifact(settings, run_id, "report.html")
    decided = json.loads(read_artifact(settings, run_id, "decision.json"))
    assert (decided["outcome"], decided["version"], decided["run_id"]) == ("promoted", 1, run_id)
    assert decided["promotion"] == settings.promotion.model_dump(mode="json")
    champion = json.loads(client.get_registered_model(settings.registered_name("sklearn")).tags["ratchet.champion"])
    assert (champion["version"], champion["because"]) == (1, result.reason)


@pytest.mark.parametrize("logged", [True, False])
def test_a_registered_version_loads_and_is_linked_to_its_run(settings, logged):
    run_id, _ = add_and_decide(settings, "c1", 0.53, logged=logged)
    mlflow.set_tracking_uri(settings.tracking.uri)
    model = mlflow.pyfunc.load_model(f"models:/{settings.registered_name('sklearn')}@champion")
    assert list(model.predict(EXAMPLE)) == [1, 1]
    client = MlflowClient(settings.tracking.uri)
    assert client.get_model_version(settings.registered_name("sklearn"), "1").run_id == run_id
    if logged:
        logged_model = client.get_logged_model(model.model_id)
        linked = json.loads(logged_model.tags["mlflow.modelVersions"])
        assert [(entry["name"], int(entry["version"])) for entry in linked] == [
            (settings.registered_name("sklearn"), 1)
        ]


def test_the_first_is_held_when_it_is_no_better_than_labelling_every_row_positive(settings):
    _, result = add_and_decide(settings, "c1", 0.4)
    assert (result.outcome, result.version) == ("held", None)
    assert numbers(settings) == []


def test_a_tie_is_held_and_makes_no_version(settings):
    add_and_decide(settings, "c1", 0.53)
    run_id, result = add_and_decide(settings, "c2", 0.53)
    assert (result.outcome, result.version, numbers(settings)) == ("held", None, [1])
    assert "ties with version 1" in result.reason
    assert tags_of(settings, run_id)["ratchet.decision"] == "held"
    assert json.loads(read_artifact(settings, run_id, "decision.json"))["versions"][0]["f1"] == 0.53
    assert "held · no version was made" in read_artifact(settings, run_id, "report.html")
    assert aliases(settings) == {"champion": 1}


def test_a_worse_one_is_held(settings):
    add_and_decide(settings, "c1", 0.53)
    _, result = add_and_decide(settings, "c2", 0.52)
    assert (result.outcome, numbers(settings), aliases(settings)) == ("held", [1], {"champion": 1})


def test_a_better_one_is_promoted_and_previous_is_what_it_replaced(settings):
    add_and_decide(settings, "c1", 0.53)
    _, result = add_and_decide(settings, "c2", 0.54)
    assert (result.outcome, result.version) == ("promoted", 2)
    assert aliases(settings) == {"champion": 2, "previous": 1}


def test_what_counts_is_f1_on_the_same_rows_not_what_was_recorded(settings):
    add_and_decide(settings, "c1", 0.60)
    assert add_and_decide(settings, "c2", 0.54, rivals={1: 0.55})[1].outcome == "held"
    assert add_and_decide(settings, "c3", 0.54, rivals={1: 0.53})[1].outcome == "promoted"


def test_a_number_that_means_another_version_by_now_counts_with_that_ones_recorded_f1(settings):
    add_and_decide(settings, "c1", 0.60)
    run_id = add_run(settings, "c2", 0.55)
    compare(settings, run_id, [rival(1, 0.53, 0.55, recorded_f1=0.61)])
    assert "registered since the comparison" in decide(settings, "c2").reason


def test_every_version_must_be_beaten_not_only_the_champion(settings):
    add_and_decide(settings, "c1", 0.53)
    add_and_decide(settings, "c2", 0.55)
    promote(settings, settings.registered_name("sklearn"), 1, "to test")
    _, result = add_and_decide(settings, "c3", 0.54)
    assert (result.outcome, aliases(settings)["champion"]) == ("held", 1)


def test_what_was_rolled_back_need_not_be_beaten_until_it_is_promoted_again(settings, client):
    name = settings.registered_name("sklearn")
    add_and_decide(settings, "c1", 0.554)
    add_and_decide(settings, "c2", 0.847)  # it leaks
    rollback(settings, name, "it leaks")
    assert client.get_model_version(name, "2").tags["ratchet.set_aside"].endswith(", by hand: it leaks")
    run_id, result = add_and_decide(settings, "c3", 0.566)
    assert (result.outcome, aliases(settings)) == ("promoted", {"champion": 3, "previous": 1})
    assert result.reason.endswith("; set aside: version 2; the 3rd candidate measured on these test rows")
    (why,) = json.loads(read_artifact(settings, run_id, "decision.json"))["versions_set_aside"].values()
    assert why.endswith("it leaks")
    promote(settings, name, 2, "it does not leak")
    assert "ratchet.set_aside" not in client.get_model_version(name, "2").tags
    assert add_and_decide(settings, "c4", 0.6)[1].outcome == "held"


def test_a_record_decides_nothing_beside_a_champion_on_the_same_rows(settings, client):
    add_and_decide(settings, "c1", 0.550)  # in June
    add_and_decide(settings, "c2", 0.560)
    name = settings.registered_name("sklearn")
    for known, place in ((True, "3rd"), (False, "4th")):
        run_id = add_run(settings, f"c3{known}", 0.349, metrics={"f1_all_positive": 0.23})  # in September
        rows = [rival(1, 0.550, 0.349, "recorded", "it is gone"), rival(2, 0.318, 0.349, recorded_f1=0.560)]
        compare(
            settings, run_id, [replace(one, champion=one.version == 2) for one in rows if known or one.version == 2]
        )
        result = decide(settings, f"c3{known}")
        assert result.outcome == "promoted"
        assert result.reason == (
            "F1 0.349 beats version 2 on the same rows (0.318, difference +0.031); not compared: version 1"
            f"; the {place} candidate measured on these test rows"
        )
        promote(settings, name, 2, "for another round")
        client.delete_model_version(name, str(result.version))


def month(number, year=2013):
    return {"ratchet.as_of": f"{year}-{number:02}-01", "ratchet.test_until": f"{year}-{number:02}-01"}


def test_what_is_older_than_the_champion_is_never_promoted_by_itself(settings):
    add_and_decide(settings, "c1", 0.5, tags=month(1, 2014) | {"ratchet.test_from": "2013-12-01"})
    older = month(10) | {"ratchet.test_from": "2013-09-01"}
    _, result = add_and_decide(settings, "c2", 0.6, tags=older)
    assert result.outcome == "held"
    why = "its test window ends on 2013-10-01, before that of the champion, version 1 (2014-01-01)"
    assert result.reason == f"F1 0.600 decides nothing: {why}"


@pytest.mark.parametrize(("until", "outcome"), [(12, "held"), (11, "promoted")])
def test_what_cant_be_compared_must_be_older(settings, until, outcome):
    add_and_decide(settings, "c1", 0.5, tags=month(until))
    run_id = add_run(settings, "c2", 0.6)
    compare(settings, run_id, [Rival.not_compared(1, 0.5, True, "it has learnt from all days")])
    result = decide(settings, "c2")
    assert result.outcome == outcome
    assert "it can't be compared with version 1" in result.reason or result.reason.endswith("; not compared: version 1")


def test_a_rollback_that_is_taken_back_sets_nothing_aside(settings, client):
    name = settings.registered_name("sklearn")
    add_and_decide(settings, "c1", 0.5)
    add_and_decide(settings, "c2", 0.6)
    rollback(settings, name, "it is slow")
    rollback(settings, name, "it is not")
    assert aliases(settings) == {"champion": 2, "previous": 1}
    assert ["ratchet.set_aside" in client.get_model_version(name, str(number)).tags for number in (1, 2)] == [False] * 2


def test_by_the_letter_of_the_rule_what_was_rolled_back_must_be_beaten(mlflow_server):
    letter = settings_for(
        mlflow_server, next(_names), retrain={"engines": ("sklearn",)}, promotion={"set_aside": False}
    )
    add_and_decide(letter, "c1", 0.554)
    add_and_decide(letter, "c2", 0.847)
    rollback(letter, letter.registered_name("sklearn"), "it leaks")
    assert "is below version 2" in add_and_decide(letter, "c3", 0.566)[1].reason


def test_against_the_champion_alone_the_others_need_not_be_beaten(mlflow_server):
    alone = settings_for(
        mlflow_server, next(_names), retrain={"engines": ("sklearn",)}, promotion={"against": "champion"}
    )
    add_and_decide(alone, "c1", 0.53)
    add_and_decide(alone, "c2", 0.55)
    promote(alone, alone.registered_name("sklearn"), 1, "to test")
    assert add_and_decide(alone, "c3", 0.54)[1].outcome == "promoted"


def test_a_version_that_is_missing_in_the_comparison_counts_with_its_recorded_f1(settings):
    add_and_decide(settings, "c1", 0.53)
    _, result = add_and_decide(settings, "c2", 0.52, compared=False)
    assert result.outcome == "held"
    assert "registered since the comparison, and measured on the same test window" in result.reason
    _, result = add_and_decide(settings, "c3", 0.54, compared=False, tags={"ratchet.test_until": "2014-01-01"})
    assert result.outcome == "promoted"
    assert "on another test window" in result.reason


def test_a_version_that_was_deleted_since_the_comparison_no_longer_counts(settings, client):
    add_and_decide(settings, "c1", 0.53)
    add_run(settings, "c2", 0.50)
    client.delete_model_version(settings.registered_name("sklearn"), "1")
    result = decide(settings, "c2")
    assert (result.outcome, result.version) == ("promoted", 2)


def test_a_version_whose_artifacts_and_run_are_gone_counts_with_the_f1_on_its_tag(settings, client):
    run_id, _ = add_and_decide(settings, "c1", 0.53)
    client.delete_run(run_id)
    assert add_and_decide(settings, "c2", 0.52)[1].outcome == "held"
    third = add_run(settings, "c3", 0.54)
    note = "it can't be loaded: no such artifact"
    compare(settings, third, [rival(1, 0.53, 0.54, "recorded", note)])
    result = decide(settings, "c3")
    assert result.outcome == "promoted"
    assert result.reason.endswith(f"counted by recorded F1: version 1 ({note})")


def test_a_version_of_which_nobody_knows_the_f1_holds_until_it_is_deleted(settings, client):
    run_id = add_run(settings, "c1", 0.53)
    name = settings.registered_name("sklearn")
    registered_model.ensure(client, name)
    client.create_model_version(name, f"runs:/{run_id}/model", run_id=run_id)
    MlflowClient(settings.tracking.uri).set_model_version_tag(name, "1", "ratchet.f1", "unknown")
    _, result = add_and_decide(settings, "c2", 0.9, compared=False)
    assert result.outcome == "held"
    assert "version 1 can be neither scored nor" in result.reason
    client.delete_model_version(name, "1")
    _, result = add_and_decide(settings, "c3", 0.9, compared=False)
    assert result.outcome == "promoted"


def test_a_version_that_somebody_registered_from_the_run_by_hand_is_taken_over(settings, client):
    run_id = add_run(settings, "c1", 0.53)
    name = settings.registered_name("sklearn")
    registered_model.ensure(client, name)
    client.create_model_version(name, f"runs:/{run_id}/model", run_id=run_id)
    result = decide(settings)
    assert (result.outcome, result.version, numbers(settings)) == ("promoted", 1, [1])
    assert decide(settings) == result
    assert aliases(settings) == {"champion": 1}


def test_recorded_values_are_compared_where_the_configuration_says_so(mlflow_server):
    recorded = settings_for(
        mlflow_server, next(_names), retrain={"engines": ("sklearn",)}, promotion={"compare": "recorded"}
    )
    add_and_decide(recorded, "c1", 0.60)
    _, result = add_and_decide(recorded, "c2", 0.54, rivals={1: 0.53})
    assert (result.outcome, "by its recorded F1 (0.600" in result.reason) == ("held", True)
    same_rows = recorded.model_copy(update={"promotion": settings_for(mlflow_server).promotion})
    assert add_and_decide(same_rows, "c3", 0.54, rivals={1: 0.53})[1].outcome == "promoted"


def test_a_confidence_that_is_asked_for_must_be_reached(mlflow_server):
    strict = settings_for(mlflow_server, next(_names), retrain={"engines": ("sklearn",)}, promotion={"confidence": 0.9})
    add_and_decide(strict, "c1", 0.53)
    assert add_and_decide(strict, "c2", 0.54, probability=0.8)[1].outcome == "held"
    assert add_and_decide(strict, "c3", 0.54, probability=0.95)[1].outcome == "promoted"


def test_a_promotion_lists_the_versions_three_times_at_most(settings, monkeypatch):
    for number in range(3):
        add_and_decide(settings, f"c{number}", 0.5 + number / 100)
    add_run(settings, "c3", 0.6)
    asked, send = [], requests.Session.send
    monkeypatch.setattr(
        requests.Session, "send", lambda own, request, **more: asked.append(request) or send(own, request, **more)
    )
    assert decide(settings, "c3").outcome == "promoted"
    assert len([request for request in asked if "/model-versions/search" in request.url]) <= 3
    # It does not grow with the versions that there are; `docs/bench.md` has the number.
    assert len(asked) <= 54


def test_the_last_comparison_says_how_far_each_version_was_ahead(settings, client):
    add_and_decide(settings, "c1", 0.50)
    assert rivals.last_leads(client, settings, "sklearn", ()) == {}
    add_and_decide(settings, "c2", 0.55, rivals={1: 0.52})
    versions = registered_model.versions_of(client, settings.registered_name("sklearn"))
    assert rivals.last_leads(client, settings, "sklearn", versions) == {1: pytest.approx(-0.03), 2: 0.0}


def test_the_third_candidate_on_the_same_test_rows_is_said_to_be_the_third(settings):
    elsewhere = {"ratchet.test_from": "2013-10-01", "ratchet.test_until": "2013-11-01"}
    overlapping = {"ratchet.test_from": "2013-11-30", "ratchet.test_until": "2013-12-30"}
    add_run(settings, "c0", 0.50, tags=elsewhere)
    add_run(settings, "c0", 0.50, status="FAILED")
    add_run(settings, "c0", 0.50, engine="spark")
    _, first = add_and_decide(settings, "c1", 0.53)
    add_run(settings, "c1", 0.52)
    run_id, second = add_and_decide(settings, "c2", 0.54, tags=overlapping)
    assert "measured on these test rows" not in first.reason + second.reason
    assert json.loads(read_artifact(settings, run_id, "decision.json"))["earlier_candidates"] == 1
    run_id, third = add_and_decide(settings, "c3", 0.52)
    assert third.reason.endswith("; the 3rd candidate measured on these test rows")
    assert json.loads(read_artifact(settings, run_id, "decision.json"))["earlier_candidates"] == 2
    assert "the 3rd candidate measured on these test rows" in read_artifact(settings, run_id, "report.html")


@pytest.mark.parametrize("f1", [0.53, 0.39])
def test_a_run_is_decided_once_however_often_it_is_asked_for(settings, f1):
    run_id, first = add_and_decide(settings, "c1", f1)
    before = read_artifact(settings, run_id, "decision.json")
    assert decide(settings) == first
    assert decide(settings) == first
    assert read_artifact(settings, run_id, "decision.json") == before
    assert len(numbers(settings)) == (1 if f1 > 0.4 else 0)


def test_deciding_again_does_not_undo_a_rollback(settings):
    add_and_decide(settings, "c1", 0.53)
    _, second = add_and_decide(settings, "c2", 0.54)
    rollback(settings, settings.registered_name("sklearn"), "it is slow")
    assert decide(settings, "c2") == second
    assert aliases(settings) == {"champion": 1, "previous": 2}


def test_an_alias_that_somebody_moved_in_mlflow_is_left_alone(settings, client):
    add_and_decide(settings, "c1", 0.53)
    add_and_decide(settings, "c2", 0.54)
    client.set_registered_model_alias(settings.registered_name("sklearn"), "champion", "1")
    add_and_decide(settings, "c3", 0.52)
    assert aliases(settings)["champion"] == 1


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"status": "FAILED"}, "is FAILED, not FINISHED"),
        ({"status": "KILLED"}, "is KILLED, not FINISHED"),
        ({"tags": {"ratchet.verified": "false"}}, "is not verified"),
        ({"tags": {"ratchet.complete": "false"}}, "is not complete"),
    ],
)
def test_a_run_that_is_not_finished_complete_and_verified_is_no_candidate(settings, options, why):
    add_run(settings, "c1", 0.53, **options)
    result = decide(settings)
    assert (result.outcome, result.version) == ("missing", None)
    assert why in result.reason
    assert numbers(settings) == []


def test_an_engine_without_a_candidate_does_not_stop_the_other(mlflow_server):
    both = settings_for(mlflow_server, next(_names))
    add_run(both, "c1", 0.53, engine="spark")
    missing, promoted = register(both, "c1")
    assert (missing.outcome, missing.reason) == ("missing", "the cycle c1 has no run of sklearn")
    assert (promoted.engine, promoted.outcome) == ("spark", "promoted")


def test_without_a_name_the_newest_cycle_may_have_trained_one_engine_alone(mlflow_server):
    both = settings_for(mlflow_server, next(_names))
    add_run(both, "c1", 0.53, engine="spark")
    skipped, promoted = register(both, None)
    assert (skipped.outcome, skipped.reason) == ("skipped", "the cycle c1 has no run of sklearn")
    assert promoted.outcome == "promoted"
    add_run(both, "c1", 0.53, tags={"ratchet.complete": "false"})
    assert register(both, None)[0].outcome == "missing"


def test_an_error_of_one_engine_does_not_stop_the_other(mlflow_server):
    both = settings_for(mlflow_server, next(_names))
    add_run(both, "c1", 0.53, metrics={"f1_all_positive": None})
    add_run(both, "c1", 0.53, engine="spark")
    with pytest.raises(FailedError, match="has no metric f1_all_positive"):
        register(both, "c1")
    assert numbers(both, "spark") == [1]
    assert numbers(both) == []


def test_the_models_of_the_engines_are_versioned_independently(mlflow_server):
    both = settings_for(mlflow_server, next(_names))
    add_run(both, "c1", 0.53)
    add_run(both, "c1", 0.51, engine="spark")
    assert [result.version for result in register(both, "c1")] == [1, 1]
    add_run(both, "c2", 0.52)
    add_run(both, "c2", 0.52, engine="spark")
    assert [result.outcome for result in register(both, "c2")] == ["held", "promoted"]
    assert (aliases(both), aliases(both, "spark")) == ({"champion": 1}, {"champion": 2, "previous": 1})


def test_without_a_cycle_the_newest_with_a_complete_run_is_decided_on(settings):
    add_run(settings, "c1", 0.53)
    add_run(settings, "c2", 0.54)
    add_run(settings, "c3", 0.55, status="FAILED")
    (result,) = register(settings, None)
    assert (result.cycle, result.outcome) == ("c2", "promoted")


def test_without_any_run_the_result_says_so(settings):
    (result,) = register(settings, None)
    assert (result.outcome, result.cycle) == ("missing", None)


def test_of_several_candidates_of_a_cycle_the_newest_counts(settings):
    add_run(settings, "c1", 0.53)
    newest = add_run(settings, "c1", 0.52)
    assert decide(settings).run_id == newest


def test_another_models_runs_in_one_experiment_are_no_candidates(mlflow_server):
    shared = f"shared-{next(_names)}"
    one, other = (
        settings_for(
            mlflow_server,
            next(_names),
            tracking={"uri": mlflow_server, "experiment": shared, "artifacts": None},
            retrain={"engines": ("sklearn",)},
        )
        for _ in range(2)
    )
    add_run(one, "c1", 0.53)
    assert decide(other).outcome == "missing"


def test_a_registrar_works_on_a_sqlite_file(mlflow_file):
    uri, artifacts = mlflow_file
    local = settings_for(uri, next(_names), artifacts, retrain={"engines": ("sklearn",)})
    for cycle, logged in (("c1", True), ("c2", False)):
        _, result = add_and_decide(local, cycle, 0.5 if logged else 0.6, logged=logged)
        assert result.outcome == "promoted"
    mlflow.set_tracking_uri(uri)
    for number in (1, 2):
        model = mlflow.pyfunc.load_model(f"models:/{local.registered_name('sklearn')}/{number}")
        assert list(model.predict(EXAMPLE)) == [1, 1]
    assert aliases(local) == {"champion": 2, "previous": 1}
    (linked,) = MlflowClient(uri).search_logged_models(
        [MlflowClient(uri).get_experiment_by_name(local.model).experiment_id]
    )
    assert json.loads(linked.tags["mlflow.modelVersions"]) == [{"name": local.registered_name("sklearn"), "version": 1}]


def test_a_server_that_is_not_there_is_a_temporary_error_with_its_address(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    address = f"http://127.0.0.1:{free_port()}"
    for act in (lambda away: register(away, "c1"), show, lambda away: promote(away, "m", 1, "to test")):
        with pytest.raises(TemporaryError, match=address) as caught:
            act(settings_for(address))
        assert "\n" not in str(caught.value)
