"""A further model has all of its own but MLflow, the store and Prometheus, and the first one does not notice it."""

import fnmatch
import itertools
import json
import re
import shutil
import subprocess

import pytest
import yaml

from ratchet import configuration
from ratchet.jobs import secrets
from tests.manifests import rules
from tests.manifests.kustomize import OVERLAYS, ROOT, build
from tests.manifests.pods import pods
from tests.manifests.promtool import need_promtool, promtool
from tests.manifests.versitygw import program

FOLDER = ROOT / "k8s/models/planned"
MINIO = ROOT / "k8s/components/minio"
SH = shutil.which("sh")
NAMESPACE = "ratchet-planned"
PAGE = (ROOT / "docs/several-models.md").read_text()
SHARED = {"mlflow", "backup", "restore"}
USERS = {name.removeprefix("s3-") for name in secrets.contents_of_model(NAMESPACE, "key") if name.startswith("s3-")}
# What is told of namespaces alone: the example's is another.
RULES = [rule for rule in rules.RULES if rule is not rules.all_is_in_the_namespace]


def of_kind(objects, kind):
    return {rules.HASH.sub("", thing["metadata"]["name"]): thing for thing in objects if thing["kind"] == kind}


@pytest.fixture(scope="module")
def further(tree):
    return build(tree / "k8s/models/planned")


@pytest.fixture(scope="module")
def labels(tree):
    """The labels of both namespaces, by name."""
    found = [thing for path in ("k8s/namespace", "k8s/models/planned/namespace") for thing in build(tree / path)]
    return {
        each["metadata"]["name"]: {
            **each["metadata"]["labels"],
            "kubernetes.io/metadata.name": each["metadata"]["name"],
        }
        for each in found
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_it_follows_the_rules(rule, further, overlays):
    """With its Secrets, and with the account of the first namespace that makes them."""
    made = secrets.contents_of_model(NAMESPACE, "key").items()
    given = [{"kind": "Secret", "metadata": {"name": name}, "data": data} for name, data in made]
    account = of_kind(overlays["prod"], "ServiceAccount")["model-secrets"]
    assert list(rule([*further, *given, account])) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_it_has_nothing_that_the_first_has(overlay, overlays, further):
    own, first = ({key(thing) for thing in objects} for objects in (further, overlays[overlay]))
    assert {namespace for _, namespace, _ in own} == {NAMESPACE}
    assert not own & first


def key(thing):
    return thing["kind"], thing["metadata"].get("namespace"), thing["metadata"]["name"]


def test_it_has_none_of_what_it_shares(further):
    workloads = {name for kind in ("Deployment", "StatefulSet", "Job") for name in of_kind(further, kind)}
    assert workloads == {"server-sklearn", "server-spark", "exporter"}
    assert not {"mlflow", "minio", "postgres", "prometheus"} & of_kind(further, "Service").keys()
    assert of_kind(further, "ConfigMap").keys() == {"ratchet-config", "ratchet-settings", "s3", "other-models"}


def test_a_folder_to_copy_is_small():
    assert len((FOLDER / "kustomization.yaml").read_text().splitlines()) <= 32
    component = ROOT / "k8s/components/shared-platform"
    assert sum(len(path.read_text().splitlines()) for path in component.glob("*.yaml")) <= 70


def test_its_name_alone_makes_another(tree, tmp_path):
    """As the page says it: a copy of the folder with another word for `planned`."""
    copy = tree / "k8s/models/churn"
    for path in (path for path in FOLDER.rglob("*") if path.is_file()):
        (copy / path.relative_to(FOLDER)).parent.mkdir(parents=True, exist_ok=True)
        (copy / path.relative_to(FOLDER)).write_text(path.read_text().replace("planned", "churn"))
    text = yaml.safe_dump_all([*build(copy), *build(copy / "namespace")])
    assert "planned" not in text
    assert "ratchet-churn" in text


def settings_of(further, tmp_path):
    maps = of_kind(further, "ConfigMap")
    (tmp_path / "prod.yaml").write_text(maps["ratchet-config"]["data"]["prod.yaml"])
    return configuration.load("prod", (), tmp_path, maps["ratchet-settings"]["data"] | maps["other-models"]["data"])


def test_its_settings_are_of_its_own_buckets_and_wait_for_a_cycle_of_another(further, tmp_path):
    found = settings_of(further, tmp_path)
    assert found.model == "planned"
    assert found.tracking.uri == "http://mlflow.ratchet.svc:5000"
    assert found.tracking.artifacts.startswith(f"s3://{NAMESPACE}-mlflow/artifacts/")
    assert found.data.uri.startswith(f"s3://{NAMESPACE}-data/")
    assert found.retrain.unschedulable_seconds == 3 * 3600
    assert found.retrain.deadline_minutes * 60 > found.retrain.unschedulable_seconds
    text = yaml.safe_dump(of_kind(further, "ScheduledSparkApplication")["train-spark"])
    assert re.findall(r"s3a://([\w-]+)", text) == [f"{NAMESPACE}-scratch"] * 2


def test_mlflow_answers_to_the_name_by_which_it_is_called(overlays, further):
    hosts = of_kind(overlays["prod"], "ConfigMap")["mlflow"]["data"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    address = of_kind(further, "ConfigMap")["ratchet-settings"]["data"]["MLFLOW_TRACKING_URI"]
    assert address.removeprefix("http://") in hosts


# --- Connections between the namespaces.
def edges(policies, own, others, direction, peers, labels):
    """Caller, called and port of what policies allow by a selector of namespaces. labels: of the others' namespace."""
    found = set()
    for policy in of_kind(policies, "NetworkPolicy").values():
        mine = [pod for pod in pods(own) if rules._matches(policy["spec"]["podSelector"], pod.labels)]
        for rule in policy["spec"].get(direction, []):
            chosen = [
                pod
                for peer in rule.get(peers, [])
                for pod in pods(others)
                if "namespaceSelector" in peer
                and rules._matches(peer["namespaceSelector"], labels)
                and rules._matches(peer.get("podSelector", {}), pod.labels)
            ]
            for one, other in itertools.product(mine, chosen):
                pair = (one.where, other.where) if direction == "egress" else (other.where, one.where)
                found |= {(*pair, port["port"]) for port in rule.get("ports", [])}
    return found


@pytest.fixture(scope="module")
def crossing(overlays, further, labels):
    """What each side lets out to the other, and in from it."""
    first = overlays["prod"]
    return {
        "out": edges(further, further, first, "egress", "to", labels["ratchet"]),
        "in": edges(first, first, further, "ingress", "from", labels[NAMESPACE]),
        "first out": edges(first, first, further, "egress", "to", labels[NAMESPACE]),
        "first in": edges(further, further, first, "ingress", "from", labels["ratchet"]),
    }


def test_it_reaches_mlflow_and_the_store_by_its_labels_and_nothing_else(crossing, further):
    wanted = {
        (pod.where, called, port)
        for pod in pods(further)
        for label, called, port in (
            ("ratchet/uses-mlflow", "Deployment mlflow", 5000),
            ("ratchet/uses-s3", "StatefulSet versitygw", 9000),
        )
        if pod.labels.get(label) == "true"
    }
    assert crossing["out"] == wanted
    assert {edge for edge in crossing["in"] if edge[2] != 8080} == wanted, "servers answer whoever asks"
    assert {port for _, _, port in wanted} == {5000, 9000}


def test_prometheus_reaches_its_exporter_and_its_servers(crossing):
    scraped = {("Deployment exporter", 9464), ("Deployment server-sklearn", 8080), ("Deployment server-spark", 8080)}
    assert crossing["first out"] == {("StatefulSet prometheus", called, port) for called, port in scraped}
    assert crossing["first out"] <= crossing["first in"]


def test_a_namespace_that_is_not_marked_reaches_nothing(overlays, further, labels):
    """But servers, which answer whoever asks."""
    stranger = {name: value for name, value in labels[NAMESPACE].items() if name != "ratchet/platform"}
    first = overlays["prod"]
    assert {port for _, _, port in edges(first, first, further, "ingress", "from", stranger)} == {8080}
    assert edges(first, first, further, "egress", "to", stranger) == set()


# --- The store.
def policy(user, namespace="ratchet"):
    """The policy of a user as minio-setup makes it."""
    line = next(line for line in (MINIO / "setup.sh").read_text().splitlines() if line.strip().startswith("sed "))
    script = line.split(">")[0] if namespace != "ratchet" else 'cat "$role.json"'
    done = subprocess.run(
        [SH, "-euc", script],
        env={"PATH": "/usr/bin:/bin", "namespace": namespace, "role": user},
        cwd=ROOT / "k8s/components/object-store/policies",
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return json.loads(done.stdout)["Statement"]


def allowed(statements, place):
    """What is allowed with a bucket or an object; a condition counts as met."""
    return {
        action
        for statement in statements
        for resource in statement["Resource"]
        if fnmatch.fnmatchcase(f"arn:aws:s3:::{place}", resource)
        for action in statement["Action"]
    }


def places(namespace):
    buckets = [f"{namespace}-{kind}" for kind in ("data", "mlflow", "scores", "scratch")]
    return [*buckets, *(f"{bucket}/artifacts/1/models/m-1/MLmodel" for bucket in buckets), f"{buckets[0]}/flights/a"]


@pytest.mark.parametrize("user", sorted(USERS))
def test_each_of_its_users_may_do_with_its_buckets_what_the_firsts_may_with_theirs_and_nothing_more(user):
    own, first = policy(user, NAMESPACE), policy(user)
    assert [allowed(own, place) for place in places(NAMESPACE)] == [
        allowed(first, place) for place in places("ratchet")
    ]
    assert any(allowed(own, place) for place in places(NAMESPACE))
    for place in [*places("ratchet"), *places("ratchet-churn")]:
        assert not allowed(own, place), place
    for place in places(NAMESPACE):
        assert not allowed(first, place), place


def test_mlflow_and_backups_are_of_all_models():
    for namespace in ("ratchet", NAMESPACE):
        place = f"{namespace}-mlflow/artifacts/1/a"
        assert [bool(allowed(policy(user), place)) for user in ("mlflow", "backup", "restore")] == [True] * 3


def test_the_store_makes_the_users_that_have_secrets():
    (roles,) = re.findall(r"^roles='(.*)'$", (MINIO / "setup.sh").read_text(), re.MULTILINE)
    assert {*roles.split()} == USERS == {*program("setup").ROLES}


@pytest.fixture
def told(monkeypatch):
    """What versitygw is told by its set-up: users with their keys, and the policy of each bucket."""
    setup, users, policies = program("setup"), {}, {}

    class Told:
        def keep_users(self, wanted):
            users.update(wanted)

        def keep_bucket(self, bucket, principals, *, versioned):
            policies[bucket] = setup.bucket_policy(bucket, principals)["Statement"]

    for path in (ROOT / "k8s/components/object-store/policies").iterdir():
        name = path.stem.upper().replace("-", "_")
        monkeypatch.setenv(f"{name}_AWS_ACCESS_KEY_ID", path.stem)
        monkeypatch.setenv(f"{name}_AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("NAMESPACES", NAMESPACE)
    monkeypatch.setenv("MODELS_KEY", "key")
    monkeypatch.setattr(setup, "Server", Told)
    monkeypatch.setattr(setup, "FOLDER", ROOT / "k8s/components/object-store/policies")
    setup.main()
    return users, policies


def test_versitygws_buckets_allow_what_the_policies_of_users_do(told):
    """Each user in each bucket, of both namespaces: those of the other one included."""
    users, policies = told
    model = secrets.contents_of_model(NAMESPACE, "key")
    assert {name: users[f"{NAMESPACE}-{name}"] for name in USERS} == {
        name: model[f"s3-{name}"]["AWS_SECRET_ACCESS_KEY"] for name in USERS
    }
    for user, namespace in [*((each, "ratchet") for each in SHARED | USERS), *((each, NAMESPACE) for each in USERS)]:
        key = user if namespace == "ratchet" else f"{namespace}-{user}"
        for place in [*places("ratchet"), *places(NAMESPACE)]:
            own = [each for each in policies[place.split("/")[0]] if key in each["Principal"]["AWS"]]
            assert allowed(own, place) == allowed(policy(user, namespace), place), (key, place)


# --- What the first one notices.
def test_one_line_tells_the_first_of_it_and_replaces_neither_servers_nor_mlflow(overlays, tree):
    folder = tree / "k8s/told"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(f"""\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: ratchet
resources: [../overlays/prod]
configMapGenerator: [{{name: other-models, behavior: merge, literals: [NAMESPACES={NAMESPACE}]}}]
""")
    before, after = ({key(thing): thing for thing in objects} for objects in (overlays["prod"], build(folder)))
    changed = {(each[0], rules.HASH.sub("", each[2])) for each in before if before[each] != after.get(each)}
    assert changed == {
        ("ConfigMap", "other-models"),
        ("StatefulSet", "prometheus"),
        *(("CronJob", name) for name in ("retrain", "watch", "minio-setup", "model-secrets", "backup", "restore")),
    }


@pytest.mark.parametrize("namespaces", ["", "ratchet-a", "ratchet-a ratchet-b", "ratchet-a b,c"])
def test_prometheus_scrapes_each(namespaces, tmp_path):
    need_promtool()
    monitoring = ROOT / "k8s/components/monitoring"
    variables = {"PATH": "/usr/bin:/bin", "NAMESPACES": namespaces}
    words = [SH, monitoring / "models.sh", tmp_path / "further.yaml"]
    subprocess.run(words, env=variables, timeout=30, check=True)
    config = (monitoring / "prometheus.yml").read_text().replace("/etc/prometheus-rules", str(tmp_path / "none"))
    (tmp_path / "prometheus.yml").write_text(config.replace("/models/", f"{tmp_path}/f"))
    code, said = promtool("check", "config", tmp_path / "prometheus.yml")
    assert code == 0, said
    jobs = yaml.safe_load((tmp_path / "further.yaml").read_text())["scrape_configs"] or []
    scraped = {
        (
            next(each["replacement"] for each in job["relabel_configs"] if each["target_label"] == "job"),
            *(job["static_configs"][0]["targets"] if "static_configs" in job else job["dns_sd_configs"][0]["names"]),
        )
        for job in jobs
    }
    assert scraped == {
        pair
        for name in namespaces.split()
        if "," not in name  # is said to be none
        for pair in (("ratchet-exporter", f"exporter.{name}:9464"), ("ratchet-servers", f"servers.{name}"))
    }


def test_backups_have_its_buckets(overlays):
    """By the script of the Job itself, with an `echo` for Ratchet."""
    spec = of_kind(overlays["prod"], "CronJob")["backup"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    script = container["args"][0].replace("exec ratchet", "echo")
    variables = {"PATH": "/usr/bin:/bin", "NAMESPACES": "ratchet-a", "TO_BACKUP": "s3://there"}
    done = subprocess.run(
        [SH, *container["command"][1:], script], env=variables, capture_output=True, text=True, timeout=30, check=True
    )
    buckets = [f"s3://{name}-{kind}" for name in ("ratchet", "ratchet-a") for kind in ("mlflow", "data", "scores")]
    assert done.stdout.split() == ["copy", "--may-be-empty", *buckets, "/backup/mlflow.dump", "s3://there"]


def test_the_page_says_what_it_asks_for_at_rest(further):
    asked = [
        container["resources"]["requests"]
        for thing in of_kind(further, "Deployment").values()
        for container in thing["spec"]["template"]["spec"]["containers"]
    ]
    cpu = sum(int(each["cpu"].removesuffix("m")) for each in asked)
    memory = sum(int(each["memory"].removesuffix("Mi")) for each in asked)
    assert f"{cpu / 1000:g} cores and {memory / 1024:g} GiB" in PAGE
