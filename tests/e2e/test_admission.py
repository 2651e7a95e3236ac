"""What Ratchet's accounts may create: what is made from the definitions of their steps, and nothing beside it.

Every request is one that the account's Role allows, so a refusal is the policies' own; the same object without the
change is admitted. Nothing is created: the API server admits or refuses a dry run in the same way.
"""

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import yaml

from ratchet.io.cluster import cycles
from ratchet.io.cluster.steps import step_objects
from ratchet.io.runner import Order
from tests.e2e.cluster import NAMESPACE, ClusterError, get, kubectl, patching, wait_until
from tests.manifests.kustomize import ROOT

pytestmark = pytest.mark.smoke

OWNER = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "c", "namespace": NAMESPACE, "uid": "u"}}
OPTIONS = ("--env", "prod", "--cycle", "c", "--set", "seed=1")
STEPS = {
    "coordinator": [("train", "sklearn"), ("train", "spark"), ("register",), ("rollout",)]
    + [("validate", engine) for engine in ("sklearn", "spark")],
    "watch": [("watch", engine) for engine in ("sklearn", "spark")],
}
PAIRS = [(account, verb) for account, verbs in STEPS.items() for verb in verbs]


def said(account, manifest, *words):
    """What the API server says to a dry run by an account of the namespace; empty if it admits the object."""
    who = () if account is None else (f"--as=system:serviceaccount:{NAMESPACE}:{account}",)
    try:
        kubectl(*(words or ("create", "--dry-run=server", "-f", "-")), *who, stdin=json.dumps(manifest))
    except ClusterError as error:
        return str(error).partition("Error from server")[2] or str(error)
    return ""


def refused(sentence, policy):
    return sentence.startswith(" (Forbidden)") and f"ValidatingAdmissionPolicy 'ratchet-{policy}'" in sentence


def made(*verb):
    """What the coordinator or the watch makes for a step, by their own code."""
    order = Order(verb, OPTIONS)
    origin = step_objects.origin_of(order)
    return step_objects.made_from(get(origin.source.plural, origin.definition), order, "c", OWNER, 60)


@pytest.fixture(scope="module", autouse=True)
def in_effect(deployed):
    """The policies reach the API server's memory some moments after they were applied."""
    job = made("register")
    job["metadata"]["labels"] = {"app.kubernetes.io/name": "probe"}
    wait_until("the policies are in effect", lambda: refused(said("coordinator", job), "known"), 30)


def pod_of(thing):
    return thing["spec"]["template"]["spec"]


def container_of(thing):
    return pod_of(thing)["containers"][0]


def driver_of(thing):
    return thing["spec"]["driver"]["template"]["spec"]


def put(find, key, value):
    return lambda thing: find(thing).update({key: value})


def add(find, key, *values):
    return lambda thing: find(thing).setdefault(key, []).extend(values)


STOLEN = {"name": "stolen", "secret": {"secretName": "minio-root"}}
MOUNT = {"name": "stolen", "mountPath": "/stolen"}
HOST = {"name": "host", "hostPath": {"path": "/"}}
FROM_SECRET = {"secretRef": {"name": "minio-root"}}
KEY = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "postgres", "key": "MLFLOW_PASSWORD"}}}
SIDECAR = {"name": "another", "image": "ratchet/control:0.1.0"}
PROJECTED = {"name": "p", "projected": {"sources": [{"secret": {"name": "minio-root"}}]}}
JOBS = {
    "another account": put(pod_of, "serviceAccountName", "minio-setup"),
    "a token": put(pod_of, "automountServiceAccountToken", True),
    "another image": put(container_of, "image", "docker.io/library/busybox:1"),
    "another command": put(container_of, "command", ["sh", "-c", "env"]),
    "other arguments": put(container_of, "args", ["score", "sklearn"]),
    "arguments before": lambda thing: container_of(thing)["args"].insert(0, "--set"),
    "a volume of a Secret": add(pod_of, "volumes", STOLEN),
    "a mounted Secret": lambda thing: (
        pod_of(thing)["volumes"].append(STOLEN),
        container_of(thing)["volumeMounts"].append(MOUNT),
    ),
    "a projected Secret": add(pod_of, "volumes", PROJECTED),
    "another ConfigMap": add(pod_of, "volumes", {"name": "c", "configMap": {"name": "mlflow"}}),
    "a claim": add(pod_of, "volumes", {"name": "c", "persistentVolumeClaim": {"claimName": "data-postgres-0"}}),
    "a path of the node": add(pod_of, "volumes", HOST),
    "the variables of a Secret": add(container_of, "envFrom", FROM_SECRET),
    "a variable of a Secret": add(container_of, "env", KEY),
    "a plain variable": add(container_of, "env", {"name": "LD_PRELOAD", "value": "/work/x.so"}),
    "an init container": add(pod_of, "initContainers", SIDECAR),
    "a second container": lambda thing: pod_of(thing)["containers"].append(SIDECAR),
    "privileges": put(container_of, "securityContext", {"privileged": True}),
    "root": put(pod_of, "securityContext", {"runAsUser": 0}),
    "no restrictions": lambda thing: pod_of(thing).pop("securityContext"),
    "the node's network": put(pod_of, "hostNetwork", True),
    "a secret for its image": put(pod_of, "imagePullSecrets", [{"name": "minio-root"}]),
    "a node of its choice": put(pod_of, "nodeName", "ratchet-control-plane"),
    "a label that opens the network": lambda thing: thing["spec"]["template"]["metadata"]["labels"].update(
        {"ratchet/uses-webhook": "true"}
    ),
    "the label of another workload": lambda thing: thing["spec"]["template"]["metadata"]["labels"].update(
        {"app.kubernetes.io/name": "mlflow"}
    ),
    "an annotation that has it changed": lambda thing: thing["spec"]["template"]["metadata"].update(
        annotations={"vault.hashicorp.com/agent-inject": "true"}
    ),
}
APPLICATIONS = {
    "another account": lambda thing: thing["spec"]["driver"].update(serviceAccount="coordinator"),
    "another account of executors": lambda thing: thing["spec"]["executor"].update(serviceAccount="coordinator"),
    "another image": lambda thing: thing["spec"].update(image="docker.io/library/busybox:1"),
    "another image of the driver": lambda thing: thing["spec"]["driver"].update(image="docker.io/library/busybox:1"),
    "another program": lambda thing: thing["spec"].update(mainApplicationFile="local:///opt/x.py"),
    "other arguments": lambda thing: thing["spec"].update(arguments=["score", "spark"]),
    "a Secret": lambda thing: thing["spec"]["driver"].update(
        secrets=[{"name": "minio-root", "path": "/stolen", "secretType": "Generic"}]
    ),
    "a volume": lambda thing: thing["spec"].update(volumes=[STOLEN]),
    "a volume of the driver": add(driver_of, "volumes", STOLEN),
    "a path of the node": add(driver_of, "volumes", HOST),
    "the variables of a Secret": lambda thing: driver_of(thing)["containers"][0]["envFrom"].append(FROM_SECRET),
    "a variable of a Secret": lambda thing: driver_of(thing)["containers"][0]["env"].append(KEY),
    "a variable of a Secret of executors": lambda thing: thing["spec"]["executor"].update(
        envSecretKeyRefs={"PASSWORD": {"name": "postgres", "key": "MLFLOW_PASSWORD"}}
    ),
    "Spark's own way to a Secret": lambda thing: thing["spec"]["sparkConf"].update(
        {"spark.kubernetes.driver.secrets.minio-root": "/stolen"}
    ),
    "an init container": add(driver_of, "initContainers", SIDECAR),
    "an init container of the operator": lambda thing: thing["spec"]["driver"].update(initContainers=[SIDECAR]),
    "a sidecar": lambda thing: thing["spec"]["driver"].update(sidecars=[SIDECAR]),
    "privileges": lambda thing: driver_of(thing)["containers"][0].update(securityContext={"privileged": True}),
    "a label that opens the network": lambda thing: thing["spec"]["driver"]["labels"].update(
        {"ratchet/uses-webhook": "true"}
    ),
    "no executors' part": lambda thing: thing["spec"].pop("executor"),
}


def changed(thing, change):
    other = copy.deepcopy(thing)
    change(other)
    return other


@pytest.mark.parametrize(("account", "verb"), PAIRS, ids=["-".join(verb) for _, verb in PAIRS])
def test_the_objects_of_a_step_are_created_by_their_account_alone(account, verb):
    own = made(*verb)
    assert said(account, own) == ""
    (other,) = STEPS.keys() - {account}
    if own["kind"] == "Job":  # the watch may create no application at all
        assert refused(said(other, own), "known")


def test_the_watch_may_begin_a_cycle_and_a_cycle_may_not():
    cycle = cycles.made_from(get("cronjob", "retrain"), "watch-c", ("--because", "F1 is low"))
    assert said("watch", cycle) == ""
    assert refused(said("coordinator", cycle), "known")
    assert refused(said("watch", changed(cycle, JOBS["the variables of a Secret"])), "jobs")


def test_the_policy_follows_the_definition(deployed):
    """A Secret that somebody adds to a step's definition is its own from then on, and one that is removed is not."""
    before = made("register")
    with patching() as patch:
        path = "/spec/jobTemplate/spec/template/spec/containers/0/envFrom/-"
        patch("cronjob", "register", {"op": "add", "path": path, "value": FROM_SECRET})
        after = made("register")
        assert FROM_SECRET in container_of(after)["envFrom"]
        wait_until("the definition's Secret is admitted", lambda: said("coordinator", after) == "", 30)
        assert refused(said("coordinator", before), "jobs")
    wait_until("it is refused again", lambda: refused(said("coordinator", after), "jobs"), 30)


@pytest.fixture(scope="module")
def answers():
    """What is said to each changed object, by what was changed; asked side by side, because kubectl is slow."""
    job, application = made("train", "sklearn"), made("train", "spark")
    with ThreadPoolExecutor(4) as pool:
        return {
            **{("Job", what): pool.submit(said, "coordinator", changed(job, JOBS[what])) for what in JOBS},
            **{
                ("SparkApplication", what): pool.submit(said, "coordinator", changed(application, APPLICATIONS[what]))
                for what in APPLICATIONS
            },
        }


@pytest.mark.parametrize("what", JOBS)
def test_a_job_with_something_else_is_refused(answers, what):
    assert refused(answers["Job", what].result(), "jobs"), answers["Job", what].result()


@pytest.mark.parametrize("what", APPLICATIONS)
def test_an_application_with_something_else_is_refused(answers, what):
    found = answers["SparkApplication", what].result()
    # The operator's own definition demands some fields.
    assert refused(found, "applications") or (what == "no executors' part" and "spec.executor" in found), found


def test_a_refusal_says_what_differs_and_from_which_definition(answers):
    found = answers["Job", "another account"].result()
    assert "the pod differs from that of the CronJob train-sklearn: " in found
    assert "serviceAccountName" in found
    found = answers["SparkApplication", "another image"].result()
    assert "it differs from the ScheduledSparkApplication train-spark: image" in found


def test_no_pod_template_has_ephemeral_containers():
    found = said("coordinator", changed(made("register"), put(pod_of, "ephemeralContainers", [SIDECAR])))
    assert "ephemeralContainers" in found


@pytest.mark.parametrize("name", ["postgres", "registrar-2", "prune", "scorer-sklearn", "trainer-spark", None])
def test_what_has_no_definition_of_a_step_is_refused(name):
    job = made("train", "sklearn")
    # A Job without any label gets those of its pods.
    job["metadata"]["labels"] = {"a": "b"} if name is None else {"app.kubernetes.io/name": name}
    assert refused(said("coordinator", job), "known")


def test_a_job_is_held_to_the_definition_that_it_names():
    job = made("train", "sklearn")
    job["metadata"]["labels"]["app.kubernetes.io/name"] = "registrar"
    assert refused(said("coordinator", job), "jobs")


def test_whoever_is_none_of_the_accounts_is_not_held(answers):
    """An administrator may do what they like."""
    job = changed(made("train", "sklearn"), JOBS["the variables of a Secret"])
    assert said(None, job) == ""


def test_what_was_created_is_not_changed():
    """A suspended Job lets labels of its pods be changed, by which policies of the network choose them."""
    name = "held-suspended"
    job = made("train", "sklearn")
    job["metadata"] = {"name": name, "labels": job["metadata"]["labels"]}
    job["spec"]["suspend"] = True
    kubectl("delete", "job", name, "--ignore-not-found")
    kubectl("create", "-f", "-", stdin=json.dumps(job))
    try:

        def patch(change):
            return said("coordinator", {}, "patch", "job", name, "--dry-run=server", "-p", json.dumps(change))

        assert patch({"metadata": {"annotations": {"ratchet/journal": "{}"}}}) == ""
        assert patch({"spec": {"activeDeadlineSeconds": 1}}) == ""
        labels = {"spec": {"template": {"metadata": {"labels": {"ratchet/uses-webhook": "true"}}}}}
        assert refused(patch(labels), "known")
    finally:
        with suppress(ClusterError):
            kubectl("delete", "job", name)


def executor():
    """An executor as Spark creates it: the parts of it that matter here."""
    found = get("scheduledsparkapplication", "train-spark")
    definition = found["spec"]["template"]
    part = definition["executor"]
    spec = copy.deepcopy(part["template"]["spec"])
    spec["containers"][0] |= {"image": definition["image"], "args": ["executor"]}
    spec["containers"][0]["env"] = [
        {"name": "SPARK_EXECUTOR_CORES", "value": "1"},
        {"name": "SPARK_EXECUTOR_POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    spec["volumes"].append({"name": "spark-conf-volume-exec", "configMap": {"name": "spark-exec-conf-map"}})
    # The operator passes on the labels of the application.
    labels = (
        found["metadata"]["labels"]
        | part["labels"]
        | {"spark-role": "executor", "spark-exec-id": "1", "ratchet/cycle": "c"}
    )
    spec |= {"serviceAccountName": part["serviceAccount"], "restartPolicy": "Never"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "exec-1", "labels": labels}, "spec": spec}


def spec_of(thing):
    return thing["spec"]


def first_of(thing):
    return thing["spec"]["containers"][0]


RESTRICTED_SIDECAR = SIDECAR | {
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}
EXECUTORS = {
    "another account": put(spec_of, "serviceAccountName", "coordinator"),
    "a token": put(spec_of, "automountServiceAccountToken", True),
    "another image": put(first_of, "image", "docker.io/library/busybox:1"),
    "a volume of a Secret": add(spec_of, "volumes", STOLEN),
    "a projected Secret": add(spec_of, "volumes", PROJECTED),
    "the variables of a Secret": add(first_of, "envFrom", FROM_SECRET),
    "a variable of a Secret": add(first_of, "env", KEY),
    "an init container": add(spec_of, "initContainers", RESTRICTED_SIDECAR),
    "a second container": add(spec_of, "containers", RESTRICTED_SIDECAR),
    "a label that opens the network": lambda thing: thing["metadata"]["labels"].update(
        {"app.kubernetes.io/name": "mlflow"}
    ),
}


def test_a_driver_creates_its_executors():
    assert said("spark-driver", executor()) == ""


@pytest.mark.parametrize("what", EXECUTORS)
def test_a_driver_creates_nothing_else(what):
    assert refused(said("spark-driver", changed(executor(), EXECUTORS[what])), "executors")


def test_a_driver_gives_no_pod_another_image_or_name(deployed):
    """A pod's image can be changed while it runs, and the container then starts with it, and with the pod's token."""
    (pod,) = json.loads(kubectl("get", "pods", "-l", "app.kubernetes.io/name=mlflow", "-o", "json"))["items"]

    def patch(change):
        name = pod["metadata"]["name"]
        return said("spark-driver", {}, "patch", "pod", name, "--dry-run=server", "-p", json.dumps(change))

    assert patch({"metadata": {"labels": {"spark-exec-inactive": "true"}}}) == ""
    assert refused(patch({"metadata": {"labels": {"app.kubernetes.io/name": "server-sklearn"}}}), "executors")
    image = {"spec": {"containers": [{"name": "mlflow", "image": "docker.io/library/busybox:1"}]}}
    assert refused(patch(image), "executors")


POD = "/spec/template/spec"
SERVERS = {
    "another account": ("replace", f"{POD}/serviceAccountName", "coordinator"),
    "another image": ("replace", f"{POD}/containers/0/image", "docker.io/library/busybox:1"),
    "a volume of a Secret": ("add", f"{POD}/volumes/-", STOLEN),
    "the variables of a Secret": ("add", f"{POD}/containers/0/envFrom/-", FROM_SECRET),
    "another annotation": ("add", "/spec/template/metadata/annotations", {"vault.hashicorp.com/agent-inject": "true"}),
    "a label": ("add", "/spec/template/metadata/labels/ratchet~1uses-webhook", "true"),
    "more of them": ("replace", "/spec/replicas", 9),
}


def rolled(*operation):
    """What is said to a change of the servers' Deployment by a rollout."""
    change = json.dumps([dict(zip(("op", "path", "value"), operation, strict=True))])
    words = ("patch", "deployment", "server-sklearn", "--dry-run=server", "--type=json", "-p", change)
    return said("rollout", {}, *words)


def test_a_rollout_names_the_version_of_a_server():
    before = get("deployment", "server-sklearn")["spec"]["template"]["metadata"].get("annotations", {})
    assert rolled("add", "/spec/template/metadata/annotations", {**before, "ratchet/version": "7"}) == ""


@pytest.mark.parametrize("what", SERVERS)
def test_a_rollout_changes_nothing_else_of_a_server(what):
    assert refused(rolled(*SERVERS[what]), "servers")


def test_the_api_server_finds_no_fault_in_the_policies():
    """It checks their expressions against the kinds that they are about, and tells nobody."""
    for name in {thing["metadata"]["name"] for thing in policies() if thing["kind"] == "ValidatingAdmissionPolicy"}:

        def checked(name=name):
            found = json.loads(kubectl("get", "validatingadmissionpolicy", name, "-o", "json"))
            current = found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"]
            return found["status"] if current else None

        status = wait_until(f"{name} has been checked", checked, 30)
        assert "expressionWarnings" not in status.get("typeChecking", {}), status


def policies():
    for path in (ROOT / "k8s/admission").glob("*.yaml"):
        yield from (thing for thing in yaml.safe_load_all(path.read_text()) if thing["kind"] != "Kustomization")
