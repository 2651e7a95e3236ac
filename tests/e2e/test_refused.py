"""What the cluster must refuse, and beside each refusal the same thing where it is allowed."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e import cycles, tracking
from tests.e2e.cluster import NAMESPACE, ClusterError, create, get, kubectl, logs, wait_until
from tests.wishes import DENIED, answers, asking

pytestmark = pytest.mark.smoke

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(name, labels, image, command, **container):
    """A small pod that the namespace admits."""
    resources = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}}
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108  # of the pod
    whole = {"name": "only", "image": image, "command": command, "securityContext": RESTRICTED, "volumeMounts": mounts}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "volumes": [{"name": "tmp", "emptyDir": {}}],
            "containers": [{"resources": resources, **whole, **container}],
        },
    }


@pytest.fixture
def run_as(system):
    """Run a command in a pod with these labels; its exit code and log."""
    made = []

    def run(labels, image, command, **container):
        name = f"probe-{secrets.token_hex(3)}"
        made.append(name)
        create(pod(name, labels, image, command, **container))

        def ended():
            phase = get("pod", name)["status"]["phase"]
            return phase in ("Succeeded", "Failed")

        wait_until(f"the pod {name} has ended", ended, 90)
        status = get("pod", name)["status"]["containerStatuses"][0]
        return status["state"]["terminated"]["exitCode"], logs(name)

    yield run
    for name in made:
        kubectl("delete", "pod", name, "--grace-period=0", "--force", "--ignore-not-found")


def image_of(cronjob):
    """The image that a definition uses now, with the tag that was deployed."""
    return get("cronjob", cronjob)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["image"]


def template_labels(kind, name):
    """The labels of the pods that a definition makes."""
    spec = get(kind, name)["spec"]
    return spec.get("jobTemplate", {}).get("spec", spec)["template"]["metadata"]["labels"]


def admitted(manifest):
    """Whether the namespace takes the object; else the refusal."""
    try:
        kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(manifest))
    except ClusterError as error:
        return str(error)
    return True


@pytest.mark.parametrize(
    "wish",
    [
        {"securityContext": {**RESTRICTED, "privileged": True, "allowPrivilegeEscalation": True}},
        {"securityContext": {**RESTRICTED, "runAsNonRoot": False, "runAsUser": 0}},
        {"securityContext": {**RESTRICTED, "capabilities": {"add": ["NET_ADMIN"]}}},
    ],
    ids=["privileged", "root", "capability"],
)
def test_the_namespace_refuses_a_pod_that_wants_more_than_restricted(deployed, wish):
    labels, command = {"app.kubernetes.io/name": "probe"}, ["true"]
    assert admitted(pod("probe", labels, "ratchet/control:0.1.0", command)) is True
    assert "violates PodSecurity" in admitted(pod("probe", labels, "ratchet/control:0.1.0", command, **wish))


CONNECT = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def said(address):
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5)
    except OSError as error:
        return f"{address} not reached: {error}"
    return f"{address} reached"
with ThreadPoolExecutor() as pool:
    print(*pool.map(said, sys.argv[1:]), sep="\\n")
"""


UNREACHED = ("timed out", "refused")


def reached(run_as, labels, *addresses, unreached=UNREACHED):
    """Which of the addresses a pod with these labels reaches; what is said of the others is one of `unreached`."""
    code, log = run_as(labels, image_of("retrain"), ["python", "-c", CONNECT, *addresses])
    assert code == 0, log
    lines = dict(line.split(" ", 1) for line in log.splitlines())
    assert lines.keys() == set(addresses), log
    for said in lines.values():
        assert said == "reached" or any(word in said for word in unreached), log
    return {address for address, said in lines.items() if said == "reached"}


def executor_labels():
    executor = get("scheduledsparkapplication", "train-spark")["spec"]["template"]["executor"]
    return {**executor.get("labels", {}), "spark-role": "executor"}


def test_an_executor_reaches_the_store_and_not_postgresql(run_as):
    assert reached(run_as, executor_labels(), "minio:9000", "postgres:5432") == {"minio:9000"}


def test_only_mlflow_reaches_postgresql(run_as):
    kinds = {"mlflow": "deployment", **dict.fromkeys(("train-sklearn", "register", "retrain"), "cronjob")}
    with ThreadPoolExecutor() as pool:
        asked = {
            name: pool.submit(reached, run_as, template_labels(kind, name), "postgres:5432")
            for name, kind in kinds.items()
        }
    found = {name: each.result() for name, each in asked.items()}
    assert found.pop("mlflow") == {"postgres:5432"}
    assert not any(found.values()), found


def test_a_pod_without_a_role_reaches_nothing(run_as):
    stranger, addresses = {"app.kubernetes.io/name": "stranger"}, ("minio:9000", "mlflow:5000", "postgres:5432")
    assert reached(run_as, stranger, *addresses, unreached=(*UNREACHED, "name resolution")) == set()


@pytest.fixture
def s3(run_as):
    """Ask the store for these things as an S3 user, in a pod with these labels; each one's refusal and answer."""
    image, environment = image_of("retrain"), [{"name": "AWS_ENDPOINT_URL", "value": "http://minio:9000"}]

    def ask(user, labels, *wishes):
        source = [{"secretRef": {"name": f"s3-{user}"}}]
        code, log = run_as(labels, image, asking(wishes), envFrom=source, env=environment)
        assert code == 0, log
        found = answers(log)
        assert len(found) == len(wishes), log
        return found

    return ask


def must_be_denied(s3, user, labels, *wishes):
    found = dict(zip(wishes, s3(user, labels, *wishes), strict=True))
    assert {refusal for refusal, _ in found.values()} == {DENIED}, found


@pytest.mark.parametrize("engine", ["sklearn", "spark"])
def test_a_trainers_s3_user_reads_the_data_bucket_and_changes_nothing_in_it(s3, engine):
    user, labels = f"trainer-{engine}", template_labels("cronjob", "train-sklearn")
    ((refusal, said),) = s3(user, labels, "list ratchet-data/flights/")
    assert refusal is None, said
    table = [key for key in said if key.endswith("part-0.parquet")]
    assert table, said
    must_be_denied(
        s3, user, labels, f"delete ratchet-data/{table[0]}", "put ratchet-data/flights/own", "make ratchet-more"
    )


def test_the_servers_s3_user_reads_models_and_nothing_else(s3, first_cycle):
    (version,) = tracking.versions(first_cycle.model)
    (run,) = [each for each in tracking.runs(first_cycle.model, first_cycle.id) if each["id"] == version["run"]]
    of_run = run["artifacts"].removeprefix("s3://")
    model_file = f"{of_run.rsplit('/', 2)[0]}/models/{version['source'].removeprefix('models:/')}/artifacts/MLmodel"
    labels = template_labels("deployment", "server-sklearn")
    ((refusal, said),) = s3("server", labels, f"get {model_file}")
    assert refusal is None, said
    assert "python_function" in said, said
    # The trainer that wrote them may read them: they are there.
    others = [f"get {of_run}/{name}" for name in ("report.html", "sample.json")]
    for refusal, said in s3("trainer-sklearn", template_labels("cronjob", "train-sklearn"), *others):
        assert refusal is None, said
    own = f"put {model_file}", f"delete {model_file}"
    must_be_denied(s3, "server", labels, *others, "list ratchet-data/flights/", "list ratchet-mlflow/", *own)


def may(account, verb, what, group=""):
    """Whether the API lets an account of the namespace do this."""
    resource, _, subresource = what.partition("/")
    asked = {"namespace": NAMESPACE, "verb": verb, "group": group, "resource": resource, "subresource": subresource}
    user = f"system:serviceaccount:{NAMESPACE}:{account}"
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
    return create({**review, "spec": {"user": user, "resourceAttributes": asked}})["status"].get("allowed", False)


def test_the_coordinators_account_makes_jobs_and_reads_no_secret(deployed):
    assert may("coordinator", "create", "jobs", "batch")
    assert may("coordinator", "get", "cronjobs", "batch")
    for verb in ("get", "list", "watch", "create"):
        assert not may("coordinator", verb, "secrets")
    for verb, what, group in (
        ("create", "pods/exec", ""),
        ("create", "pods", ""),
        ("patch", "cronjobs", "batch"),
        ("create", "rolebindings", "rbac.authorization.k8s.io"),
    ):
        assert not may("coordinator", verb, what, group), f"{verb} {what}"
    with pytest.raises(ClusterError, match="orbidden"):
        kubectl("get", "secrets", f"--as=system:serviceaccount:{NAMESPACE}:coordinator")


@pytest.mark.parametrize("account", ["trainer-sklearn", "registrar", "spark-executor"])
def test_an_account_that_needs_no_api_may_do_nothing(deployed, account):
    for verb, what, group in (("get", "secrets", ""), ("create", "jobs", "batch"), ("list", "pods", "")):
        assert not may(account, verb, what, group), f"{verb} {what}"


BREAKING_OUT = {
    "a path as model": (("--set", "model=../../champion"), "model"),
    "a command as model": (("--set", "model=a; touch /tmp/x"), "model"),
    "a substitution as model": (("--set", "model=$(id)"), "model"),
    "a path as environment": (("--env", "../../etc/passwd"), "etc/passwd"),
    "a path as cycle": (("--cycle", "../retrain"), "--cycle"),
}


@pytest.fixture(scope="module")
def breaking_out(deployed):
    """A Job for each name that breaks out of its place, all at once."""
    names = {case: f"refused-{secrets.token_hex(3)}" for case in BREAKING_OUT}
    for case, (arguments, _) in BREAKING_OUT.items():
        create(cycles.job_from("register", names[case], *arguments))
    yield names
    kubectl("delete", "job", *names.values(), "--wait=false")


@pytest.mark.parametrize("case", BREAKING_OUT)
def test_a_name_that_breaks_out_of_its_place_is_a_configuration_error(breaking_out, case):
    name = breaking_out[case]
    assert cycles.job_end(name) == 2
    assert BREAKING_OUT[case][1] in cycles.logs_of_job(name)
