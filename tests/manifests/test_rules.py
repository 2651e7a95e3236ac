"""Each rule holds for each overlay, and sees what breaks it."""

import copy

import pytest

from tests.manifests import rules
from tests.manifests.kustomize import OVERLAYS


def one(objects, kind, name):
    return next(thing for thing in objects if (thing["kind"], thing["metadata"]["name"]) == (kind, name))


def template(objects, kind, name):
    found = one(objects, kind, name)["spec"]
    return found["jobTemplate"]["spec"]["template"] if kind == "CronJob" else found["template"]


def spec(objects, kind, name):
    return template(objects, kind, name)["spec"]


def pod_labels(objects, kind, name):
    return template(objects, kind, name)["metadata"]["labels"]


def container(objects, kind, name):
    return spec(objects, kind, name)["containers"][0]


def spark(objects, part):
    return one(objects, "ScheduledSparkApplication", "train-spark")["spec"]["template"][part]


def remove(objects, kind, name):
    objects.remove(one(objects, kind, name))


def webhook(**more):
    return {"valueFrom": {"secretKeyRef": {"name": "ratchet-notify", "key": "url", **more}}}


def hash_of(objects, name):
    return next(
        thing["metadata"]["name"]
        for thing in objects
        if thing["kind"] == "ConfigMap" and rules.HASH.sub("", thing["metadata"]["name"]) == name
    )


TWINS = {
    rules.images_are_pinned: {
        "latest": lambda o: container(o, "Deployment", "mlflow").update(image="ratchet/mlflow:latest"),
        "no tag": lambda o: container(o, "CronJob", "retrain").update(image="ratchet/control"),
        "Spark's": lambda o: one(o, "ScheduledSparkApplication", "train-spark")["spec"]["template"].update(image="a/b"),
        "of an init container": lambda o: spec(o, "StatefulSet", "postgres")["initContainers"][0].update(
            image="postgres"
        ),
    },
    rules.pods_are_restricted: {
        "root": lambda o: spec(o, "CronJob", "register")["securityContext"].update(runAsNonRoot=False),
        "seccomp": lambda o: spark(o, "executor")["template"]["spec"]["securityContext"].pop("seccompProfile"),
        "writable": lambda o: spark(o, "driver")["template"]["spec"]["containers"][0]["securityContext"].update(
            readOnlyRootFilesystem=False
        ),
        "an init container": lambda o: spec(o, "Deployment", "mlflow")["initContainers"][0].pop("securityContext"),
        "a second container": lambda o: spec(o, "Deployment", "mlflow")["containers"].append({"name": "beside"}),
        "hostPath": lambda o: spec(o, "StatefulSet", "versitygw")["volumes"].append(
            {"name": "n", "hostPath": {"path": "/"}}
        ),
        "hostNetwork": lambda o: spec(o, "StatefulSet", "versitygw").update(hostNetwork=True),
    },
    rules.memory_and_cpu_are_bounded: {
        "no limit": lambda o: container(o, "CronJob", "train-sklearn")["resources"]["limits"].pop("memory"),
        "Spark's": lambda o: spark(o, "executor").pop("coreLimit"),
    },
    rules.folders_have_a_size: {"tmp": lambda o: spec(o, "CronJob", "retrain")["volumes"][1].update(emptyDir={})},
    rules.each_workload_has_its_account: {
        "default": lambda o: spec(o, "CronJob", "register").pop("serviceAccountName"),
        "shared": lambda o: spark(o, "executor").update(serviceAccount="spark-driver"),
    },
    rules.tokens_are_where_they_are_used: {
        "an executor's": lambda o: spark(o, "executor")["template"]["spec"].update(automountServiceAccountToken=True),
        "by omission": lambda o: spec(o, "CronJob", "train-sklearn").pop("automountServiceAccountToken"),
        "the coordinator's": lambda o: spec(o, "CronJob", "retrain").update(automountServiceAccountToken=False),
        "an account's": lambda o: one(o, "ServiceAccount", "mlflow").pop("automountServiceAccountToken"),
    },
    rules.services_are_no_variables: {
        "links": lambda o: spec(o, "Deployment", "mlflow").pop("enableServiceLinks"),
        "Spark's": lambda o: spark(o, "driver")["template"]["spec"].pop("enableServiceLinks"),
    },
    rules.what_a_pod_names_exists: {
        "no Secret": lambda o: remove(o, "Secret", "s3-trainer-spark"),
        "no key": lambda o: one(o, "Secret", "postgres")["data"].pop("MLFLOW_PASSWORD"),
        "no ConfigMap": lambda o: remove(o, "ConfigMap", hash_of(o, "ratchet-config")),
        "no account": lambda o: remove(o, "ServiceAccount", "spark-executor"),
        "the store of backups": lambda o: container(o, "CronJob", "register")["envFrom"].append(
            {"secretRef": {"name": "backup-store"}}
        ),
    },
    rules.what_a_binding_names_exists: {
        "no role": lambda o: remove(o, "Role", "coordinator"),
        "no account": lambda o: remove(o, "ServiceAccount", "spark-driver"),
    },
    rules.addresses_are_of_services: {
        "an endpoint": lambda o: remove(o, "Service", "minio"),
        "a database": lambda o: remove(o, "Service", "postgres"),
    },
    rules.config_maps_have_hashes: {
        "Spark's settings": lambda o: spark(o, "driver")["template"]["spec"]["containers"][0]["envFrom"][0].update(
            configMapRef={"name": "ratchet-settings"}
        ),
        "Spark's files": lambda o: spark(o, "driver")["template"]["spec"]["volumes"][0].update(
            configMap={"name": "ratchet-config"}
        ),
    },
    rules.services_reach_pods: {
        "no pod": lambda o: one(o, "Service", "mlflow")["spec"].update(selector={"app.kubernetes.io/name": "nobody"}),
        "no port": lambda o: container(o, "StatefulSet", "versitygw").update(ports=[]),
        "no port of one of many": lambda o: one(o, "Service", "servers")["spec"].update(
            selector={"app.kubernetes.io/name": "exporter"}
        ),
    },
    rules.prometheus_scrapes_services: {
        "no exporter": lambda o: remove(o, "Service", "exporter"),
        "no servers": lambda o: remove(o, "Service", "servers"),
        "another port": lambda o: one(o, "Service", "exporter")["spec"]["ports"][0].update(port=80),
    },
    rules.network_is_closed_by_default: {
        "open": lambda o: remove(o, "NetworkPolicy", "default-deny"),
        "open outwards": lambda o: one(o, "NetworkPolicy", "default-deny")["spec"].update(policyTypes=["Ingress"]),
    },
    rules.policies_choose_pods: {
        "a name of nobody": lambda o: one(o, "NetworkPolicy", "to-minio")["spec"]["podSelector"]["matchLabels"].update(
            {"ratchet/uses-s3": "trainers"}
        ),
    },
    rules.connections_have_two_ends: {
        "nobody lets in": lambda o: remove(o, "NetworkPolicy", "at-mlflow"),
        "nobody calls": lambda o: remove(o, "NetworkPolicy", "to-postgres"),
        "another port": lambda o: one(o, "NetworkPolicy", "driver")["spec"]["ingress"][0]["ports"].pop(),
    },
    rules.names_tell_what_it_is: {
        "Spark's": lambda o: spark(o, "executor").pop("labels"),
        "another's": lambda o: one(o, "Deployment", "mlflow")["spec"]["template"]["metadata"]["labels"].update(
            {"app.kubernetes.io/part-of": "other"}
        ),
    },
    rules.all_is_in_the_namespace: {
        "default": lambda o: one(o, "Deployment", "mlflow")["metadata"].pop("namespace"),
    },
    rules.jobs_end_by_their_code: {
        "tried again": lambda o: one(o, "CronJob", "register")["spec"]["jobTemplate"]["spec"].pop("podFailurePolicy"),
        "in its pod": lambda o: spec(o, "CronJob", "retrain").update(restartPolicy="OnFailure"),
        "of another container": lambda o: container(o, "CronJob", "retrain").update(name="main"),
    },
    rules.schedules_are_complete: {
        "no time zone": lambda o: one(o, "CronJob", "retrain")["spec"].pop("timeZone"),
        "twice": lambda o: one(o, "CronJob", "retrain")["spec"].update(concurrencyPolicy="Allow"),
    },
    rules.coordinator_reads_no_secrets: {
        "secrets": lambda o: one(o, "Role", "coordinator")["rules"][0]["resources"].append("secrets"),
        "makes them": lambda o: one(o, "Role", "coordinator")["rules"].append(
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}
        ),
        "all": lambda o: one(o, "Role", "spark-driver")["rules"][0].update(verbs=["*"]),
    },
    rules.exporter_only_looks: {
        "pods": lambda o: one(o, "Role", "exporter")["rules"][0]["resources"].append("pods"),
        "of another group": lambda o: one(o, "Role", "exporter")["rules"][0].update(apiGroups=[""]),
        "writes": lambda o: one(o, "Role", "exporter")["rules"][0]["verbs"].append("create"),
    },
    rules.the_webhook_is_known_to_those_who_tell: {
        "a trainer": lambda o: (
            container(o, "CronJob", "train-sklearn").update(env=[{"name": "X", **webhook(optional=True)}]),
            pod_labels(o, "CronJob", "train-sklearn").update({"ratchet/uses-webhook": "true"}),
        ),
        "all of it": lambda o: container(o, "CronJob", "register")["envFrom"].append(
            {"secretRef": {"name": "ratchet-notify", "optional": True}}
        ),
        "must be there": lambda o: (
            container(o, "CronJob", "retrain")["env"].append({"name": "X", **webhook()}),
            pod_labels(o, "CronJob", "retrain").update({"ratchet/uses-webhook": "true"}),
        ),
        "may not call": lambda o: container(o, "CronJob", "retrain")["env"].append(
            {"name": "X", **webhook(optional=True)}
        ),
        "may call": lambda o: pod_labels(o, "CronJob", "validate-sklearn").update({"ratchet/uses-webhook": "true"}),
    },
    rules.secrets_are_not_written_down: {
        "the webhook's": lambda o: container(o, "CronJob", "retrain")["env"].append(
            {"name": "RATCHET__NOTIFY__URL", "value": "https://hooks.example.com/x"}
        ),
        "a value": lambda o: container(o, "CronJob", "register").update(
            env=[{"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}]
        ),
        "an argument": lambda o: container(o, "Deployment", "mlflow")["command"].append(
            "--uri=$(MLFLOW_BACKEND_STORE_URI)"
        ),
    },
}


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_holds_in(overlay, rule, overlays):
    assert list(rule(overlays[overlay])) == []


@pytest.mark.parametrize(
    ("rule", "broken"),
    [pytest.param(rule, twin, id=f"{rule.__name__}-{twin}") for rule, twins in TWINS.items() for twin in twins],
)
def test_is_broken_by(rule, broken, overlays):
    objects = copy.deepcopy(overlays["local"])
    TWINS[rule][broken](objects)
    assert list(rule(objects)) != []


def test_every_rule_has_something_that_breaks_it():
    assert set(rules.RULES) == TWINS.keys()
