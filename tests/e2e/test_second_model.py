"""A second model comes, runs a cycle and goes, while the first one serves and notices nothing of it."""

import json
import re
import secrets
from contextlib import contextmanager

import pytest

from tests import wishes
from tests.e2e import cycles, prometheus, tracking
from tests.e2e.cluster import IN_CLUSTER, ClusterError, command, create, every, get, kubectl, logs, name_of, wait_until
from tests.e2e.newcomer import MODEL, ROW, must_serve
from tests.e2e.servers import Load, answers
from tests.e2e.test_refused import image_of, pod, template_labels
from tests.manifests.kustomize import ROOT, build

SECOND, FOLDER = "planned", ROOT / "k8s/models/planned"
NAMESPACE = f"ratchet-{SECOND}"
SERVER = "server-sklearn"
OF_THE_FIRST = "list ratchet-data/flights/", "list ratchet-mlflow/artifacts/", "list ratchet-scores/"
# Bytes, by either version of control groups.
MEMORY = "cat /sys/fs/cgroup/memory.current 2> /dev/null || cat /sys/fs/cgroup/memory/memory.usage_in_bytes"


def manifests():
    """The folder's objects with the images that are deployed; no server of Spark, whose model there is not."""
    spark = get("scheduledsparkapplication", "train-spark")["spec"]["template"]["image"]
    images = {"control": image_of("retrain"), "trainer-sklearn": image_of("train-sklearn"), "trainer-spark": spark}
    objects = build(FOLDER)
    for thing in objects:
        if (thing["kind"], thing["metadata"]["name"]) == ("Deployment", "server-spark"):
            thing["spec"]["replicas"] = 0
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    return re.sub(r'(?<="image": ")ratchet/([a-z-]+):[^"]+', lambda found: images[found[1]], text)


@contextmanager
def told(namespaces):
    """The first one's list has these namespaces; what it was is put back after the block."""
    template = get("cronjob", "minio-setup")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (name,) = [
        source["configMapRef"]["name"]
        for source in template["containers"][0]["envFrom"]
        if source.get("configMapRef", {}).get("name", "").startswith("other-models")
    ]
    before = json.loads(kubectl("get", "configmap", name, "-o", "json"))["data"]["NAMESPACES"]
    tell = lambda text: kubectl("patch", "configmap", name, "-p", json.dumps({"data": {"NAMESPACES": text}}))  # noqa: E731
    tell(namespaces)
    try:
        yield
    finally:
        tell(before)


def run(definition, namespace="ratchet"):
    """A Job made from a definition, to its end."""
    name = f"{definition}-{secrets.token_hex(3)}"
    kubectl("create", "job", name, f"--from=cronjob/{definition}", namespace=namespace)
    words = "wait", f"job/{name}", "--for=condition=Complete", "--timeout=240s"
    try:
        kubectl(*words, namespace=namespace, seconds=270)
    except ClusterError as error:
        pytest.fail(f"{error}\n{kubectl('logs', f'job/{name}', '--tail=30', namespace=namespace)}")
    kubectl("delete", "job", name, "--wait=false", namespace=namespace)


def restart_prometheus():
    """As an apply of the overlay does it, whose ConfigMap then has another name."""
    kubectl("rollout", "restart", "statefulset/prometheus")
    kubectl("rollout", "status", "statefulset/prometheus", "--timeout=240s", seconds=270)


@pytest.fixture(scope="module")
def load(first_cycle):
    """Steady requests to the first one's server, from before the second comes until after it has gone."""
    must_serve()
    with Load(json.dumps({"dataframe_records": [ROW]}), clients=2, pause=0.2) as steady:
        yield steady


@pytest.fixture(scope="module")
def before(load):
    return state_of_the_first()


def state_of_the_first():
    """Its champion, its number of runs and versions, and the pods that serve it."""
    pods = every("pods", "app.kubernetes.io/component in (server, tracking, object-store, database)")
    return (
        tracking.aliases(MODEL),
        len(tracking.runs(MODEL)),
        len(tracking.versions(MODEL)),
        sorted((name_of(each), each["metadata"]["uid"]) for each in pods),
        [status["restartCount"] for each in pods for status in each["status"].get("containerStatuses", ())],
    )


@pytest.fixture(scope="module")
def second(before):
    """The second model after a cycle of scikit-learn's; gone afterwards."""
    with told(NAMESPACE):
        kubectl("apply", "-k", str(FOLDER / "namespace"))
        try:
            kubectl("apply", "-f", "-", stdin=manifests(), namespace=NAMESPACE)
            run("minio-setup")
            run("model-secrets")
            restart_prometheus()
            run("sample-data", NAMESPACE)
            settings = [*cycles.SMALL, "retrain.engines=[sklearn]", "serving.settle_seconds=5"]
            words = [word for setting in settings for word in ("--set", setting)]
            inside = [*IN_CLUSTER, "--namespace", NAMESPACE]
            command(*inside, "retrain", "--as-of", cycles.AS_OF, *words, seconds=cycles.CYCLE_SECONDS)
            yield
        finally:
            remove()
    run("minio-setup")
    restart_prometheus()


def remove():
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=240s", seconds=270)


def test_its_server_answers(second):
    assert "champion" in tracking.aliases(SECOND)
    row = {"dataframe_records": [ROW]}
    wait_until(
        "the second one's server answers", lambda: answers(SERVER, row, namespace=NAMESPACE) == 200, 240, pause=1
    )


def test_its_cycle_is_in_its_namespace_alone(second):
    shown = json.loads(command(*status(NAMESPACE)))
    assert [cycle["state"] for cycle in shown] == ["done"]
    assert not {cycle["cycle"] for cycle in shown} & {
        cycle["cycle"] for cycle in json.loads(command(*status("ratchet")))
    }


def status(namespace):
    return (*IN_CLUSTER[:3], "status", "--context", IN_CLUSTER[-1], "--namespace", namespace, "--json")


def test_prometheus_has_it_beside_the_first(second):
    up = f'up{{job="ratchet-exporter", namespace="{NAMESPACE}"}}'
    prometheus.wait_for("its exporter is scraped", up, lambda found: found == 1)
    champion = f'ratchet_server_model_info{{model="{SECOND}-sklearn", namespace="{NAMESPACE}"}}'
    prometheus.wait_for("its server is scraped", champion, lambda found: found == 1)
    told_of = {dict(labels).get("model") for labels in prometheus.value("ratchet_cycle_period_seconds")}
    assert told_of >= {MODEL, SECOND}


def test_its_s3_user_is_refused_what_is_the_firsts(second):
    name, own = f"probe-{secrets.token_hex(3)}", f"list {NAMESPACE}-data/flights/"
    create(
        pod(
            name,
            template_labels("cronjob", "train-sklearn"),
            image_of("retrain"),
            wishes.asking((own, *OF_THE_FIRST)),
            envFrom=[{"secretRef": {"name": "s3-trainer-sklearn"}}],
            env=[{"name": "AWS_ENDPOINT_URL", "value": "http://minio.ratchet.svc:9000"}],
        ),
        NAMESPACE,
    )
    ended = ("Succeeded", "Failed")
    wait_until("the probe has ended", lambda: get("pod", name, NAMESPACE)["status"]["phase"] in ended, 90)
    (refusal, keys), *others = wishes.answers(logs(name, NAMESPACE))
    assert refusal is None, keys
    assert keys
    assert [refusal for refusal, _ in others] == [wishes.DENIED] * len(OF_THE_FIRST), others


def test_what_it_takes_at_rest(second):
    """Measured, not judged: the memory of its pods, in .e2e/second-model-at-rest.txt."""
    found = every("pods", "app.kubernetes.io/component in (server, exporter)", NAMESPACE)
    assert {each["metadata"]["labels"]["app.kubernetes.io/name"] for each in found} == {SERVER, "exporter"}
    lines = [
        f"{name_of(each)}: " + kubectl("exec", name_of(each), "--", "sh", "-c", MEMORY, namespace=NAMESPACE).strip()
        for each in found
    ]
    (ROOT / ".e2e").mkdir(exist_ok=True)
    (ROOT / ".e2e/second-model-at-rest.txt").write_text("\n".join([*lines, ""]))


def test_the_first_noticed_nothing_of_it(second, before, load):
    assert state_of_the_first() == before
    must_have_answered_all(load)


def must_have_answered_all(load):
    seen = load.seen()
    assert seen["good"] > 100
    assert seen["bad"] == [], seen


def test_it_goes_and_the_first_notices_nothing(second, before, load):
    """The last one: what it removes is gone for the others."""
    remove()
    assert state_of_the_first() == before
    must_have_answered_all(load)
