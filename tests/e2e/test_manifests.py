"""Every overlay is what this cluster's API accepts, the operator's resources included."""

import copy
import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from tests.e2e.cluster import CONTEXT, ClusterError, kubectl
from tests.manifests import schemas
from tests.manifests.kustomize import ROOT, build, copy_tree

OVERLAYS = sorted(path.parent.name for path in (ROOT / "k8s/overlays").glob("*/kustomization.yaml"))

pytestmark = pytest.mark.smoke


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return copy_tree(tmp_path_factory.mktemp("manifests"))


@pytest.fixture(scope="module")
def conforms(tmp_path_factory):
    """kubeconform with the schemas of this cluster: the sentences about what does not conform."""
    program = shutil.which("kubeconform")
    assert program, "kubeconform is not on the PATH; https://github.com/yannh/kubeconform says how to get it"
    location = schemas.write(json.loads(kubectl("get", "--raw", "/openapi/v2")), tmp_path_factory.mktemp("schemas"))

    def ask(objects):
        done = subprocess.run(
            [program, "-strict", "-output", "json", "-schema-location", location],
            input=yaml.safe_dump_all(objects),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return [f"{each['kind']} {each['name']}: {each['msg']}" for each in json.loads(done.stdout)["resources"]]

    return ask


def dry_run(folder):
    """What the API server says to an overlay that it would get; a warning is a mistake."""
    words = ["kubectl", "--context", CONTEXT, "apply", "--dry-run=server", "--validate=strict", "--kustomize", folder]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def dry_runs(deployed, tree):
    """`dry_run` of every overlay, all at once: kubectl sends its requests slowly."""
    with ThreadPoolExecutor() as pool:
        yield {overlay: pool.submit(dry_run, tree / "k8s/overlays" / overlay) for overlay in OVERLAYS}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_api_server_accepts(overlay, dry_runs):
    assert dry_runs[overlay].result() == (0, "")


@pytest.mark.parametrize("folder", ["namespace", "admission"])
def test_the_api_server_accepts_what_is_there_once(folder, deployed, tree):
    assert dry_run(tree / "k8s" / folder) == (0, "")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubeconform_accepts(overlay, deployed, conforms, tree):
    assert conforms(build(tree / "k8s/overlays" / overlay)) == []


def test_kubeconform_accepts_the_operator_as_it_is_installed(deployed, conforms):
    kinds = "deployment,service,serviceaccount,role,rolebinding"
    objects = json.loads(kubectl("get", kinds, "--namespace", "spark-operator", "-o", "json"))["items"]
    assert len(objects) > 5
    assert conforms(objects) == []


@pytest.mark.parametrize(
    ("kind", "key"), [("CronJob", "suspended"), ("ScheduledSparkApplication", "suspended"), ("Deployment", "replica")]
)
def test_a_misspelt_key_is_refused(kind, key, deployed, conforms, tree):
    objects = copy.deepcopy([thing for thing in build(tree / "k8s/base") if thing["kind"] == kind])
    objects[0]["spec"][key] = True
    found = conforms(objects)
    assert len(found) == 1
    assert key in found[0]
    with pytest.raises(ClusterError, match=key):
        kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump_all(objects))
