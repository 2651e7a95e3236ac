"""The chart is the overlay: with its own values it makes the same objects, and each value changes what it is for."""

import json
import subprocess
import sys

import pytest
import yaml

from tests.manifests.kustomize import ROOT, build
from tests.manifests.releasing import by_key, template, templated

OWN = ("ratchet-settings", "ratchet-config", "s3", "mlflow-database")


@pytest.fixture(scope="module")
def chart(release):
    return release.dist / "chart/ratchet"


@pytest.fixture(scope="module")
def default(chart):
    return templated(chart)


def test_with_its_own_values_it_makes_the_objects_of_the_overlay(default, release):
    assert default == by_key(release.objects()[1:])


def test_the_archive_is_the_chart(default, release):
    assert templated(release.dist / f"ratchet-{release.version}.tgz") == default


def test_it_carries_the_version(chart, release):
    metadata = yaml.safe_load((chart / "Chart.yaml").read_text())
    assert metadata["version"] == metadata["appVersion"] == release.version


def test_what_prometheus_replaces_is_left_to_prometheus(default):
    (found,) = (
        each for (kind, name), each in default.items() if kind == "ConfigMap" and name.startswith("prometheus-r")
    )
    assert '{{ $value | printf "%.3f" }}' in found["data"]["ratchet.yaml"]


def test_with_buckets_and_a_database_elsewhere_it_makes_the_objects_of_those_components(chart, release):
    found = templated(
        chart,
        "--set=s3.inCluster=false,s3.endpoint=http://s3.example.com",
        "--set=database.inCluster=false,database.address=postgres.example.com:5432/mlflow?sslmode=require",
    )
    folder = release.dist / "both"
    folder.mkdir(exist_ok=True)
    (folder / "kustomization.yaml").write_text(
        "resources: [../prod]\n"
        "components: [../../k8s/chart/external-s3, ../../k8s/chart/external-postgres]\n"
        "configMapGenerator:\n"
        "  - name: s3\n"
        "    behavior: merge\n"
        "    literals: [AWS_ENDPOINT_URL=http://s3.example.com, MLFLOW_S3_ENDPOINT_URL=http://s3.example.com]\n"
    )
    # The names of ConfigMaps that hold values have another hash: Helm makes it.
    assert unnamed(found) == unnamed(by_key(build(folder)))


def unnamed(objects):
    text = json.dumps(list(objects.values()))
    for kind, name in objects:
        stem = name.rpartition("-")[0]
        if kind == "ConfigMap" and stem in OWN:
            text = text.replace(f'"{name}"', f'"{stem}"')
    return by_key(json.loads(text))


def test_it_goes_into_any_namespace(chart, release):
    found = templated(chart, namespace="elsewhere")
    assert {each["metadata"]["namespace"] for each in found.values()} == {"elsewhere"}
    text = json.dumps(list(found.values()))
    assert '"namespace": "ratchet"' not in text
    assert "mlflow.elsewhere.svc" in text
    assert "mlflow.ratchet" not in text


VALUES = {
    "images.registry": "registry.example.com",
    "images.tag": "v9",
    "images.pullSecrets": [{"name": "mine"}],
    "configuration": "model: churn\n",
    "table": "s3://warehouse/customers",
    "settings": {"RATCHET__WINDOWS__TEST": "3mo"},
    "schedule": "0 5 * * 2",
    "suspend": True,
    "dailyWatch.suspend": False,
    "dailyWatch.schedule": "0 7 * * *",
    "otherModels": "ratchet-a ratchet-b",
    "storage.class": "fast",
    "storage.objects": "77Gi",
    "storage.postgres": "78Gi",
    "storage.prometheus": "79Gi",
    "s3.endpoint": "https://s3.example.com",
    "s3.region": "eu-central-1",
    "database.address": "db.example.com:5432/mlflow",
    "database.user": "somebody",
    "secrets": {"s3-mlflow": "mine"},
    "trainers.sklearn": {"requests": {"memory": "9Gi"}},
    "trainers.spark.driverMemory": "9g",
    "trainers.spark.executorMemory": "8g",
    "trainers.spark.driverCores": "750m",
    "trainers.spark.executorCores": "850m",
    "trainers.spark.maxExecutors": 7,
    "serving.sklearnReplicas": 5,
    "serving.sparkReplicas": 6,
}
SWITCHES = {"s3.inCluster", "database.inCluster"}


def names(values, before=""):
    """The values of the chart by their dotted names; a mapping that is a value of its own counts as one."""
    for key, each in values.items():
        name = f"{before}{key}"
        if isinstance(each, dict) and name not in VALUES:
            yield from names(each, f"{name}.")
        else:
            yield name


def test_every_value_is_tried_here(chart):
    assert set(names(yaml.safe_load((chart / "values.yaml").read_text()))) == VALUES.keys() | SWITCHES


def test_every_value_is_in_the_page():
    page = (ROOT / "docs/install.md").read_text()
    missing = [name for name in (*VALUES, *SWITCHES) if f"`{name}`" not in page]
    assert {name.rpartition(".")[0] for name in missing} <= {"trainers.spark"}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_reaches_the_objects(name, chart, default):
    found = templated(chart, "--set-json", f"{name}={json.dumps(VALUES[name])}")
    leaf = VALUES[name]
    while isinstance(leaf, dict | list):
        leaf = next(iter(leaf.values() if isinstance(leaf, dict) else leaf))
    wanted = json.dumps(leaf).strip('"')
    assert json.dumps(list(found.values())).count(wanted) > json.dumps(list(default.values())).count(wanted)


@pytest.mark.parametrize("name", ["table", "settings", "configuration"])
def test_a_changed_setting_replaces_the_pods_that_read_it(name, chart, default):
    changed = templated(chart, "--set-json", f"{name}={json.dumps(VALUES[name])}")
    key = ("Deployment", "server-sklearn")
    assert changed[key]["spec"]["template"] != default[key]["spec"]["template"]


def test_a_setting_may_be_a_number_or_a_truth(chart):
    found = templated(chart, "--set-json", 'settings={"RATCHET__A": 100000000, "RATCHET__B": true}')
    (data,) = (each["data"] for (_, name), each in found.items() if name.startswith("ratchet-settings-"))
    assert (data["RATCHET__A"], data["RATCHET__B"]) == ("100000000", "true")


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("tabel=x", "additional properties 'tabel' not allowed"),
        ("serving.sklearnReplicas=many", "got string, want integer"),
        ("settings.RATCHET__DATA__URI=x", "settings.RATCHET__DATA__URI is a value of its own"),
        ("s3.inCluster=false", "s3.inCluster is false: set s3.endpoint"),
        ("database.inCluster=false", "database.inCluster is false: set database.address"),
        ("schedule=null", "missing property 'schedule'"),
    ],
)
def test_a_value_that_can_be_none_is_refused_with_a_sentence(word, sentence, chart):
    done = template(chart, "--set", word)
    assert done.returncode != 0
    assert sentence in done.stderr


def render(objects, folder, registry=""):
    (folder / "prod.yaml").write_text(yaml.safe_dump_all(objects))
    command = [sys.executable, ROOT / "k8s/chart/render.py", "1.0.0", registry, folder / "chart", folder / "prod.yaml"]
    for variant in ("external-s3", "external-postgres"):
        command += [variant, folder / "prod.yaml"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def without_schedule(objects):
    del objects["CronJob", "retrain"]["spec"]["schedule"]


def without_trainer(objects):
    del objects["CronJob", "train-sklearn"]


def other_table(objects):
    (settings,) = (each for (_, name), each in objects.items() if name.startswith("ratchet-settings-"))
    settings["data"]["RATCHET__SCORE__SOURCE"] = "s3://elsewhere"


def own_class(objects):
    objects["StatefulSet", "versitygw"]["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"] = "fast"


def other_namespace(objects):
    objects["Service", "mlflow"]["metadata"]["namespace"] = "elsewhere"


def mounted(objects):
    volumes = objects["Deployment", "mlflow"]["spec"]["template"]["spec"]["volumes"]
    volumes.append({"name": "x", "secret": {"secretName": "x"}})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (without_schedule, "'CronJob retrain /spec/schedule': retrain has no such field"),
        (without_trainer, "/containers/0/resources' fits 0 fields"),
        (other_table, "the fields of table differ"),
        (own_class, "versitygw has the field already"),
        (other_namespace, "mlflow has elsewhere"),
        (mounted, "the Secret x is mounted, which the chart can't rename"),
    ],
)
def test_a_mark_that_does_not_fit_the_overlay_is_an_error(change, sentence, release, tmp_path):
    objects = by_key(release.objects()[1:])
    change(objects)
    done = render(objects.values(), tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("chart: k8s/chart/marks.yaml does not fit the overlay prod: ")
    assert sentence in done.stderr


def test_an_image_from_another_registry_is_an_error(release, tmp_path):
    done = render(release.objects()[1:], tmp_path, registry="registry.example.com")
    assert (done.returncode, "is not in registry.example.com" in done.stderr) == (1, True)
