"""Every kustomization builds, in every combination that a user may choose."""

import re
import shutil
import subprocess
import tomllib

import pytest

from ratchet import configuration
from tests.manifests import rules
from tests.manifests.kustomize import OVERLAYS, ROOT, build, copy_tracked, copy_tree, need_kubectl

K8S = ROOT / "k8s"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
OPERATOR = "https://github.com/kubeflow/spark-operator//config/default?ref=v2.5.1"
# What can be built by itself and without a network; the operator is in `test_operator`.
WHOLE = [
    "configs",
    "k8s/namespace",
    "k8s/admission",
    "k8s/base",
    *sorted(f"k8s/base/{path.name}" for path in K8S.glob("base/*/")),
]


def by_kind(objects, kind):
    return {thing["metadata"]["name"]: thing for thing in objects if thing["kind"] == kind}


@pytest.mark.parametrize("name", [*WHOLE, *(f"k8s/overlays/{name}" for name in OVERLAYS)])
def test_builds_without_a_word(name, tree):
    assert build(tree / name)


@pytest.mark.parametrize("overlay", ["prod", "dev"])
def test_an_overlay_builds_from_a_remote_address_with_what_git_has_alone(overlay, overlays, tmp_path):
    """As `kubectl apply -k https://…//k8s/overlays/prod?ref=…`: no file that somebody must write first."""
    copy_tracked(tmp_path)
    git = shutil.which("git")
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "all"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
        subprocess.run([git, *identity, *words], cwd=tmp_path, check=True, timeout=30)
    assert build(f"file://{tmp_path}//k8s/overlays/{overlay}?ref=main") == overlays[overlay]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_at_most_20_lines(overlay):
    assert len((K8S / "overlays" / overlay / "kustomization.yaml").read_text().splitlines()) <= 20


@pytest.mark.parametrize("component", sorted(folder.name for folder in (K8S / "components").iterdir()))
def test_a_component_says_what_it_is_for(component):
    readme = K8S / "components" / component / "README.md"
    assert readme.is_file(), f"{component} has no README.md"
    assert readme.read_text().startswith(f"# {component}\n")


def test_no_field_is_deprecated():
    old = r"^(commonLabels|patchesStrategicMerge|patchesJson6902|bases|vars|imageTags):"
    found = [path for path in K8S.rglob("kustomization.yaml") if re.search(old, path.read_text(), re.MULTILINE)]
    assert found == []


def test_files_are_named_by_their_kind(tree):
    for path in sorted((tree / "k8s/base").glob("*/*.yaml")):
        if path.name not in ("kustomization.yaml", "references.yaml"):
            kinds = set(re.findall(r"^kind: (\w+)$", path.read_text(), re.MULTILINE))
            assert {kind.lower() for kind in kinds} == {path.stem}, path


def test_no_object_is_made_twice(overlays):
    for name, objects in overlays.items():
        names = [(thing["kind"], thing["metadata"]["name"]) for thing in objects]
        assert len(names) == len(set(names)), name


def test_no_job_outlives_its_run(overlays):
    """A Job can't be changed: the next apply would trip over one that is still there."""
    for objects in overlays.values():
        for job in by_kind(objects, "Job").values():
            assert job["spec"]["ttlSecondsAfterFinished"] <= 60
            assert job["spec"]["activeDeadlineSeconds"] <= 900


def test_the_passwords_of_a_cluster_are_made_there_and_read_by_nobody(overlays):
    for name in ("dev", "prod"):
        assert not by_kind(overlays[name], "Secret"), name
        assert "generated-secrets" in by_kind(overlays[name], "Job"), name
        assert by_kind(overlays[name], "Role")["generated-secrets"]["rules"] == [
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}
        ]


def test_overlays_differ_in_nothing_that_cannot_be_changed(overlays):
    """So one can be applied over another: selectors, names of Services, claims."""

    def fixed(objects):
        workloads = [thing for thing in objects if thing["kind"] in ("Deployment", "StatefulSet")]
        keys = ("selector", "serviceName", "volumeClaimTemplates")
        return {thing["metadata"]["name"]: {key: thing["spec"].get(key) for key in keys} for thing in workloads}

    assert fixed(overlays["local"]) == fixed(overlays["dev"]) == fixed(overlays["prod"])


def test_claims_have_sizes_and_outlive_the_overlay(overlays):
    for name, objects in overlays.items():
        for thing in by_kind(objects, "StatefulSet").values():
            assert thing["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Retain", name
            for claim in thing["spec"]["volumeClaimTemplates"]:
                assert claim["spec"]["resources"]["requests"]["storage"], name
        assert not by_kind(objects, "Namespace"), f"deleting {name} would delete the claims with their namespace"
        assert not by_kind(objects, "PersistentVolumeClaim"), f"deleting {name} would delete the claims"


def test_the_namespace_enforces_restricted(tree):
    namespace = by_kind(build(tree / "k8s/namespace"), "Namespace")["ratchet"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_at_rest_the_local_overlay_asks_for_little(overlays):
    """What a cycle needs, the operator included: 300m of CPU and 1.5 GiB; `test_operator` knows its share."""
    servers = [
        container["resources"]["requests"]
        for kind in ("Deployment", "StatefulSet")
        for name, thing in by_kind(overlays["local"], kind).items()
        if name in ("mlflow", "postgres", "versitygw")
        for container in thing["spec"]["template"]["spec"]["containers"]
    ]
    cpu = sum(int(each["cpu"].removesuffix("m")) for each in servers)
    memory = sum(int(each["memory"][:-2]) * {"Mi": 1, "Gi": 1024}[each["memory"][-2:]] for each in servers)
    assert (cpu <= 300 - 100, memory <= 1536 - 256) == (True, True), (cpu, memory)


def test_the_watch_is_due_daily_when_somebody_lets_it_and_may_do_less_than_the_coordinator(overlays):
    for objects in overlays.values():
        found = by_kind(objects, "CronJob")
        assert [found[name]["spec"]["suspend"] for name in ("watch", "watch-sklearn", "watch-spark")] == [True] * 3
        assert found["watch"]["spec"]["schedule"].split()[2:] == ["*", "*", "*"]
        roles = by_kind(objects, "Role")
        rights = {name: rights_of(roles[name]) for name in ("watch", "coordinator")}
        assert rights["watch"] < rights["coordinator"]
        assert {verb for _, verb in rights["watch"]} == {"get", "list", "create", "patch"}
        assert "leases" not in {resource for resource, _ in rights["watch"]}


def rights_of(role):
    return {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}


@pytest.mark.parametrize("name", ["mlflow", "server-sklearn"])
def test_prod_keeps_a_pod_up(overlays, name):
    deployment = by_kind(overlays["prod"], "Deployment")[name]
    budget = by_kind(overlays["prod"], "PodDisruptionBudget")[name]
    assert deployment["spec"]["replicas"] > budget["spec"]["minAvailable"]
    assert budget["spec"]["selector"] == deployment["spec"]["selector"]


def test_the_tables_address_is_a_plain_setting(overlays):
    for name, objects in overlays.items():
        settings = next(
            thing["data"]
            for thing in objects
            if thing["kind"] == "ConfigMap" and thing["metadata"]["name"].startswith("ratchet-settings-")
        )
        assert settings["RATCHET__DATA__URI"].startswith("s3://"), name


@pytest.fixture(scope="module")
def foreign(tmp_path_factory, tree):
    """An overlay whose database and buckets are somewhere else, from a registry of its own."""
    folder = copy_tree(tmp_path_factory.mktemp("foreign"))
    overlay = folder / "k8s/overlays/foreign"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text("""\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: ratchet
resources: [../../base]
components:
  - ../../components/generated-secrets
  - ../../components/network-policy
  - ../../components/external-postgres
  - ../../components/external-s3
  - ../../components/batch-scoring
  - ../../components/release
configMapGenerator:
  - {name: mlflow-database, behavior: merge, literals: ["DATABASE_ADDRESS=db.example.com:5432/mlflow?sslmode=require"]}
  - {name: s3, behavior: merge, literals: [AWS_REGION=eu-central-1]}
images:
  - {name: ratchet/control, newName: registry.example.com/ratchet/control}
  - {name: ratchet/trainer-spark, newName: registry.example.com/ratchet/trainer-spark}
""")
    return build(overlay)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_a_foreign_database_and_foreign_buckets_follow_the_rules(rule, foreign):
    assert list(rule(foreign)) == []


def test_a_foreign_database_may_be_called(foreign):
    egress = by_kind(foreign, "NetworkPolicy")["to-postgres"]["spec"]["egress"]
    assert egress == [{"ports": [{"protocol": "TCP", "port": 5432}]}]


def test_foreign_buckets_may_be_called(foreign):
    egress = by_kind(foreign, "NetworkPolicy")["to-minio"]["spec"]["egress"]
    assert egress == [{"ports": [{"protocol": "TCP", "port": 443}]}]


@pytest.fixture(scope="module")
def with_minio(tmp_path_factory, tree):
    """The overlay prod with another line for its store."""
    folder = copy_tree(tmp_path_factory.mktemp("minio")) / "k8s/overlays/prod"
    overlay = folder / "kustomization.yaml"
    overlay.write_text(overlay.read_text().replace("../../components/versitygw\n", "../../components/minio\n"))
    return build(folder)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_store_is_one_line_of_an_overlay(rule, with_minio):
    assert by_kind(with_minio, "StatefulSet").keys() >= {"minio", "postgres"}
    assert list(rule(with_minio)) == []


def test_clients_notice_nothing_of_another_store(with_minio, overlays):
    """All but the server and what sets it up is the same: addresses, Secrets, accounts, network policies."""
    one, other = (
        {(each["kind"], each["metadata"]["name"]): each for each in x} for x in (with_minio, overlays["prod"])
    )
    changed = {
        (kind, rules.HASH.sub("", name))
        for kind, name in one | other
        if one.get((kind, name)) != other.get((kind, name))
    }
    assert changed == {
        *((kind, name) for kind in ("StatefulSet", "ServiceAccount") for name in ("minio", "versitygw")),
        *(("CronJob", "minio-setup"), ("CronJob", "versitygw-expiry"), ("ServiceAccount", "versitygw-expiry")),
        *(("Service", "minio"), ("ConfigMap", "minio-setup")),
    }


def test_an_overlays_registry_reaches_spark_too(foreign):
    application = by_kind(foreign, "ScheduledSparkApplication")["train-spark"]["spec"]["template"]
    assert application["image"] == f"registry.example.com/ratchet/trainer-spark:{VERSION}"


def test_a_scorer_has_what_its_trainer_has(overlays):
    """The same image, limits and files; its own account, Secret and arguments."""
    for name, objects in overlays.items():
        jobs = by_kind(objects, "CronJob")
        train, score = (
            jobs[each]["spec"]["jobTemplate"]["spec"]["template"]["spec"] for each in ("train-sklearn", "score-sklearn")
        )
        assert score["containers"][0]["args"] == ["score", "sklearn"], name
        assert jobs["score-sklearn"]["spec"]["suspend"], name
        for key in ("image", "volumeMounts", "securityContext"):
            assert score["containers"][0][key] == train["containers"][0][key], (name, key)
        definitions = by_kind(objects, "ScheduledSparkApplication")
        train, score = (definitions[each]["spec"]["template"] for each in ("train-spark", "score-spark"))
        assert score["arguments"] == ["score", "spark"], name
        assert definitions["score-spark"]["spec"]["suspend"], name
        for key in train.keys() - {"arguments", "driver", "executor"}:
            assert score[key] == train[key], (name, key)
        for part in ("driver", "executor"):
            kept = train[part].keys() - {"labels", "serviceAccount", "template"}
            assert {key: score[part][key] for key in kept} == {key: train[part][key] for key in kept}, (name, part)


def test_what_is_scored_is_a_plain_setting(overlays):
    for name, objects in overlays.items():
        maps = [thing for thing in objects if thing["kind"] == "ConfigMap"]
        (settings,) = [thing["data"] for thing in maps if thing["metadata"]["name"].startswith("ratchet-settings-")]
        assert settings["RATCHET__SCORE__TARGET"].startswith("s3://ratchet-scores/"), name
        assert settings["RATCHET__SCORE__SOURCE"] == settings["RATCHET__DATA__URI"], name


def test_only_addresses_of_the_pinned_operator_are_read_from_elsewhere():
    lines = [line.strip() for path in K8S.rglob("*.yaml") for line in path.read_text().splitlines()]
    assert [line for line in lines if re.match(r"- https?://", line)] == [f"- {OPERATOR}"]


def composed(folder, *components):
    """The objects of an overlay of the base with these components, in this order."""
    (folder / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\n"
        "kind: Kustomization\n"
        "namespace: ratchet\n"
        "resources: [../../base]\n"
        f"components: [{', '.join(components)}]\n"
    )
    return build(folder)


@pytest.fixture
def own(tmp_path):
    need_kubectl()
    folder = copy_tree(tmp_path) / "k8s/overlays/own"
    folder.mkdir()
    return folder


WORKLOADS = [f"../../components/{name}" for name in ("versitygw", "serving", "sample-data", "batch-scoring", "watch")]
POLICIES = "../../components/network-policy"


def test_network_policies_may_come_before_the_workloads_or_after_them(own):
    first, last = composed(own, POLICIES, *WORKLOADS), composed(own, *WORKLOADS, POLICIES)
    assert by_kind(first, "NetworkPolicy") == by_kind(last, "NetworkPolicy")
    assert list(rules.connections_have_two_ends(last)) == []


def test_without_network_policies_no_pod_is_closed(own):
    """A policy for one connection closes all others of its pods, of which nobody would then speak."""
    assert not by_kind(composed(own, *WORKLOADS, "../../components/generated-secrets"), "NetworkPolicy")


def test_a_step_gets_what_every_step_has_once_and_keeps_what_is_changed_after_that(own):
    (own / "first").mkdir()
    (own / "first/kustomization.yaml").write_text("""\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches:
  - target: {kind: CronJob, name: register}
    patch: "- {op: replace, path: /spec/successfulJobsHistoryLimit, value: 9}"
""")
    objects = composed(own, "first", "../../components/watch", "../../components/serving")
    steps = by_kind(objects, "CronJob")
    assert steps["register"]["spec"]["successfulJobsHistoryLimit"] == 9
    assert steps["rollout"]["spec"]["successfulJobsHistoryLimit"] == 3
    (container,) = steps["register"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert len(container["envFrom"]) == 3
    assert not [thing for thing in objects if "ratchet/is" in thing["metadata"].get("annotations", {})]


def test_a_file_that_init_wrote_becomes_one_for_a_cluster_by_the_settings(overlays, tmp_path):
    (tmp_path / "prod.yaml").write_text(
        "model: m\ndata: {uri: mine.csv, timestamp: at, label: {column: y, positive: 1}}\n"
    )
    for name, objects in overlays.items():
        maps = [thing for thing in objects if thing["kind"] == "ConfigMap"]
        (variables,) = [thing["data"] for thing in maps if thing["metadata"]["name"].startswith("ratchet-settings-")]
        settings = configuration.load("prod", (), tmp_path, variables)
        assert settings.retrain.runner == "kubernetes", name
        assert (settings.tracking.uri, settings.tracking.artifacts) == ("http://mlflow:5000", None), name
        assert settings.data.uri.startswith("s3://"), name
