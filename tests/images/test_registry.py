"""A release into a real registry: images, digests, the chart, the artifact. The images are small ones of its own."""

import io
import json
import re
import shutil
import socket
import subprocess
import tarfile
import time

import pytest
import yaml

from tests.images.container import DOCKER, ROOT, docker
from tests.manifests import rules
from tests.manifests.kustomize import build, need_kubectl
from tests.manifests.pods import pods
from tests.manifests.promtool import tool_at
from tests.manifests.releasing import NUMBER, Release, by_key, templated

ORAS = tool_at("oras")
SUFFIX = "-test"
OURS = [
    f"ratchet/{name}:{NUMBER}{SUFFIX}"
    for name in ("control", "trainer-sklearn", "trainer-spark", "mlflow", "versitygw")
]
OTHERS = [f"{name}:{NUMBER}{SUFFIX}" for name in ("postgres", "prom/prometheus")]
BASES = ("python:3.12-slim-bookworm", "debian:bookworm-slim", "golang:1.26-bookworm")
SBOM = json.dumps({"bomFormat": "CycloneDX", "metadata": {"timestamp": "2026-01-02T03:04:05Z"}}, indent=1)
READY_SECONDS = 60


@pytest.fixture(scope="module")
def registry():
    """The address of a registry on this machine, which has no certificate."""
    found = docker("image", "inspect", "registry:2", check=False).returncode == 0
    if not found and docker("pull", "--quiet", "registry:2", check=False).returncode != 0:
        pytest.skip("the image registry:2 is not here and can't be pulled, so NOTHING WAS PUSHED")
    if ORAS is None:
        pytest.skip("oras is not there, so NOTHING WAS PUSHED; make .tools/oras brings it")
    container = docker("run", "--detach", "--rm", "--publish", "127.0.0.1::5000", "registry:2").stdout.strip()
    port = docker("port", container, "5000").stdout.rpartition(":")[2].strip()
    deadline = time.monotonic() + READY_SECONDS
    while subprocess.run([ORAS, "repo", "ls", "--plain-http", f"localhost:{port}"], check=False, timeout=30).returncode:
        assert time.monotonic() < deadline, docker("logs", container).stderr
        time.sleep(0.5)
    yield f"localhost:{port}"
    docker("rm", "--force", container)


@pytest.fixture(scope="module")
def images():
    """An image of one file for each that the overlay names."""
    for name in (*OURS, *OTHERS):
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as file:
            entry = tarfile.TarInfo("name")
            entry.size = len(name)
            file.addfile(entry, io.BytesIO(name.encode()))
        subprocess.run([DOCKER, "import", "-", name], input=archive.getvalue(), check=True, timeout=60)
    yield
    found = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    docker("image", "rm", *(each for each in found if each.endswith(f":{NUMBER}{SUFFIX}")))


@pytest.fixture(scope="module")
def released(registry, images, tmp_path_factory):
    need_kubectl()
    made = Release(tmp_path_factory.mktemp("release"), SUFFIX, f"{registry}/team")
    component = made.folder / "k8s/components/release/kustomization.yaml"
    text = re.sub(
        r"(name: (?:postgres|prom/prometheus), newTag: )[^}]+", rf'\1"{NUMBER}{SUFFIX}"', component.read_text()
    )
    component.write_text(text)
    (made.dist / "sbom").mkdir(parents=True)
    for name in ("control", "minio"):  # the second is no image of the overlay, so it is not pushed
        (made.dist / f"sbom/{name}.cdx.json").write_text(SBOM)
    for step in ("check", "push", "pin", "render", "publish"):
        made.step(step)
    return made


def oras(*words, folder=None):
    done = subprocess.run([ORAS, *words], capture_output=True, text=True, timeout=60, check=True, cwd=folder)
    return done.stdout.strip()


def test_every_image_is_named_by_the_digest_that_the_registry_has(released, registry):
    images = {container.get("image", "") for pod in pods(released.objects()[1:]) for container in pod.containers}
    expected = {
        f"{registry}/team/{name.partition(':')[0]}@{oras('resolve', '--plain-http', f'{registry}/team/{name}')}"
        for name in (*OURS, *OTHERS)
    }
    assert images == expected


def test_an_image_comes_back_as_it_was_pushed(released, registry):
    manifest = json.loads(oras("manifest", "fetch", "--plain-http", f"{registry}/team/{OURS[0]}"))
    blob = f"{registry}/team/{OURS[0].partition(':')[0]}@{manifest['layers'][0]['digest']}"
    done = subprocess.run(
        [ORAS, "blob", "fetch", "--plain-http", "--output", "-", blob], capture_output=True, timeout=60, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as file:
        assert file.extractfile("name").read().decode() == OURS[0]


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_pinned_overlay_follows_the_rules(rule, released):
    assert list(rule(build(released.dist / "prod"))) == []


def test_the_artifact_has_what_installs_it(released, registry, tmp_path):
    oras("pull", "--plain-http", f"{registry}/team/ratchet/bundle:{released.version}", folder=tmp_path)
    objects = list(yaml.load_all((tmp_path / "bundle/ratchet/ratchet.yaml").read_text(), Loader=yaml.CSafeLoader))
    assert objects == released.objects()
    assert (tmp_path / "bundle/operator/spark-operator.yaml").is_file()


def test_the_artifact_is_one_layer_as_flux_and_argo_cd_read_it(released, registry):
    reference = f"{registry}/team/ratchet/bundle:{released.version}"
    (layer,) = json.loads(oras("manifest", "fetch", "--plain-http", reference))["layers"]
    assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"


def test_helm_installs_the_chart_from_the_registry(released, registry):
    found = templated(f"oci://{registry}/team/charts/ratchet", "--version", released.version)
    assert found == by_key(released.objects()[1:])


def attached(image):
    """What is attached to an image: the manifests."""
    found = json.loads(oras("discover", "--plain-http", "--format", "json", image))
    return found.get("referrers") or found.get("manifests")


def test_an_image_comes_with_its_sbom(released, registry, tmp_path):
    image = f"{registry}/team/{OURS[0]}"
    (sbom,) = attached(image)
    assert sbom["artifactType"] == "application/vnd.cyclonedx+json"
    oras("pull", "--plain-http", f"{image.rpartition(':')[0]}@{sbom['digest']}", folder=tmp_path)
    assert (tmp_path / "sbom/control.cdx.json").read_text() == SBOM


def test_a_release_may_be_repeated(released, registry):
    before = released.objects()
    for step in ("push", "pin", "render", "publish"):
        released.step(step)
    assert released.objects() == before
    assert len(attached(f"{registry}/team/{OURS[0]}")) == 1


def test_the_bases_are_named_by_the_digests_that_a_registry_has(released, registry):
    shutil.copytree(ROOT / "images", released.folder / "images")
    hub = f"{registry}/hub"
    try:
        for base in BASES:
            docker("tag", OURS[0], f"{hub}/{base}")
            docker("push", f"{hub}/{base}")
    finally:
        docker("image", "rm", *(f"{hub}/{base}" for base in BASES))
    pinned = [f"{hub}/{base}@{oras('resolve', '--plain-http', f'{hub}/{base}')}" for base in BASES]
    command = [released.folder / "images/pin-bases", hub]
    subprocess.run(command, env=released.variables, check=True, capture_output=True, timeout=60)
    options = [said(released, "images/dockerfile", name) for name in ("control", "trainer-spark", "minio")]
    folder, (python, debian, golang) = f"{released.folder}/images", pinned
    assert options == [
        f"--file {folder}/python/Dockerfile --target control --build-arg PYTHON={python}",
        f"--file {folder}/trainer-spark/Dockerfile --build-arg PYTHON={python} --build-arg DEBIAN={debian}",
        f"--file {folder}/minio/Dockerfile --build-arg DEBIAN={debian} --build-arg GOLANG={golang}",
    ]
    assert said(released, "images/dockerfile", "minio", "base") == debian


def said(released, program, *words):
    command = [released.folder / program, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def test_a_registry_that_refuses_is_named_in_one_sentence(released):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"localhost:{closed.getsockname()[1]}"
        for step, refused in (("push", "refused"), ("pin", "has no digest for"), ("publish", "refused")):
            done = released.attempt(step, REGISTRY=address)
            assert done.returncode == 1
            assert done.stderr.count("\n") == 1
            assert done.stderr.startswith(f"release: {address} {refused} ")


def test_an_image_that_is_nowhere_is_named(released):
    done = released.attempt("push", VERSION=f"{NUMBER}-none")
    assert done.returncode == 1
    assert done.stderr.startswith(f"release: the image ratchet/control:{NUMBER}-none is not here and can't be pulled: ")
