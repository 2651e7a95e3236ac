"""The verbs of the command `ratchet`.

Nothing heavy is imported here: each verb imports what it runs, so that `ratchet --help` answers in a blink.
"""

import atexit
import os
import sys
from typing import Never

import click

from ratchet.cli import cycle, in_cluster, inference, installing, monitoring, sample_data, schema, versions
from ratchet.cli.group import Verbs

# OpenMP's threads spin while they wait; on a busy machine a fit then takes several times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# MLflow would write the lock file of whatever project it is called in beside each model, and report its use to others.
os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
# MLflow sets its own loggers up when it is imported; below errors it tells of its tables and of how models are saved.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ratchet")
def main() -> None:
    """Retrain a binary classifier on a schedule; a new version serves only when it is measurably better.

    \b
    Exit codes: 0 done (a model that is held is done), 1 failed and worth another try,
    2 the configuration or the command is wrong, 3 the data are wrong.
    """  # noqa: D301  # \\b is the character that keeps click from wrapping what follows


for _verb in (
    cycle.train,
    cycle.register,
    cycle.validate,
    cycle.rollout,
    cycle.retrain,
    inference.serve,
    inference.score,
    monitoring.watch,
    monitoring.status,
    monitoring.exporter,
    versions.show,
    versions.rollback,
    versions.promote,
    sample_data.data,
    schema.schema,
    in_cluster.in_cluster,
    installing.secrets,
):
    main.add_command(_verb)


def run() -> Never:
    """The command `ratchet`: runs a verb and leaves without taking the interpreter apart.

    With MLflow, Arrow and scikit-learn loaded that takes a second and frees what the system frees anyway. It is done
    last of all exit handlers, after everyone else has cleaned up.
    """
    code = 1

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    atexit.register(leave)
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    raise AssertionError  # click always ends by SystemExit
