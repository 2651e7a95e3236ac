"""The policies of admission: they name each definition of a step, and each account that may create something.

What a definition has is compared in the cluster (`tests/e2e/test_admission.py`); here is what the policies list.
"""

import ast
import re

import pytest

from ratchet.core.steps import ENGINES, STEPS, name_of
from ratchet.io.cluster.api import JOBS
from ratchet.io.cluster.steps.step_objects import origin_of
from ratchet.io.runner import Order
from tests.manifests.kustomize import OVERLAYS, build
from tests.manifests.rules import _of_kind

NAME = "app.kubernetes.io/name"
# Who creates one of these has pods.
CREATING = (
    "jobs",
    "cronjobs",
    "sparkapplications",
    "scheduledsparkapplications",
    "pods",
    "deployments",
    "statefulsets",
    "daemonsets",
    "replicasets",
)
VERBS = [("register",), ("rollout",)] + [(verb, one) for verb in ("train", "validate", "watch") for one in ENGINES]


@pytest.fixture(scope="module")
def admission(tree):
    return build(tree / "k8s/admission")


@pytest.fixture(scope="module")
def policies(admission):
    return {each["metadata"]["name"]: each["spec"] for each in _of_kind(admission, "ValidatingAdmissionPolicy")}


@pytest.fixture(scope="module")
def bindings(admission):
    return {each["metadata"]["name"]: each["spec"] for each in _of_kind(admission, "ValidatingAdmissionPolicyBinding")}


@pytest.fixture(scope="module")
def known(policies):
    """The labels that each account's objects of a kind may have."""
    variables = {each["name"]: each["expression"] for each in policies["ratchet-known"]["variables"]}
    return ast.literal_eval(variables["known"].strip())


def definition(objects, name):
    """The labels of what is made from a definition, and its containers."""
    (found,) = (
        thing
        for kind in ("CronJob", "ScheduledSparkApplication")
        for thing in _of_kind(objects, kind)
        if thing["metadata"]["name"] == name
    )
    if found["kind"] == "ScheduledSparkApplication":
        return found["metadata"]["labels"], found["spec"]["template"]["driver"]["template"]["spec"]["containers"]
    template = found["spec"]["jobTemplate"]
    return template["metadata"]["labels"], template["spec"]["template"]["spec"]["containers"]


def test_these_are_all_steps():
    assert {name_of(verb) for verb in VERBS} == STEPS


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_made_from_each_definition_is_held_to_it(overlays, overlay, known, bindings):
    made = [("watch", "Job", "retrain", "ratchet-jobs")]
    for verb in VERBS:
        origin = origin_of(Order(verb, ()))
        policy = "ratchet-jobs" if origin.resource is JOBS else "ratchet-applications"
        account = "watch" if verb[0] == "watch" else "coordinator"
        made.append((account, origin.resource.kind, origin.definition, policy))
    labels = {}
    for account, kind, name, policy in made:
        found, containers = definition(overlays[overlay], name)
        labels.setdefault(f"{account} {kind}", []).append(found[NAME])
        assert len(containers) == 1, name
        assert bindings[f"ratchet-{name}"] == {
            "policyName": policy,
            "validationActions": ["Deny"],
            "matchResources": {"objectSelector": {"matchLabels": {NAME: found[NAME]}}},
            "paramRef": {"name": name, "parameterNotFoundAction": "Deny"},
        }
    assert {key: sorted(values) for key, values in labels.items()} == {key: sorted(known[key]) for key in known}
    held = {name for _, _, name, _ in made}
    assert bindings.keys() == {
        *(f"ratchet-{name}" for name in held),
        *(f"ratchet-{name}" for name in ("known", "executors", "servers")),
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_whoever_may_create_what_runs_is_held(overlays, overlay, policies):
    """Another account with one of these rights would be held by no policy."""
    rights = {}
    roles = {role["metadata"]["name"]: role["rules"] for role in _of_kind(overlays[overlay], "Role")}
    for binding in _of_kind(overlays[overlay], "RoleBinding"):
        for rule in roles[binding["roleRef"]["name"]]:
            for resource in CREATING:
                if resource in rule["resources"] and {*rule["verbs"]} & {"create", "update", "patch", "*"}:
                    rights.setdefault(resource, set()).update(one["name"] for one in binding["subjects"])
    drivers = {
        each["spec"]["template"]["driver"]["serviceAccount"]
        for each in _of_kind(overlays[overlay], "ScheduledSparkApplication")
    }
    assert rights == {
        "jobs": {"coordinator", "watch"},
        "sparkapplications": {"coordinator"},
        "pods": drivers,
        "deployments": {"rollout"},
    }
    (condition,) = policies["ratchet-servers"]["matchConditions"]
    assert condition["expression"].endswith("':rollout'")
    for name in ("ratchet-known", "ratchet-jobs", "ratchet-applications"):
        (condition,) = policies[name]["matchConditions"]
        assert set(re.findall(r"'(\w+)'", condition["expression"])) == {"coordinator", "watch"}


def test_a_policy_that_fails_refuses_and_acts_in_the_namespaces_of_ratchet(policies, tree):
    (namespace,) = build(tree / "k8s/namespace")
    assert policies.keys() == {f"ratchet-{name}" for name in ("known", "jobs", "applications", "executors", "servers")}
    for spec in policies.values():
        assert spec["failurePolicy"] == "Fail"
        wanted = spec["matchConstraints"]["namespaceSelector"]["matchLabels"]
        assert wanted.items() <= namespace["metadata"]["labels"].items()
        assert all(each["reason"] == "Forbidden" for each in spec["validations"]), "the coordinator tries that again"


def test_no_overlay_has_what_is_of_the_whole_cluster(overlays):
    """Who deletes one namespace's overlay would take the lock from the others."""
    for name, objects in overlays.items():
        assert not [each["kind"] for each in objects if each["kind"].startswith("ValidatingAdmission")], name
