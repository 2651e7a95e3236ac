"""What applies the overlay again and again finds nothing to undo: what a user changes in operation is in an overlay."""

import pytest

from tests.manifests.kustomize import build, copy_tree, need_kubectl
from tests.manifests.rules import RULES

OWN = """\
namespace: ratchet
resources: [../prod]
components: [../../components/autoscaling]
patches:
  - target: {kind: CronJob, name: watch}
    patch: '[{"op": "replace", "path": "/spec/suspend", "value": false}]'
  - target: {kind: CronJob, name: retrain}
    patch: '[{"op": "add", "path": "/spec/suspend", "value": true}]'
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The objects of the overlay that docs/kubernetes.md shows, by kind and name."""
    need_kubectl()
    folder = copy_tree(tmp_path_factory.mktemp("own")) / "k8s/overlays/own"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(OWN)
    return {(thing["kind"], thing["metadata"]["name"]): thing for thing in build(folder)}


def test_the_number_of_servers_is_the_autoscalers_alone(own, overlays):
    prod = {(thing["kind"], thing["metadata"]["name"]): thing for thing in overlays["prod"]}
    fixed = prod["Deployment", "server-sklearn"]["spec"]
    assert fixed["replicas"] == 2
    free = own["Deployment", "server-sklearn"]["spec"]
    assert "replicas" not in free
    assert {**free, "replicas": 2} == fixed
    scaled = own["HorizontalPodAutoscaler", "server-sklearn"]["spec"]
    assert scaled["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "server-sklearn"}


def test_a_patch_starts_the_watch_and_pauses_the_cycles(own):
    assert own["CronJob", "watch"]["spec"]["suspend"] is False
    assert own["CronJob", "retrain"]["spec"]["suspend"] is True


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_it_follows_the_rules(rule, own):
    assert list(rule([*own.values()])) == []


def test_a_job_that_deletes_itself_is_a_hook_of_argo_cd(overlays):
    """Otherwise it would be missing for ever."""
    jobs = [thing for name in ("dev", "prod") for thing in overlays[name] if thing["kind"] == "Job"]
    assert jobs
    for job in jobs:
        notes = job["metadata"]["annotations"]
        assert notes["argocd.argoproj.io/hook"] == "Sync"
        assert notes["argocd.argoproj.io/hook-delete-policy"] == "BeforeHookCreation"
