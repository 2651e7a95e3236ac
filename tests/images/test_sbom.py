"""The SBOM of each image names what is really in it; `make sbom` writes the same."""

import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.tags import parse_tag
from packaging.utils import canonicalize_name, parse_wheel_filename

from tests.images.container import DOCKER, ROOT, VERSION, docker, inspect, reference, run
from tests.images.test_images import IMAGES
from tests.manifests.promtool import tool_at

# The stores' images have Go programs alone.
PROGRAMS = {"minio": ("minio", "mc"), "versitygw": ("versitygw",)}
PYTHON = [name for name in IMAGES if name not in PROGRAMS]
# What a program of the image imports, and its distribution.
IMPORTED = [
    ("control", "mlflow", "mlflow-skinny"),
    ("trainer-sklearn", "sklearn", "scikit-learn"),
    ("trainer-sklearn", "lightgbm", "lightgbm"),
    ("trainer-spark", "pyspark", "pyspark"),
    ("trainer-spark", "xgboost", "xgboost-cpu"),
    ("mlflow", "mlflow", "mlflow"),
]
INSTALLED = """
import importlib.metadata, json
print(json.dumps([[each.name, each.version, each.read_text("WHEEL")] for each in importlib.metadata.distributions()]))
"""
LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
DEPENDENCY = re.compile(rb"(?:mod|dep|=>)\t([^\t\n]+)\t(v[^\t\n]+)\t?[^\n]*\n(?!=>)")
SECONDS = 500


@pytest.fixture(scope="module")
def sboms(tmp_path_factory):
    """The SBOMs that images/sbom writes, by image."""
    if tool_at("syft") is None:
        pytest.skip("syft is not there, so NO SBOM WAS TESTED; make .tools/syft brings it")
    folder = tmp_path_factory.mktemp("sbom")
    return written(folder, *IMAGES)


def written(folder, *names):
    """What images/sbom writes for these images."""
    command = [ROOT / "images/sbom", VERSION, folder, *names]
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return {name: (folder / f"{name}.cdx.json").read_text() for name in names}


def found(sbom, kind):
    """The components of a kind of package: (name, version)."""
    components = json.loads(sbom)["components"]
    return {(each["name"], each["version"]) for each in components if each.get("purl", "").startswith(f"pkg:{kind}/")}


def installed(name):
    """The Python packages of an image as Python itself finds them: name, version, tags."""
    done = run(name, "-c", INSTALLED, entrypoint="python")
    return [(canonicalize_name(each), version, wheel) for each, version, wheel in json.loads(done.stdout)]


@pytest.mark.parametrize("name", IMAGES)
def test_an_sbom_is_as_cyclonedx_wants_it(name, sboms):
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sboms[name])
    assert problem is None, str(problem)[:1000]


@pytest.mark.parametrize("name", IMAGES)
def test_each_component_has_a_name_and_a_version(name, sboms):
    bom = json.loads(sboms[name])
    assert [each for each in bom["components"] if not each["name"] or not each.get("version")] == []
    assert (bom["metadata"]["component"]["name"], bom["metadata"]["component"]["version"]) == (
        f"ratchet/{name}",
        VERSION,
    )


@pytest.mark.parametrize(("name", "module", "package"), IMPORTED)
def test_an_sbom_names_the_version_that_is_imported(name, module, package, sboms):
    imported = run(name, "-c", f"import {module}; print({module}.__version__)", entrypoint="python").stdout.strip()
    assert [version for each, version in found(sboms[name], "pypi") if each == package] == [imported]


@pytest.mark.parametrize("name", PYTHON)
def test_no_python_package_is_missing(name, sboms):
    named = {(canonicalize_name(each), version) for each, version in found(sboms[name], "pypi")}
    assert {each[:2] for each in installed(name)} - named == set()


@pytest.mark.parametrize("name", PYTHON)
def test_a_package_of_the_lock_has_the_hash_of_the_file_that_was_installed(name, sboms):
    hashes = {wheel["url"]: wheel["hash"] for each in LOCK["package"] for wheel in each.get("wheels", ())}
    given = {
        (canonicalize_name(each["name"]), each["version"]): each["externalReferences"][0]
        for each in json.loads(sboms[name])["components"]
        if "externalReferences" in each and each.get("purl", "").startswith("pkg:pypi/")
    }
    built = {(each["name"], each["version"]) for each in LOCK["package"] if each.get("wheels")}
    for package, version, wheel in installed(name):
        if (package, version) in built:
            file = given[package, version]
            assert file["hashes"] == [{"alg": "SHA-256", "content": hashes[file["url"]].removeprefix("sha256:")}]
            tags = {tag for line in re.findall(r"^Tag: (\S+)", wheel, re.MULTILINE) for tag in parse_tag(line)}
            assert tags & parse_wheel_filename(file["url"].rpartition("/")[2])[3], (package, tags, file["url"])


@pytest.mark.parametrize("name", IMAGES)
def test_an_sbom_names_exactly_the_debian_packages(name, sboms):
    done = run(name, "--show", "--showformat", "${Package} ${Version}\n", entrypoint="dpkg-query")
    assert found(sboms[name], "deb") == {tuple(line.split()) for line in done.stdout.splitlines()}


@pytest.mark.parametrize(("image", "programs"), PROGRAMS.items())
def test_an_sbom_names_each_module_that_a_store_was_compiled_from(sboms, image, programs):
    container = docker("create", reference(image)).stdout.strip()
    try:
        for program in programs:
            command = [DOCKER, "cp", f"{container}:/usr/local/bin/{program}", "-"]
            copied = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout
            with tarfile.open(fileobj=io.BytesIO(copied)) as archive:
                code = archive.extractfile(program).read()
            modules = {(name.decode(), version.decode()) for name, version in DEPENDENCY.findall(code)}
            assert len(modules) > 20
            assert modules - found(sboms[image], "golang") == set()
    finally:
        docker("rm", container)


def test_an_sbom_names_the_java_archives_of_spark(sboms):
    done = run("trainer-spark", "-c", "cd $SPARK_HOME/jars && ls *.jar", entrypoint="bash")
    jars = [file.removesuffix(".jar") for file in done.stdout.split()]
    components = json.loads(sboms["trainer-spark"])["components"]
    named = tuple(f"{each['name']}-{each['version']}" for each in components if each["type"] == "library")
    assert len(jars) > 100
    # Some have a classifier behind the version.
    assert [jar for jar in jars if jar not in named and not jar.startswith(tuple(f"{each}-" for each in named))] == []


def test_the_same_image_has_the_same_number(sboms, tmp_path):
    again, before = json.loads(written(tmp_path, "control")["control"]), json.loads(sboms["control"])
    assert again["serialNumber"] == before["serialNumber"]
    assert again["metadata"]["timestamp"] == inspect(reference("control"))["Created"]
