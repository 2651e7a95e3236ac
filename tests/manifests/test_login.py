"""The component `mlflow-login`: each pod that asks MLflow has an account, only MLflow's own the administrator's."""

import re

import pytest

from tests.manifests.kustomize import build, copy_tree, need_kubectl
from tests.manifests.pods import pods
from tests.manifests.rules import RULES

LOOKING = r"Deployment (exporter|server-.*)|CronJob score-sklearn|ScheduledSparkApplication score-spark, driver"


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """The objects of the overlay that its README shows."""
    need_kubectl()
    folder = copy_tree(tmp_path_factory.mktemp("login")) / "k8s/overlays/own"
    folder.mkdir()
    lines = ("namespace: ratchet", "resources: [../prod]", "components: [../../components/mlflow-login]")
    (folder / "kustomization.yaml").write_text("\n".join(lines))
    return build(folder)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_it_follows_the_rules(rule, locked):
    assert list(rule(locked)) == []


def test_each_pod_that_asks_mlflow_has_the_account_of_what_it_does(locked):
    asking = [pod for pod in pods(locked) if pod.labels.get("ratchet/uses-mlflow") == "true"]
    assert len(asking) > 12
    for pod in asking:
        wanted = "mlflow-reader" if re.fullmatch(LOOKING, pod.where) else "mlflow-machine"
        assert accounts(pod) == {wanted}, pod.where


def test_only_mlflow_itself_has_the_administrators_account(locked):
    having = {pod.where for pod in pods(locked) if "mlflow-admin" in accounts(pod)}
    assert having == {"Deployment mlflow"}


def accounts(pod):
    """The Secrets with accounts of MLflow that a pod has, by whatever way."""
    return set(re.findall(r"'(mlflow-(?:admin|machine|reader))'", str(pod.spec)))
