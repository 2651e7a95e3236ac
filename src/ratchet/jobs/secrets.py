"""The passwords of an installation, created once in the cluster: no operator sees them or writes them to a disk.

The Job of `k8s/components/generated-secrets` runs it, with an account that may create Secrets but not read them. An
existing Secret is kept, whatever its origin.
"""

import secrets
from collections.abc import Mapping

from ratchet.core.steps import ENGINES
from ratchet.io.cluster.api import SECRETS, Api

_LABELS = {"app.kubernetes.io/part-of": "ratchet"}
S3_USERS = (
    "backup",
    "mlflow",
    "pruner",
    "registrar",
    "restore",
    "sample-data",
    "server",
    "validator",
    *(f"{role}-{engine}" for role in ("trainer", "scorer") for engine in ENGINES),
)


def make(api: Api) -> list[str]:
    """Create the missing Secrets; returns their names. Raises RatchetError."""
    return [name for name, values in contents().items() if api.create(SECRETS, _secret(name, values)) is not None]


def contents() -> dict[str, dict[str, str]]:
    """The keys of each Secret by its name. Hexadecimal, because some of them become part of a URL."""
    random = secrets.token_hex
    found = {
        "minio-root": {"MINIO_ROOT_USER": f"root-{random(4)}", "MINIO_ROOT_PASSWORD": random(24)},
        "postgres": {"POSTGRES_PASSWORD": random(24), "MLFLOW_PASSWORD": random(24)},
        "grafana": {"GRAFANA_PASSWORD": random(24)},
        "serving-tokens": {"tokens": random(32)},
    }
    users = {f"s3-{user}": {"AWS_ACCESS_KEY_ID": user, "AWS_SECRET_ACCESS_KEY": random(20)} for user in S3_USERS}
    return found | users


def _secret(name: str, values: Mapping[str, str]) -> dict[str, object]:
    metadata = {"name": name, "labels": _LABELS}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "stringData": values}
