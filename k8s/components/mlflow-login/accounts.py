# ruff: noqa: INP001  # a file of a ConfigMap, not of a package
"""Writes MLflow's accounts with their passwords and rights; run before each server, instead of `migrate.py`.

`admin` manages accounts. `machine` is that of the steps of a cycle, which record runs and move aliases. `reader` is
that of what only looks: servers and the exporter. Accounts of people are made by `admin`; this leaves them as they are.
"""

import os
from pathlib import Path

from migrate import locked
from mlflow.db import upgrade

# What an account may do with all experiments and all registered models; without any it reads.
RIGHTS = {"machine": "MANAGE", "reader": None}
RESOURCES = ("experiment", "registered_model")
CONFIGURATION = """\
[mlflow]
default_permission = READ
database_uri = {uri}
admin_username = admin
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
# A password is hashed on purpose slowly; what a worker knows is forgotten after these seconds.
auth_cache_ttl_seconds = 60
"""


def main() -> None:
    """Wait for the database, take the lock, upgrade, write."""
    uri = os.environ["MLFLOW_BACKEND_STORE_URI"]
    configure(uri, os.environ["MLFLOW_AUTH_CONFIG_PATH"])
    with locked(uri):
        upgrade.callback(uri)
        write(uri, {name: os.environ[f"{name.upper()}_MLFLOW_TRACKING_PASSWORD"] for name in ("admin", *RIGHTS)})


def configure(uri: str, path: str) -> None:
    """Write the file that the server reads."""
    # configparser takes % for the beginning of a reference.
    Path(path).write_text(CONFIGURATION.format(uri=uri.replace("%", "%%")), encoding="utf-8")


def write(uri: str, passwords: dict[str, str]) -> None:
    """Write the accounts into a database. passwords: by account; at least twelve characters."""
    from mlflow.server.auth import store  # it reads the file as soon as it is imported

    store.init_db(uri)
    for name, password in passwords.items():
        if not store.has_user(name):
            store.create_user(name, password, is_admin=name == "admin")
        elif not store.authenticate_user(name, password):
            store.update_user(name, password=password)
        for resource in RESOURCES if RIGHTS.get(name) else ():
            store.grant_user_permission(name, resource, "*", RIGHTS[name])


if __name__ == "__main__":
    main()
