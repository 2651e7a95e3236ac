"""A working directory with an MLflow of its own that begins as `registered` is: nothing has to be trained for it."""

from tests.integration.snapshots import copy_database
from tests.integration.trainer_fixtures import write_configuration


def like(registered, folder, uri, **sections):
    """`write_configuration` in a folder whose MLflow has the champions of `registered`, whose artifacts they share."""
    copy_database(registered / "at-first.db", folder / "mlflow.db")
    return write_configuration(folder, uri, **sections)
