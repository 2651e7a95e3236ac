"""The verbs of the command `ratchet`.

Nothing heavy is imported here: each verb imports what it runs, so that `ratchet --help` responds at once.
"""

import atexit
import os
import signal
import sys
from typing import Never

import click

from ratchet import background
from ratchet.cli import checking, cycle, in_cluster, inference, installing, monitoring, sample_data, schema, versions
from ratchet.cli.group import Verbs
from ratchet.errors import Interrupted

# By default OpenMP's threads spin while they wait, which multiplies the time of a fit on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Otherwise MLflow logs the current project's uv.lock with each model.
os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
# MLflow configures its loggers on import; below ERROR they report database migrations and how models are saved.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
# MLflow draws progress bars on stderr where tqdm, which Optuna needs, is installed.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ratchet")
def main() -> None:
    """Retrain a binary classifier on a schedule; promote a new version only if it is measurably better.

    \b
    Exit codes: 0 done (including a model that is held), 1 failed and worth another try,
    2 invalid configuration or command, 3 invalid data.
    """  # noqa: D301  # \\b keeps click from wrapping the lines that follow


for _verb in (
    checking.init,
    checking.check,
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
    monitoring.console,
    versions.show,
    versions.rollback,
    versions.promote,
    versions.prune,
    sample_data.data,
    schema.schema,
    in_cluster.in_cluster,
    installing.secrets,
    installing.copy,
):
    main.add_command(_verb)


def run() -> Never:
    """The command `ratchet`: runs a verb and exits without finalizing the interpreter.

    With MLflow, Arrow and scikit-learn loaded, finalizing takes a second and frees only what the system frees anyway.
    The handler registered here runs after all other exit handlers.
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
    finally:
        _finish()
    raise AssertionError  # click always ends by SystemExit


def _finish() -> None:
    """Wait for what the verb has begun in the background, such as a message; a signal ends that, and not the code."""
    try:
        background.finish()
    except Interrupted:
        signal.setitimer(signal.ITIMER_REAL, 0)
