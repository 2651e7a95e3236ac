"""The rules: each takes the objects of an overlay and returns a sentence for each thing that breaks it."""

import re
from collections.abc import Callable, Iterator

import yaml

from ratchet.jobs.secrets import contents
from tests.manifests.pods import Pod, pods

HASH = re.compile(r"-[0-9a-z]{10}$")
PART_OF = ("app.kubernetes.io/name", "app.kubernetes.io/component", "app.kubernetes.io/part-of")
# Who calls the API server; nobody else holds a token.
CALLERS = {
    "Job generated-secrets",
    "CronJob retrain",
    "CronJob rollout",
    "CronJob watch",
    "ScheduledSparkApplication train-spark, driver",
    "ScheduledSparkApplication score-spark, driver",
    "Deployment exporter",
    "CronJob model-secrets",
}
# Components of workloads that an overlay may do without; the policies for them stay.
OPTIONAL = {"rollout", "server", "exporter", "prometheus", "grafana", "alertmanager"}
# What a pod has only with a component that an overlay may do without.
OPTIONAL_LABELS = {"ratchet/uses-webhook", "ratchet/uses-backup-store"}
# Who tells the team; nobody else knows the webhook.
TELLERS = {"CronJob retrain", "CronJob watch", "CronJob rollout", "Deployment alertmanager"}
WEBHOOK = "ratchet-notify"
# A Secret that only a team can make: the store elsewhere. Without it these Jobs wait and say so.
BACKUP_STORE, BACKUPS = "backup-store", {"CronJob backup", "CronJob restore"}

Rule = Callable[[list[dict]], Iterator[str]]


def images_are_pinned(objects: list[dict]) -> Iterator[str]:
    for pod, container in _containers(objects):
        if not re.fullmatch(r"[\w./:-]*\w(:v?\d[\w.-]*|@sha256:[0-9a-f]{64})", container.get("image") or ""):
            yield f"{pod.where}: the image {container.get('image')!r} has no version"


def pods_are_restricted(objects: list[dict]) -> Iterator[str]:
    """Pod Security `restricted`, and a read-only root."""
    for pod in pods(objects):
        context = pod.spec.get("securityContext", {})
        if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
            yield f"{pod.where}: may run as root"
        if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{pod.where}: has no seccomp profile"
        if any(pod.spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")):
            yield f"{pod.where}: shares the node's namespaces"
        allowed = {"configMap", "emptyDir", "secret", "persistentVolumeClaim", "projected", "downwardAPI"}
        for volume in pod.spec.get("volumes", []):
            if forbidden := volume.keys() - allowed - {"name"}:
                yield f"{pod.where}: mounts {', '.join(forbidden)}"
    expected = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for pod, container in _containers(objects):
        if container.get("securityContext") != expected:
            yield f"{pod.where}: the container {container.get('name')} is not restricted"


def memory_and_cpu_are_bounded(objects: list[dict]) -> Iterator[str]:
    for pod, container in _containers(objects):
        resources = container.get("resources", {})
        yield from (
            f"{pod.where}: the container {container.get('name')} has no {side} of {what}"
            for side in ("requests", "limits")
            for what in ("cpu", "memory")
            if not resources.get(side, {}).get(what)
        )


def folders_have_a_size(objects: list[dict]) -> Iterator[str]:
    for pod in pods(objects):
        for volume in pod.spec.get("volumes", []):
            if "emptyDir" in volume and not volume["emptyDir"].get("sizeLimit"):
                yield f"{pod.where}: the folder {volume['name']} may fill the node's disk"


def each_workload_has_its_account(objects: list[dict]) -> Iterator[str]:
    owners: dict[str, str] = {}
    for pod in pods(objects):
        account = pod.account or "default"
        if account == "default":
            yield f"{pod.where}: runs as the namespace's default account"
        elif account in owners:
            yield f"{pod.where}: shares the account {account} with {owners[account]}"
        owners[account] = pod.where


def tokens_are_where_they_are_used(objects: list[dict]) -> Iterator[str]:
    for pod in pods(objects):
        if pod.spec.get("automountServiceAccountToken") is not (pod.where in CALLERS):
            yield f"{pod.where}: a token is {'missing' if pod.where in CALLERS else 'mounted'}"
    for account in _of_kind(objects, "ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"ServiceAccount {account['metadata']['name']}: mounts its token by itself"


def services_are_no_variables(objects: list[dict]) -> Iterator[str]:
    for pod in pods(objects):
        if pod.spec.get("enableServiceLinks") is not False:
            yield f"{pod.where}: gets MLFLOW_PORT and the like from Services"


def what_a_pod_names_exists(objects: list[dict]) -> Iterator[str]:
    """ConfigMaps, Secrets with their keys, accounts, claims; also Secrets that a Job makes."""
    if "generated-secrets" in _names(objects, "Job"):
        made = [{"kind": "Secret", "metadata": {"name": name}, "data": data} for name, data in contents().items()]
        objects = [*objects, *made]
    for pod in pods(objects):
        for kind, name, keys in _named(pod):
            found = next((thing for thing in _of_kind(objects, kind) if thing["metadata"]["name"] == name), None)
            if name == BACKUP_STORE and pod.where in BACKUPS:
                continue
            if found is None:
                yield f"{pod.where}: there is no {kind} {name}"
            elif missing := keys - found.get("data", {}).keys():
                yield f"{pod.where}: the {kind} {name} has no {', '.join(missing)}"


def what_a_binding_names_exists(objects: list[dict]) -> Iterator[str]:
    for binding in _of_kind(objects, "RoleBinding"):
        for wanted in (binding["roleRef"], *binding["subjects"]):
            if wanted["name"] not in _names(objects, wanted["kind"]):
                yield f"RoleBinding {binding['metadata']['name']}: there is no {wanted['kind']} {wanted['name']}"


def addresses_are_of_services(objects: list[dict]) -> Iterator[str]:
    """A host without a dot, with a port, in a setting of one line."""
    for thing in _of_kind(objects, "ConfigMap"):
        lines = {key: value for key, value in thing.get("data", {}).items() if "\n" not in value}
        for key, value in lines.items():
            for host in re.findall(r"(?:^|://)([a-z][a-z0-9-]*):\d+", value):
                if host not in _names(objects, "Service"):
                    yield f"ConfigMap {thing['metadata']['name']}: {key} names {host}, which is no Service"


def config_maps_have_hashes(objects: list[dict]) -> Iterator[str]:
    """A pod made from a changed ConfigMap must be another pod."""
    for pod in pods(objects):
        for kind, name, _ in _named(pod):
            if kind == "ConfigMap" and not HASH.search(name):
                yield f"{pod.where}: names the ConfigMap {name} without a hash"


def services_reach_pods(objects: list[dict]) -> Iterator[str]:
    """One workload each; a name for pods of many workloads, by which they are found, may choose any number."""
    for service in _of_kind(objects, "Service"):
        chosen = [pod for pod in pods(objects) if _matches({"matchLabels": service["spec"]["selector"]}, pod.labels)]
        if len(chosen) != 1 and service["spec"].get("clusterIP") != "None":
            yield f"Service {service['metadata']['name']}: chooses {len(chosen)} workloads"
            continue
        for pod in chosen:
            ports = {port["name"] for container in pod.containers for port in container.get("ports", [])}
            for port in service["spec"]["ports"]:
                if port["targetPort"] not in ports:
                    yield f"Service {service['metadata']['name']}: {pod.where} has no port {port['targetPort']}"


def prometheus_scrapes_services(objects: list[dict]) -> Iterator[str]:
    for config in _of_kind(objects, "ConfigMap"):
        if "prometheus.yml" not in config.get("data", {}):
            continue
        for job in yaml.safe_load(config["data"]["prometheus.yml"])["scrape_configs"]:
            hosts = [host for each in job.get("static_configs", []) for host in each["targets"]]
            names = [f"{name}:{each['port']}" for each in job.get("dns_sd_configs", []) for name in each["names"]]
            ports = {
                f"{service['metadata']['name']}:{port['port']}"
                for service in _of_kind(objects, "Service")
                for port in service["spec"]["ports"]
            }
            yield from (f"Prometheus scrapes {each}, which is no Service" for each in {*hosts, *names} - ports)


def network_is_closed_by_default(objects: list[dict]) -> Iterator[str]:
    everything = [
        policy
        for policy in _of_kind(objects, "NetworkPolicy")
        if policy["spec"].keys() == {"podSelector", "policyTypes"}
        and policy["spec"]["podSelector"] == {}
        and sorted(policy["spec"]["policyTypes"]) == ["Egress", "Ingress"]
    ]
    if not everything:
        yield "no NetworkPolicy closes the namespace"


def policies_choose_pods(objects: list[dict]) -> Iterator[str]:
    """Each selector of a policy matches a pod that there is, and each value in it one of its own."""
    labels = [pod.labels for pod in pods(objects)]
    for policy in _of_kind(objects, "NetworkPolicy"):
        for selector in _selectors(policy["spec"]):
            for one in _single_values(selector):
                wanted = one.get("matchLabels", {})
                optional = wanted.get(PART_OF[1]) in OPTIONAL or wanted.keys() & OPTIONAL_LABELS
                if not optional and not any(_matches(one, each) for each in labels):
                    yield f"NetworkPolicy {policy['metadata']['name']}: {one} chooses no pod"


def connections_have_two_ends(objects: list[dict]) -> Iterator[str]:
    """What one pod may call in the namespace, the other lets in, by the same port; and the other way round."""
    leaving, arriving = _edges(objects, "egress", "to"), _edges(objects, "ingress", "from")
    yield from (f"{here} may call {there} on {port}, which lets nothing in" for here, there, port in leaving - arriving)
    yield from (f"{there} lets {here} in on {port}, which may not call" for here, there, port in arriving - leaving)


def names_tell_what_it_is(objects: list[dict]) -> Iterator[str]:
    for pod in pods(objects):
        if missing := [label for label in PART_OF if not pod.labels.get(label)]:
            yield f"{pod.where}: its pods have no label {', '.join(missing)}"
        if pod.labels.get(PART_OF[2]) != "ratchet":
            yield f"{pod.where}: is no part of ratchet"


def all_is_in_the_namespace(objects: list[dict]) -> Iterator[str]:
    for thing in objects:
        if thing["metadata"].get("namespace") != "ratchet":
            yield f"{thing['kind']} {thing['metadata']['name']}: is not in the namespace ratchet"


def jobs_end_by_their_code(objects: list[dict]) -> Iterator[str]:
    """Wrong settings and wrong data are not tried again; a pod that was disrupted or deleted is, and is not counted."""
    for job in _of_kind(objects, "CronJob"):
        name, spec = job["metadata"]["name"], job["spec"]["jobTemplate"]["spec"]
        if spec["template"]["spec"].get("restartPolicy") != "Never":
            yield f"CronJob {name}: its containers are started again in their pod"
        named = (
            "retrain",
            "train-sklearn",
            "register",
            "validate-sklearn",
            "validate-spark",
            "rollout",
            "score-sklearn",
            "watch",
            "watch-sklearn",
            "watch-spark",
            "prune",
        )
        if name not in named:
            continue
        container = spec["template"]["spec"]["containers"][0]["name"]
        rules = spec.get("podFailurePolicy", {}).get("rules", [])
        failing = {code for rule in rules if rule["action"] == "FailJob" for code in rule["onExitCodes"]["values"]}
        if not failing >= {2, 3}:
            yield f"CronJob {name}: is tried again after {', '.join(map(str, sorted({2, 3} - failing)))}"
        if {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]} not in rules:
            yield f"CronJob {name}: counts a pod that was disrupted"
        if wrong := {rule["onExitCodes"]["containerName"] for rule in rules if "onExitCodes" in rule} - {container}:
            yield f"CronJob {name}: its rules are for {', '.join(wrong)}"


def schedules_are_complete(objects: list[dict]) -> Iterator[str]:
    wanted = ("timeZone", "concurrencyPolicy", "startingDeadlineSeconds", "successfulJobsHistoryLimit")
    for job in _of_kind(objects, "CronJob"):
        if missing := [key for key in (*wanted, "failedJobsHistoryLimit") if key not in job["spec"]]:
            yield f"CronJob {job['metadata']['name']}: leaves {', '.join(missing)} to chance"
        if job["spec"].get("concurrencyPolicy") != "Forbid":
            yield f"CronJob {job['metadata']['name']}: may run twice at once"


def coordinator_reads_no_secrets(objects: list[dict]) -> Iterator[str]:
    for role in _of_kind(objects, "Role"):
        for rule in role["rules"]:
            names = ("generated-secrets", "model-secrets")
            makes_only = role["metadata"]["name"] in names and rule["verbs"] == ["create"]
            if {"*", "secrets"} & {*rule["resources"], *rule["verbs"], *rule["apiGroups"]} and not makes_only:
                yield f"Role {role['metadata']['name']}: may too much: {rule}"


def exporter_only_looks(objects: list[dict]) -> Iterator[str]:
    """At Jobs and CronJobs."""
    for role in _of_kind(objects, "Role"):
        for rule in role["rules"] if role["metadata"]["name"] == "exporter" else ():
            if rule["apiGroups"] != ["batch"] or {*rule["resources"]} - {"jobs", "cronjobs"}:
                yield f"Role exporter: sees {rule['resources']}"
            if {*rule["verbs"]} - {"get", "list"}:
                yield f"Role exporter: does {rule['verbs']}"


def the_webhook_is_known_to_those_who_tell(objects: list[dict]) -> Iterator[str]:
    """The Secret is mounted or read, and is there or not; with it goes the right to call addresses outside."""
    for pod in pods(objects):
        references = [*_references(pod)]
        if any(not each.get("optional") for each in references):
            yield f"{pod.where}: can't start without the Secret {WEBHOOK}"
        if bool(references) != (pod.labels.get("ratchet/uses-webhook") == "true"):
            yield f"{pod.where}: has the webhook's address or may call it, not both"
        if references and pod.where not in TELLERS:
            yield f"{pod.where}: knows the webhook"


def secrets_are_not_written_down(objects: list[dict]) -> Iterator[str]:
    """No variable or argument holds one: they name a Secret's key."""
    for pod, container in _containers(objects):
        for variable in container.get("env", []):
            if (
                re.search(r"PASSWORD|SECRET|TOKEN(?!_FILE$)|NOTIFY__(URL|KEY)", variable["name"])
                and "value" in variable
            ):
                yield f"{pod.where}: {variable['name']} stands in the manifest"
        for word in (*container.get("command", []), *container.get("args", [])):
            if re.search(r"\$\(\w*(PASSWORD|SECRET|STORE_URI)\w*\)", word):
                yield f"{pod.where}: {word} shows a secret in the list of processes"


RULES: tuple[Rule, ...] = (
    images_are_pinned,
    pods_are_restricted,
    memory_and_cpu_are_bounded,
    folders_have_a_size,
    each_workload_has_its_account,
    tokens_are_where_they_are_used,
    services_are_no_variables,
    what_a_pod_names_exists,
    what_a_binding_names_exists,
    addresses_are_of_services,
    config_maps_have_hashes,
    services_reach_pods,
    prometheus_scrapes_services,
    network_is_closed_by_default,
    policies_choose_pods,
    connections_have_two_ends,
    names_tell_what_it_is,
    all_is_in_the_namespace,
    jobs_end_by_their_code,
    schedules_are_complete,
    coordinator_reads_no_secrets,
    exporter_only_looks,
    the_webhook_is_known_to_those_who_tell,
    secrets_are_not_written_down,
)


def _containers(objects: list[dict]) -> Iterator[tuple[Pod, dict]]:
    return ((pod, container) for pod in pods(objects) for container in pod.containers)


def _of_kind(objects: list[dict], kind: str) -> list[dict]:
    return [thing for thing in objects if thing["kind"] == kind]


def _names(objects: list[dict], kind: str) -> set[str]:
    return {thing["metadata"]["name"] for thing in _of_kind(objects, kind)}


def _named(pod: Pod) -> Iterator[tuple[str, str, set[str]]]:
    """Kind, name and keys of all that a pod needs to start."""
    yield "ServiceAccount", pod.account or "default", set()
    kinds = {"configMapRef": "ConfigMap", "secretRef": "Secret"}
    for container in pod.containers:
        for source in container.get("envFrom", []):
            yield from ((kinds[key], value["name"], set()) for key, value in source.items() if key in kinds)
        for variable in container.get("env", []):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference and not reference.get("optional"):
                yield "Secret", reference["name"], {reference["key"]}
    for volume in pod.spec.get("volumes", []):
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"], set()
        if "secret" in volume and not volume["secret"].get("optional"):
            yield "Secret", volume["secret"]["secretName"], set()
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"], set()


def _references(pod: Pod) -> Iterator[dict]:
    """Where a pod names the webhook's Secret, whether it must be there or not."""
    for container in pod.containers:
        for source in container.get("envFrom", []):
            if source.get("secretRef", {}).get("name") == WEBHOOK:
                yield source["secretRef"]
        for variable in container.get("env", []):
            if (reference := variable.get("valueFrom", {}).get("secretKeyRef", {})).get("name") == WEBHOOK:
                yield reference
    for volume in pod.spec.get("volumes", []):
        if volume.get("secret", {}).get("secretName") == WEBHOOK:
            yield volume["secret"]


def _selectors(spec: dict) -> Iterator[dict]:
    yield spec["podSelector"]
    for rule in (*spec.get("ingress", []), *spec.get("egress", [])):
        for peer in (*rule.get("from", []), *rule.get("to", [])):
            if "podSelector" in peer and "namespaceSelector" not in peer:
                yield peer["podSelector"]


def _single_values(selector: dict) -> Iterator[dict]:
    """A selector taken apart, so that a value which nobody has is not hidden behind one that somebody has."""
    if "matchExpressions" not in selector:
        yield selector
    for expression in selector.get("matchExpressions", []):
        yield from ({"matchLabels": {expression["key"]: value}} for value in expression["values"])


def _matches(selector: dict, labels: dict) -> bool:
    exact = selector.get("matchLabels", {}).items()
    expressions = selector.get("matchExpressions", [])
    return all(labels.get(key) == value for key, value in exact) and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )


def _edges(objects: list[dict], direction: str, peers: str) -> set[tuple[str, str, int]]:
    """Caller, called and port of each connection within the namespace that policies of one direction allow."""
    everyone = list(pods(objects))
    found = set()
    for policy in _of_kind(objects, "NetworkPolicy"):
        own = [pod for pod in everyone if _matches(policy["spec"]["podSelector"], pod.labels)]
        for rule in policy["spec"].get(direction, []):
            selectors = [peer["podSelector"] for peer in rule.get(peers, []) if "namespaceSelector" not in peer]
            others = [pod for pod in everyone if any(_matches(selector, pod.labels) for selector in selectors)]
            pairs = ((one, other) if direction == "egress" else (other, one) for one in own for other in others)
            found |= {(one.where, other.where, port["port"]) for one, other in pairs for port in rule["ports"]}
    return found
