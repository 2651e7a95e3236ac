"""What `make release` makes without a registry: one YAML, and the sentences of steps that can't work."""

import os
import shutil

import pytest
import yaml

from tests.manifests import rules
from tests.manifests.kustomize import KUBECTL, ROOT, build, need_kubectl
from tests.manifests.pods import pods
from tests.manifests.releasing import NUMBER, Release, by_key

LABEL = "app.kubernetes.io/version"


def test_the_one_yaml_is_the_namespace_and_then_the_overlay_prod(release, overlays):
    namespace, *objects = release.objects()
    assert (namespace["kind"], namespace["metadata"]["name"]) == ("Namespace", "ratchet")
    expected = yaml.safe_dump_all(overlays["prod"]).replace(f"{LABEL}: {NUMBER}\n", f"{LABEL}: {release.version}\n")
    for image in {container.get("image", "") for pod in pods(objects) for container in pod.containers}:
        if image.startswith("ratchet/"):
            expected = expected.replace(f"image: {image.partition(':')[0]}:{NUMBER}\n", f"image: {image}\n")
    assert by_key(objects) == by_key(yaml.safe_load_all(expected))


BUILT_IN = {"v1", "apps", "batch", "policy", "networking.k8s.io", "rbac.authorization.k8s.io"}


def test_it_needs_the_operators_kinds_and_says_so(release):
    groups = {each["apiVersion"].partition("/")[0] for each in release.objects()}
    assert groups - BUILT_IN == {"sparkoperator.k8s.io"}
    head = (release.dist / f"ratchet-{release.version}.yaml").read_text().partition("apiVersion")[0]
    assert "kubectl apply --server-side -f spark-operator-2.5.1.yaml" in head
    assert (release.dist / "spark-operator-2.5.1.yaml").is_file()


def test_what_removes_it_spares_the_namespace_and_so_the_data(release):
    head = (release.dist / f"ratchet-{release.version}.yaml").read_text().partition("apiVersion")[0]
    assert f"kubectl delete -f ratchet-{release.version}.yaml -l {LABEL}\n" in head
    without = [each["kind"] for each in release.objects() if LABEL not in each["metadata"]["labels"]]
    assert without == ["Namespace"]


def test_each_image_and_label_carries_the_version(release):
    objects = release.objects()[1:]
    assert {each["metadata"]["labels"][LABEL] for each in objects} == {release.version}
    images = {container.get("image", "") for pod in pods(objects) for container in pod.containers}
    ours = {each for each in images if each.startswith("ratchet/")}
    assert {each.partition(":")[2] for each in ours} == {release.version}
    assert len(ours) == 5


def test_the_folder_of_the_artifact_has_the_same_files(release):
    for name, own in (
        ("operator/spark-operator.yaml", "spark-operator-2.5.1.yaml"),
        ("ratchet/ratchet.yaml", f"ratchet-{release.version}.yaml"),
    ):
        assert (release.dist / "bundle" / name).read_text() == (release.dist / own).read_text()


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_release_follows_the_rules_of_an_overlay(rule, release):
    assert list(rule(release.objects()[1:])) == []


def test_the_pinned_overlay_can_be_applied_as_a_folder(release):
    assert build(release.dist / "prod")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    need_kubectl()
    return Release(tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("version", ["9.9.9", f"{NUMBER}9", f"{NUMBER}-", f"{NUMBER}-a b", "latest", f"{NUMBER}+1"])
def test_another_version_than_that_of_pyproject_is_refused(version, plain):
    done = plain.attempt("check", VERSION=version)
    assert done.returncode == 2
    assert done.stderr == (
        f"release: VERSION is '{version}'; pyproject.toml says {NUMBER}, and {NUMBER} or that with a suffix, "
        f"as {NUMBER}-rc.1, is accepted\n"
    )


@pytest.mark.parametrize(
    "registry", ["https://registry.example.com", "team", "registry.example.com/", "a.b/c d", "A.b"]
)
def test_a_registry_that_is_none_is_refused(registry, plain):
    done = plain.attempt("check", REGISTRY=registry)
    assert done.returncode == 2
    assert done.stderr == (
        f"release: REGISTRY is '{registry}'; a host with or without a path is accepted, as registry.example.com/team\n"
    )


@pytest.mark.parametrize("step", [["push"], ["publish"], ["check", "registry"]])
def test_what_is_for_a_registry_wants_one(step, plain):
    done = plain.attempt(*step)
    assert done.returncode == 2
    assert done.stderr.startswith("release: REGISTRY is not set; ")
    assert done.stderr.count("\n") == 1


def test_without_docker_nothing_is_pushed(plain):
    done = plain.attempt("check", REGISTRY="localhost:5000/team", DOCKER_HOST="tcp://127.0.0.1:1")
    assert done.returncode == 1
    assert done.stderr == "release: REGISTRY is set, and Docker, which pushes the images, does not answer\n"


def test_without_oras_no_digest_is_read(plain, tmp_path):
    (tmp_path / "kubectl").symlink_to(KUBECTL)
    moved = plain.folder / ".tools/oras"
    target = moved.readlink() if moved.is_symlink() else None
    moved.unlink(missing_ok=True)
    done = plain.attempt("pin", REGISTRY="localhost:5000", PATH=f"{tmp_path}:/usr/bin:/bin")
    if target is not None:
        moved.symlink_to(target)
    assert done.returncode == 1
    assert done.stderr == "release: oras is needed to talk to the registry; make .tools/oras\n"


def test_without_kubectl_nothing_is_made(plain, tmp_path):
    for name in ("bash", "dirname", "sed"):
        (tmp_path / name).symlink_to(shutil.which(name))
    done = plain.attempt("check", PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("release: kubectl is needed and is not on the PATH; ")


def test_an_operator_that_cannot_be_read_ends_it(plain):
    plain.step("pin")
    done = plain.attempt("render", SPARK_OPERATOR_CONFIG=os.devnull)
    assert done.returncode == 1
    assert done.stderr.endswith(
        "release: the Spark operator's manifests could not be built; is github.com reachable?\n"
    )


def cores(text):
    return float(text.removesuffix("m")) / (1000 if text.endswith("m") else 1)


def gibibytes(text):
    return sum(float(each[:-2]) / (1 if each[-2:] == "Gi" else 1024) for each in text.replace("g", "Gi").split("+"))


def requested(objects, kinds, names=None):
    """Cores and GiB that the pods of these kinds request."""
    found = [0.0, 0.0]
    for thing in objects:
        if thing["kind"] in kinds and (names is None or thing["metadata"]["name"] in names):
            for pod in pods([thing]):
                for container in pod.spec["containers"]:
                    requests, replicas = container["resources"]["requests"], thing["spec"].get("replicas", 1)
                    found[0] += replicas * cores(requests["cpu"])
                    found[1] += replicas * gibibytes(requests["memory"])
    return found


def test_the_page_says_what_the_pods_request(release):
    objects = release.objects()
    rest = requested(objects, {"Deployment", "StatefulSet"})
    cycle = requested(objects, {"CronJob", "ScheduledSparkApplication"}, {"train-sklearn", "train-spark"})
    page = " ".join((ROOT / "docs/install.md").read_text().split())
    assert f"request {rest[0]:.0f} core and {rest[1]:.0f} GiB; a cycle requests {cycle[0]:.0f} cores and" in page
    assert f"and {cycle[1]:.0f} GiB more, with one of Spark's executors" in page
