"""The verbs of a cycle: each of its steps, and the whole."""

import sys
from datetime import date

import click

from ratchet.cli.options import as_of, cycle_because, engine_argument, same_settings, settings_of, with_settings
from ratchet.core.steps import ENGINES
from ratchet.errors import ConfigurationError


@click.command(short_help="Train one engine and leave the evidence in MLflow.")
@engine_argument
@with_settings
@as_of
@click.option(
    "--cycle", metavar="ID", help="Id of the cycle that the run belongs to. Default: a new one, made from the time."
)
@cycle_because
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
    settings = settings_of(environment, overrides)
    from ratchet.core import cycle_ids
    from ratchet.engines.opening import open_engine

    checked = cycle_ids.new() if cycle is None else cycle_ids.checked(cycle)
    opened = open_engine(engine, settings)  # Spark starts while MLflow is imported
    from ratchet.jobs.training import train

    train.train(settings, engine, checked, as_of, opened, because=because)


@click.command(short_help="Decide on a cycle's runs; register and promote what is better.")
@with_settings
@click.option("--cycle", metavar="ID", help="Id of the cycle. Default: the newest one with a complete run.")
def register(environment: str, overrides: tuple[str, ...], cycle: str | None) -> None:
    """Decide on the complete runs of a cycle, and print a line for each engine.

    A run is promoted when its F1 is greater than that of every existing version on the same rows. May be run again:
    a run is registered once.
    """
    settings = settings_of(environment, overrides)
    from ratchet.cli import tables
    from ratchet.core import cycle_ids
    from ratchet.jobs.promotion import register

    results = register.register(settings, None if cycle is None else cycle_ids.checked(cycle))
    tables.print_results(results, settings)
    if missing := [result for result in results if result.outcome == "missing"]:
        click.echo(f"ratchet: {missing[0].reason}", err=True)
        sys.exit(1)


@click.command(short_help="Try a cycle's staged version in the image that will serve it.")
@engine_argument
@with_settings
@click.option("--cycle", metavar="ID", required=True, help="Id of the cycle that has staged the version.")
def validate(engine: str, environment: str, overrides: tuple[str, ...], cycle: str) -> None:
    """Start the scoring server on the version of ENGINE that a cycle has staged, and write the verdict to it.

    It passes when every label is the trainer's, malformed requests are refused, and latency and memory stay within
    serving.latency_seconds and serving.memory_limit. A failed version is a verdict, not an error; `ratchet rollout`
    goes by it.
    """
    settings = settings_of(environment, overrides)
    from ratchet.core import cycle_ids
    from ratchet.jobs.promotion import validate

    verdict = validate.validate(settings, engine, same_settings(environment, overrides), cycle_ids.checked(cycle))
    click.echo(f"{engine}: {verdict.outcome}: {verdict.reason}" if verdict else f"{engine}: nothing is staged")


@click.command(short_help="Let what was validated serve; roll the servers to the champions.")
@with_settings
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
    settings = settings_of(environment, overrides)
    from ratchet.cli import tables
    from ratchet.core import cycle_ids
    from ratchet.jobs.promotion import rollout

    checked = None if cycle is None else cycle_ids.checked(cycle)
    results = rollout.rollout(settings, checked, dict(_failure(text) for text in failed))
    if results:
        tables.print_results(results, settings)


@click.command(short_help="Run a whole cycle: train all engines, then register.")
@with_settings
@as_of
@click.option(
    "--cycle", metavar="ID", help="Id of the cycle. Default: a new one, made from the time or, in a cluster, the Job."
)
@cycle_because
def retrain(
    environment: str, overrides: tuple[str, ...], as_of: date | None, cycle: str | None, because: str | None
) -> None:
    """Run one cycle: each engine's trainer, then the registrar, and print what was decided.

    They run as processes on this machine, or as Jobs where retrain.runner is kubernetes. One trainer's failure does
    not keep the other's model from being registered; the cycle then ends as failed.
    """
    settings = settings_of(environment, overrides)
    from ratchet.jobs import retrain

    done = retrain.retrain(settings, same_settings(environment, overrides), cycle, as_of, because=because)
    if done.results:
        from ratchet.cli import tables

        tables.print_results(done.results, settings)
    if done.error is not None:
        raise done.error


def _failure(text: str) -> tuple[str, str]:
    engine, equals, sentence = text.partition("=")
    if not equals or engine not in ENGINES:
        message = f"--failed {text!r} is not accepted; {' and '.join(f'{each}=SENTENCE' for each in ENGINES)} are"
        raise ConfigurationError(message)
    return engine, sentence
