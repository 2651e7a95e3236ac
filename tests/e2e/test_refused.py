"""What the cluster must refuse, and beside each refusal the same thing where it is allowed."""

import json
import secrets

import pytest

from tests.e2e import cycles, tracking
from tests.e2e.cluster import NAMESPACE, KubectlError, create, get, kubectl, wait_until

pytestmark = pytest.mark.telling

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
        return status["state"]["terminated"]["exitCode"], kubectl("logs", name)

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
    except KubectlError as error:
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


CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)"


def connection(run_as, labels, host, port):
    """Whether a pod with these labels reaches the port."""
    code, log = run_as(labels, image_of("retrain"), ["python", "-c", CONNECT, host, str(port)])
    assert code == 0 or "timed out" in log or "refused" in log, log
    return code == 0


def executor_labels():
    executor = get("scheduledsparkapplication", "train-spark")["spec"]["template"]["executor"]
    return {**executor.get("labels", {}), "spark-role": "executor"}


def test_an_executor_reaches_minio_and_not_postgresql(run_as):
    assert connection(run_as, executor_labels(), "minio", 9000)
    assert not connection(run_as, executor_labels(), "postgres", 5432)


def test_only_mlflow_reaches_postgresql(run_as):
    assert connection(run_as, template_labels("deployment", "mlflow"), "postgres", 5432)
    for cronjob in ("train-sklearn", "register", "retrain"):
        assert not connection(run_as, template_labels("cronjob", cronjob), "postgres", 5432), cronjob


def test_a_pod_without_a_role_reaches_nothing(run_as):
    for host, port in (("minio", 9000), ("mlflow", 5000), ("postgres", 5432)):
        code, log = run_as(
            {"app.kubernetes.io/name": "stranger"}, image_of("retrain"), ["python", "-c", CONNECT, host, str(port)]
        )
        assert code != 0, f"{host}:{port}: {log}"


MC = 'mc alias set s3 "$AWS_ENDPOINT_URL" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" > /dev/null && mc '


@pytest.fixture
def mc(run_as):
    """Run MinIO's client as an S3 user, in a pod with these labels; its exit code and log."""
    environment = [
        {"name": "AWS_ENDPOINT_URL", "value": "http://minio:9000"},
        {"name": "MC_CONFIG_DIR", "value": "/tmp/mc"},  # noqa: S108  # of the pod
    ]
    image = get("statefulset", "minio")["spec"]["template"]["spec"]["containers"][0]["image"]

    def run(user, labels, words):
        source = [{"secretRef": {"name": f"s3-{user}"}}]
        return run_as(labels, image, ["sh", "-c", MC + words], envFrom=source, env=environment)

    return run


def must_be_denied(mc, user, labels, words):
    code, log = mc(user, labels, words)
    assert code != 0, f"{words}: {log}"
    assert "Access Denied" in log or "Insufficient permissions" in log, log


@pytest.mark.parametrize("engine", ["sklearn", "spark"])
def test_a_trainers_s3_user_reads_the_data_bucket_and_changes_nothing_in_it(mc, engine):
    user, labels = f"trainer-{engine}", template_labels("cronjob", "train-sklearn")
    code, log = mc(user, labels, "ls --recursive s3/ratchet-data/flights")
    assert code == 0, log
    assert "part-0.parquet" in log, log
    for words in (
        "rm --recursive --force s3/ratchet-data/flights/year_month=2013-01",
        "cp /etc/hostname s3/ratchet-data/flights/hostname",
        "mb s3/ratchet-more",
    ):
        must_be_denied(mc, user, labels, words)


def test_the_servers_s3_user_reads_models_and_nothing_else(mc, start, model):
    start().must_complete()
    (run,), (version,) = tracking.runs(model), tracking.versions(model)
    of_run = run["artifacts"].replace("s3://", "s3/")
    model_file = f"{of_run.rsplit('/', 2)[0]}/models/{version['source'].removeprefix('models:/')}/artifacts/MLmodel"
    labels = template_labels("deployment", "server-sklearn")
    code, log = mc("server", labels, f"cat {model_file}")
    assert code == 0, log
    assert "python_function" in log, log
    # The trainer that wrote them may read them: they are there.
    for name in ("report.html", "sample.json"):
        code, log = mc("trainer-sklearn", template_labels("cronjob", "train-sklearn"), f"stat {of_run}/{name}")
        assert code == 0, log
        must_be_denied(mc, "server", labels, f"cat {of_run}/{name}")
    must_be_denied(mc, "server", labels, "ls s3/ratchet-data/flights/")
    must_be_denied(mc, "server", labels, f"cp /etc/hostname {model_file}")
    must_be_denied(mc, "server", labels, f"rm {model_file}")


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
    with pytest.raises(KubectlError, match="orbidden"):
        kubectl("get", "secrets", f"--as=system:serviceaccount:{NAMESPACE}:coordinator")


@pytest.mark.parametrize("account", ["trainer-sklearn", "registrar", "spark-executor"])
def test_an_account_that_needs_no_api_may_do_nothing(deployed, account):
    for verb, what, group in (("get", "secrets", ""), ("create", "jobs", "batch"), ("list", "pods", "")):
        assert not may(account, verb, what, group), f"{verb} {what}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--set", "model=../../champion"), "model"),
        (("--set", "model=a; touch /tmp/x"), "model"),
        (("--set", "model=$(id)"), "model"),
        (("--env", "../../etc/passwd"), "etc/passwd"),
        (("--cycle", "../retrain"), "--cycle"),
    ],
    ids=[
        "a path as model",
        "a command as model",
        "a substitution as model",
        "a path as environment",
        "a path as cycle",
    ],
)
def test_a_name_that_breaks_out_of_its_place_is_a_configuration_error(system, arguments, words):
    name = f"refused-{secrets.token_hex(3)}"
    create(cycles.job_from("register", name, *arguments))
    try:
        assert cycles.job_end(name) == 2
        assert words in cycles.logs_of_job(name)
    finally:
        kubectl("delete", "job", name, "--timeout=60s", seconds=90)
