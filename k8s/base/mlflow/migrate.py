# ruff: noqa: INP001  # a file of a ConfigMap, not of a package
"""Brings MLflow's database to the schema of this image; run before each server, by one of them at a time.

MLflow's own lock is a file in its pod, so two servers would make the tables at once. PostgreSQL's lock is for all.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy
from mlflow.db import upgrade

DEADLINE_SECONDS = 300
LOCK = 726_382_438  # any number that is not used for another lock in this database


def main() -> None:
    """Wait for the database, take the lock, upgrade."""
    uri = os.environ["MLFLOW_BACKEND_STORE_URI"]
    with locked(uri):
        upgrade.callback(uri)


@contextmanager
def locked(uri: str) -> Iterator[None]:
    """The lock on a PostgreSQL database, as soon as it answers and no other server has it."""
    wait = {"connect_timeout": 5, "options": f"-c statement_timeout={DEADLINE_SECONDS * 1000}"}
    engine = sqlalchemy.create_engine(uri, connect_args=wait)
    with connected(engine) as connection:
        connection.execute(sqlalchemy.text(f"SELECT pg_advisory_lock({LOCK})"))
        yield


def connected(engine: sqlalchemy.Engine) -> sqlalchemy.Connection:
    """A connection, as soon as the database gives one; the process ends with a sentence if that takes too long."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            return engine.connect()
        except sqlalchemy.exc.OperationalError as error:
            if time.monotonic() >= deadline:
                sys.exit(f"the database did not answer within {DEADLINE_SECONDS} s: {error.orig}")
            time.sleep(1)


if __name__ == "__main__":
    main()
