"""The verbs, and the only place that turns errors into exit codes.

Nothing heavy is imported here: each verb imports what it runs, so that `ratchet --help` answers in a blink.
"""

import atexit
import os
import signal
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Never

import click

from ratchet.errors import ConfigurationError, Interrupted, RatchetError

if TYPE_CHECKING:
    from ratchet.settings import Settings

# OpenMP's threads spin while they wait; on a busy machine a fit then takes several times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# MLflow would write the lock file of whatever project it is called in beside each model, and report its use to others.
os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
# MLflow sets its own loggers up when it is imported; below errors it tells of its tables and of how models are saved.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


class _Verbs(click.Group):
    """A group whose errors become one line on stderr and the exit code of their class."""

    def invoke(self, ctx: click.Context) -> Any:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _interrupt)
        try:
            return super().invoke(ctx)
        except (click.exceptions.NoArgsIsHelpError, click.exceptions.Exit, click.exceptions.Abort):
            raise
        except click.UsageError as error:
            path = (error.ctx or ctx).command_path
            _fail(f"{error.format_message().rstrip('.')} (see {path} --help)", error.exit_code, error)
        except RatchetError as error:
            _fail(str(error), error.exit_code, error)
        except Interrupted as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            name = signal.Signals(error.signal_number).name
            _fail(f"interrupted by {name}", 128 + error.signal_number, error)
        except Exception as error:  # noqa: BLE001  # the last place that can still say it in one line
            first = (str(error).strip().splitlines() or [""])[0]
            _fail(f"{type(error).__name__}: {first} (RATCHET_DEBUG=1 shows where)", 1, error)


def _interrupt(number: int, _frame: FrameType | None) -> Never:
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)  # the second of two signals must not cut the clean-up short
    # What is raised in a destructor or in a weak reference's callback is lost: look again until it has arrived.
    signal.signal(signal.SIGALRM, lambda _number, _frame: _interrupt_again(number))
    signal.setitimer(signal.ITIMER_REAL, 1, 1)
    raise Interrupted(number)


def _interrupt_again(number: int) -> None:
    """Raise once more, unless an interruption is being handled: then somebody is cleaning up."""
    error = sys.exception()
    while error is not None:
        if isinstance(error, Interrupted):
            return
        error = error.__context__
    raise Interrupted(number)


def _fail(sentence: str, code: int, error: BaseException) -> Never:
    if os.environ.get("RATCHET_DEBUG") == "1":
        raise error
    click.echo(f"ratchet: {' '.join(sentence.split())}", err=True)
    sys.exit(code)


def _with_settings[F: Callable[..., Any]](verb: F) -> F:
    """Add the options by which settings are read; the verb gets `settings`."""
    options = (
        click.option(
            "--env",
            "environment",
            default="dev",
            envvar="RATCHET_ENV",
            metavar="NAME",
            show_default=True,
            help="Name of the environment: the settings are read from configs/NAME.yaml.",
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Set one setting, such as data.uri=data/flights; wins over RATCHET__DATA__URI and the file.",
        ),
    )
    for option in options:
        verb = option(verb)
    return verb


def _settings(environment: str, overrides: tuple[str, ...]) -> "Settings":
    from ratchet import configuration, events

    events.configure()
    return configuration.load(environment, overrides)


def _same_settings(environment: str, overrides: tuple[str, ...]) -> list[str]:
    """The options by which another verb reads the same settings."""
    return ["--env", environment, *(part for override in overrides for part in ("--set", override))]


def _failure(text: str) -> tuple[str, str]:
    engine, equals, sentence = text.partition("=")
    if not equals or engine not in ("sklearn", "spark"):
        message = f"--failed {text!r} is not accepted; sklearn=SENTENCE and spark=SENTENCE are"
        raise ConfigurationError(message)
    return engine, sentence


def _day(_context: click.Context, _option: click.Parameter, value: datetime | None) -> date | None:
    return None if value is None else value.date()


_as_of = click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    callback=_day,
    help="Day on which the test window ends, itself excluded. Default: the end of the data.",
)
_because = click.option("--because", required=True, metavar="SENTENCE", help="Why; recorded with who and when.")


def _sentence(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        message = "--because is empty; a sentence is accepted, or the option left out"
        raise ConfigurationError(message)
    return value


_cycle_because = click.option(
    "--because",
    metavar="SENTENCE",
    callback=_sentence,
    help="Why the cycle is run; a tag of its runs. A watch gives its reason. Default: none.",
)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ratchet")
def main() -> None:
    """Retrain a binary classifier on a schedule; a new version serves only when it is measurably better.

    \b
    Exit codes: 0 done (a model that is held is done), 1 failed and worth another try,
    2 the configuration or the command is wrong, 3 the data are wrong.
    """  # noqa: D301  # \\b is the character that keeps click from wrapping what follows


@main.command(short_help="Train one engine and leave the evidence in MLflow.")
@click.argument("engine", type=click.Choice(["sklearn", "spark"]), metavar="ENGINE")
@_with_settings
@_as_of
@click.option(
    "--cycle", metavar="ID", help="Id of the cycle that the run belongs to. Default: a new one, made from the time."
)
@_cycle_because
def train(
    engine: str,
    environment: str,
    overrides: tuple[str, ...],
    as_of: date | None,
    cycle: str | None,
    because: str | None,
) -> None:
    """Train ENGINE, sklearn or spark.

    It reads the windows, fits, calibrates, chooses the threshold, and measures once, on the test window. Every
    existing version is scored on the same rows. Nothing is registered: `ratchet register` decides.
    """
    settings = _settings(environment, overrides)
    from ratchet.core import cycle_ids
    from ratchet.engines.opening import open_engine

    checked = cycle_ids.new() if cycle is None else cycle_ids.checked(cycle)
    opened = open_engine(engine, settings)  # Spark starts while MLflow is imported
    from ratchet.jobs import train

    train.train(settings, engine, checked, as_of, opened, because=because)


@main.command(short_help="Decide on a cycle's runs; register and promote what is better.")
@_with_settings
@click.option("--cycle", metavar="ID", help="Id of the cycle. Default: the newest one with a complete run.")
def register(environment: str, overrides: tuple[str, ...], cycle: str | None) -> None:
    """Decide on the complete runs of a cycle, and print a line for each engine.

    A run is promoted when its F1 is greater than that of every existing version on the same rows. May be run again:
    a run is registered once.
    """
    settings = _settings(environment, overrides)
    from ratchet import tables
    from ratchet.core import cycle_ids
    from ratchet.jobs import register

    results = register.register(settings, None if cycle is None else cycle_ids.checked(cycle))
    tables.print_results(results, settings)
    if missing := [result for result in results if result.outcome == "missing"]:
        click.echo(f"ratchet: {missing[0].reason}", err=True)
        sys.exit(1)


@main.command(short_help="Try a cycle's staged version in the image that will serve it.")
@click.argument("engine", type=click.Choice(["sklearn", "spark"]), metavar="ENGINE")
@_with_settings
@click.option("--cycle", metavar="ID", required=True, help="Id of the cycle that has staged the version.")
def validate(engine: str, environment: str, overrides: tuple[str, ...], cycle: str) -> None:
    """Start the scoring server on the version of ENGINE that a cycle has staged, and write the verdict to it.

    It passes when every label is the trainer's, malformed requests are refused, and latency and memory stay within
    serving.latency_seconds and serving.memory_limit. A failed version is a verdict, not an error; `ratchet rollout`
    goes by it.
    """
    settings = _settings(environment, overrides)
    from ratchet.core import cycle_ids
    from ratchet.jobs import validate

    verdict = validate.validate(settings, engine, _same_settings(environment, overrides), cycle_ids.checked(cycle))
    click.echo(f"{engine}: {verdict.outcome}: {verdict.reason}" if verdict else f"{engine}: nothing is staged")


@main.command(short_help="Let what was validated serve, and roll the servers to the champions.")
@_with_settings
@click.option("--cycle", metavar="ID", help="Id of a cycle whose staged versions get the last word. Default: none.")
@click.option(
    "--failed",
    multiple=True,
    metavar="ENGINE=SENTENCE",
    help="Engine whose validation did not come to an end, and why; its version is held.",
)
def rollout(environment: str, overrides: tuple[str, ...], cycle: str | None, failed: tuple[str, ...]) -> None:
    """Make a cycle's validated versions champion, hold the others, and bring the servers to the champions.

    Without --cycle the servers alone are brought to what `champion` names now. Where they don't become ready in time,
    `champion` and the servers go back. Servers are rolled where serving.deployments is true.
    """
    settings = _settings(environment, overrides)
    from ratchet import tables
    from ratchet.core import cycle_ids
    from ratchet.jobs import rollout

    checked = None if cycle is None else cycle_ids.checked(cycle)
    results = rollout.rollout(settings, checked, dict(_failure(text) for text in failed))
    if results:
        tables.print_results(results, settings)


@main.command(short_help="Run a whole cycle: train all engines, then register.")
@_with_settings
@_as_of
@click.option(
    "--cycle", metavar="ID", help="Id of the cycle. Default: a new one, made from the time or, in a cluster, the Job."
)
@_cycle_because
def retrain(
    environment: str, overrides: tuple[str, ...], as_of: date | None, cycle: str | None, because: str | None
) -> None:
    """Run one cycle: each engine's trainer, then the registrar, and print what was decided.

    They run as processes on this machine, or as Jobs where retrain.runner is kubernetes. One trainer's failure does
    not keep the other's model from being registered; the cycle then ends as failed.
    """
    try:
        settings = _settings(environment, overrides)
        from ratchet.jobs import retrain

        done = retrain.retrain(settings, _same_settings(environment, overrides), cycle, as_of, because=because)
        if done.results:
            from ratchet import tables

            tables.print_results(done.results, settings)
        if done.error is not None:
            raise done.error
    except RatchetError as error:
        if "RATCHET_JOB" in os.environ:  # a coordinator in a cluster: `kubectl describe` of its Job should say why, too
            from ratchet.io.cluster import place

            place.tell(str(error))
        raise


@main.command(short_help="Serve a version of an engine's model over HTTP.")
@click.argument("engine", type=click.Choice(["sklearn", "spark"]), metavar="ENGINE")
@_with_settings
@click.option(
    "--version",
    type=click.IntRange(min=1),
    envvar="RATCHET_VERSION",
    help="Number of the version. Default: the champion, which is waited for.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port to listen on.")
def serve(engine: str, environment: str, overrides: tuple[str, ...], version: int | None, host: str, port: int) -> None:
    """Serve the model of ENGINE, sklearn or spark, by MLflow's scoring protocol.

    \b
    POST /invocations                     labels, as `mlflow models serve` answers
    POST /invocations?probabilities=true  labels and probabilities
    GET  /ping /version                   as there; /ping answers 503 until the model is loaded
    GET  /metrics                         requests, latency, labels, the version, for Prometheus
    """  # noqa: D301  # \\b is the character that keeps click from wrapping what follows
    settings = _settings(environment, overrides)
    from ratchet.jobs import serve

    serve.serve(settings, engine, version, host, port)


@main.command(short_help="Score a table with a registered version.")
@click.argument("engine", type=click.Choice(["sklearn", "spark"]), metavar="ENGINE")
@click.argument("source", required=False, metavar="[FROM]")
@click.argument("target", required=False, metavar="[TO]")
@click.option(
    "--version", type=click.IntRange(min=1), metavar="N", help="Number of the version. Default: the champion."
)
@_with_settings
def score(
    engine: str,
    source: str | None,
    target: str | None,
    version: int | None,
    environment: str,
    overrides: tuple[str, ...],
) -> None:
    """Score every row of a table with a version of ENGINE's model, sklearn or spark, and write Parquet.

    [FROM] is a table as in data.uri: Parquet or CSV, a file or a folder, local or s3://bucket/prefix. It needs the
    model's input columns, neither label nor timestamp. [TO] is a folder or s3://bucket/prefix of its own. Left out,
    they are score.source and score.target of the settings.

    [TO] gets all columns of the table, and predicted_label (1 or 0), probability (of 1) and model_version; a table that
    has a column of such a name is refused. It holds one result: a call takes away what an earlier one left, and writes
    the file _SUCCESS last. So it may be run again, and whoever waits for _SUCCESS sees no half.
    """
    settings = _settings(environment, overrides)
    from ratchet.engines.opening import open_scorer

    opened = open_scorer(engine, settings)  # Spark starts while MLflow is imported
    from ratchet.jobs import score

    click.echo(score.score(settings, engine, source, target, version, opened).sentence)


@main.command(short_help="Measure champions on new days; retrain where one does badly.")
@click.argument("engine", type=click.Choice(["sklearn", "spark"]), metavar="[ENGINE]", required=False)
@_with_settings
def watch(engine: str | None, environment: str, overrides: tuple[str, ...]) -> None:
    """Score the newest labelled days with the champions, log how they did, and start one cycle where one does badly.

    With an [ENGINE], sklearn or spark, only measure and judge that engine's champion. May be run again: no day is
    measured twice, and for the same days no second cycle is started.
    """
    try:
        settings = _settings(environment, overrides)
        if engine is not None:
            from ratchet.jobs import watch_step

            click.echo(watch_step.watch(settings, engine).sentence)
            return
        _watch_all(settings, _same_settings(environment, overrides))
    except RatchetError as error:
        if engine is None and "RATCHET_JOB" in os.environ:
            from ratchet.io.cluster import place

            place.tell(str(error), reason="WatchFailed")
        raise


def _watch_all(settings: "Settings", options: list[str]) -> None:
    from ratchet import tables
    from ratchet.jobs import watch

    done = watch.watch(settings, options)
    for sentence in done.sentences:
        click.echo(sentence)
    if done.cycle is not None and done.cycle.results:
        tables.print_results(done.cycle.results, settings)
    if done.error is not None:
        raise done.error


@main.command(short_help="Show the running and the last cycles in a cluster.")
@click.option("--namespace", metavar="NAME", help="Namespace of the cluster. Default: ratchet, or the pod's own.")
@click.option("--context", metavar="NAME", help="Context of the kubeconfig. Default: the current one.")
@click.option("--last", type=click.IntRange(min=1), default=5, show_default=True, help="How many cycles to show.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def status(namespace: str | None, context: str | None, last: int, *, as_json: bool) -> None:
    """Show the cycles whose Jobs a cluster still has, the newest first: steps, states, durations, decisions.

    It asks the cluster of the kubeconfig, or inside of a pod its own; MLflow is not asked.
    """
    from ratchet import events, tables
    from ratchet.jobs import status

    events.configure()
    tables.print_cycles(status.status(namespace, context)[:last], as_json=as_json)


@main.command(short_help="Tell Prometheus about models and cycles.")
@_with_settings
def exporter(environment: str, overrides: tuple[str, ...]) -> None:
    """Answer Prometheus on exporter.host and exporter.port until SIGTERM: champions, rolling metrics, cycles.

    MLflow and, inside of a cluster, the cycles' Jobs are asked in the background; a scrape gets what was last known.
    docs/monitoring.md lists the metrics.
    """
    settings = _settings(environment, overrides)
    from ratchet.jobs import exporter

    exporter.export(settings)


@main.command(short_help="Show models, versions, F1, aliases and decisions.")
@_with_settings
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def show(environment: str, overrides: tuple[str, ...], *, as_json: bool) -> None:
    """Show each version of both models: F1 on its own rows and on the newest run's rows, aliases, decision."""
    settings = _settings(environment, overrides)
    from ratchet import tables
    from ratchet.jobs import show

    tables.print_versions(show.show(settings), as_json=as_json)


@main.command(short_help="Give `champion` back to the version before.")
@click.argument("model")
@_with_settings
@_because
def rollback(model: str, environment: str, overrides: tuple[str, ...], because: str) -> None:
    """Move the alias `champion` of MODEL (such as flights-sklearn) to the version that `previous` names."""
    settings = _settings(environment, overrides)
    from ratchet.jobs import promote

    click.echo(promote.rollback(settings, model, because))


@main.command(short_help="Make a version the champion by hand.")
@click.argument("model")
@click.argument("version", type=click.IntRange(min=1))
@_with_settings
@_because
def promote(model: str, version: int, environment: str, overrides: tuple[str, ...], because: str) -> None:
    """Move the alias `champion` of MODEL (such as flights-sklearn) to VERSION."""
    settings = _settings(environment, overrides)
    from ratchet.jobs import promote

    click.echo(promote.promote(settings, model, version, because))


@main.group(short_help="Sample data.")
def data() -> None:
    """Write sample data."""


@data.command(short_help="Write the sample: the flights that left New York in 2013.")
@click.argument("uri")
def flights(uri: str) -> None:
    """Write the sample table to URI, a folder or s3://bucket/prefix, as Parquet partitioned by month.

    327,346 flights with what was known before departure, and the label: more than 15 minutes late on arrival.
    """
    from ratchet.io import flights

    click.echo(f"{flights.write(uri):,} rows written to {uri}")


@main.command(short_help="Print the JSON schema of a configuration file.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it to a file instead.")
def schema(out: Path | None) -> None:
    """Print the JSON schema of configs/NAME.yaml, with every setting, its default and its meaning."""
    import json

    from ratchet import configuration

    text = json.dumps(configuration.json_schema(), indent=2, ensure_ascii=False)
    if out is None:
        click.echo(text)
        return
    try:
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        message = f"--out {out} can't be written: {error.strerror}"
        raise ConfigurationError(message) from error


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
