"""The passwords of an installation, created once in the cluster: no operator sees them or writes them to a disk.

The Job of `k8s/components/generated-secrets` runs it, with an account that may create Secrets but not read them. An
existing Secret is kept, whatever its origin. The S3 keys of a further model are derived from one key, because the
store, in another namespace, has to know them, too, and nobody may read them back.
"""

import secrets
from collections.abc import Mapping
from hashlib import sha256

from ratchet.core.steps import ENGINES
from ratchet.errors import ConfigurationError
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

MLFLOW_ACCOUNTS = ("admin", "machine", "reader")
# Those of the platform, which a further model uses, but does not have.
_SHARED = ("backup", "mlflow", "restore")


def make(api: Api) -> list[str]:
    """Create the missing Secrets of an installation; returns their names. Raises RatchetError."""
    return _created(api, contents())


def make_of_model(api: Api, key: str) -> list[str]:
    """The same for a further model, in the API's namespace. key: that of the Secret `s3-models`."""
    if not key:
        message = "MODELS_KEY is not set; the Secret s3-models has it, and the CronJob model-secrets reads it"
        raise ConfigurationError(message)
    return _created(api, contents_of_model(api.namespace, key))


def contents_of_model(namespace: str, key: str) -> dict[str, dict[str, str]]:
    """The keys of each Secret of a further model by its name."""
    users = {user: f"{namespace}-{user}" for user in S3_USERS if user not in _SHARED}
    found = {
        f"s3-{user}": {"AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": _derived(key, name)}
        for user, name in users.items()
    }
    return found | {"serving-tokens": {"tokens": secrets.token_hex(32)}}


def _derived(key: str, name: str) -> str:
    """As the set-up of the store does it; digested twice, so that none can be continued to another."""

    def digest(text: str) -> str:
        return sha256(text.encode()).hexdigest()

    return digest(key + digest(key + name))[:40]


def contents() -> dict[str, dict[str, str]]:
    """The keys of each Secret by its name. Hexadecimal, because some of them become part of a URL."""
    random = secrets.token_hex
    found = {
        "minio-root": {"MINIO_ROOT_USER": f"root-{random(4)}", "MINIO_ROOT_PASSWORD": random(24)},
        "postgres": {"POSTGRES_PASSWORD": random(24), "MLFLOW_PASSWORD": random(24)},
        "grafana": {"GRAFANA_PASSWORD": random(24)},
        "serving-tokens": {"tokens": random(32)},
        "s3-models": {"MODELS_KEY": random(32)},
        **{f"mlflow-{account}": _account(account) for account in MLFLOW_ACCOUNTS},
    }
    found["mlflow-admin"]["MLFLOW_FLASK_SERVER_SECRET_KEY"] = random(32)
    users = {f"s3-{user}": {"AWS_ACCESS_KEY_ID": user, "AWS_SECRET_ACCESS_KEY": random(20)} for user in S3_USERS}
    return found | users


def _account(name: str) -> dict[str, str]:
    """By the names under which MLflow's client takes them from the environment."""
    return {"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": secrets.token_hex(24)}


def _created(api: Api, wanted: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [name for name, values in wanted.items() if api.create(SECRETS, _secret(name, values)) is not None]


def _secret(name: str, values: Mapping[str, str]) -> dict[str, object]:
    metadata = {"name": name, "labels": _LABELS}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "stringData": values}
