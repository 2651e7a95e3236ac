"""The verbs of a cycle: each of its steps, and the whole."""

import sys
from datetime import date

import click

from ratchet.cli.options import as_of, cycle_because, engine_argument, same_settings, settings_of, with_settings
from ratchet.core.steps import ENGINES
from ratchet.errors import ConfigurationError


@click.command(short_help="Train one engine and log the evidence to MLflow.")
@engine_argument
@with_settings
@as_of
@click.option("--cycle", metavar="ID", help="Id of the run's cycle. Default: a new one, derived from the time.")
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

    The trainer reads the windows, fits, calibrates, chooses the threshold, and measures once, on the test window. It
    scores existing versions on the same rows. It registers nothing: `ratchet register` decides.
    """
    settings = settings_of(environment, overrides)
    from ratchet.core import cycle_ids
    from ratchet.engines.opening import open_engine

    checked = cycle_ids.new() if cycle is None else cycle_ids.checked(cycle)
    opened = open_engine(engine, settings)  # Spark starts while MLflow is imported
    from ratchet.jobs.training import train

    train.train(settings, engine, checked, as_of, opened, because=because)


@click.command(short_help="Decide on a cycle's runs; register and promote the better ones.")
@with_settings
@click.option("--cycle", metavar="ID", help="Id of the cycle. Default: the newest one with a complete run.")
def register(environment: str, overrides: tuple[str, ...], cycle: str | None) -> None:
    """Decide on the complete runs of a cycle, and print a line for each engine.

    A run is promoted if its F1 is greater than that of every existing version on the same rows. The verb may be run
    again: each run is registered once. Without --cycle, an engine that the newest cycle has not trained is skipped.
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


@click.command(short_help="Try a cycle's staged version in the image that is to serve it.")
@engine_argument
@with_settings
@click.option("--cycle", metavar="ID", required=True, help="Id of the cycle that staged the version.")
def validate(engine: str, environment: str, overrides: tuple[str, ...], cycle: str) -> None:
    """Start the scoring server with the version of ENGINE that a cycle staged, and write the verdict to the version.

    The version passes if the server returns the trainer's labels, rejects malformed requests, and stays within
    serving.latency_seconds and serving.memory_limit. A failed version is a verdict, not an error; `ratchet rollout`
    follows it.
    """
    settings = settings_of(environment, overrides)
    from ratchet.core import cycle_ids
    from ratchet.jobs.promotion import validate

    verdict = validate.validate(settings, engine, same_settings(environment, overrides), cycle_ids.checked(cycle))
    click.echo(f"{engine}: {verdict.outcome}: {verdict.reason}" if verdict else f"{engine}: nothing is staged")


@click.command(short_help="Promote validated versions; roll the servers to the champions.")
@with_settings
@click.option("--cycle", metavar="ID", help="Id of a cycle whose staged versions to decide on finally. Default: none.")
@click.option(
    "--failed",
    multiple=True,
    metavar="ENGINE=SENTENCE",
    help="Engine whose validation did not finish, and why; its version is held.",
)
def rollout(environment: str, overrides: tuple[str, ...], cycle: str | None, failed: tuple[str, ...]) -> None:
    """Make a cycle's validated versions champion, hold the others, and roll the servers to the champions.

    Without --cycle, only roll the servers to the current champions. If the servers don't become ready in time,
    `champion` and the servers are rolled back. Servers are rolled only if serving.deployments is true.
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
    "--cycle",
    metavar="ID",
    help="Id of the cycle. Default: a new one, derived from the time or, in a cluster, from the Job.",
)
@cycle_because
def retrain(
    environment: str, overrides: tuple[str, ...], as_of: date | None, cycle: str | None, because: str | None
) -> None:
    """Run one cycle: each engine's trainer, then the registrar; print the decisions.

    The steps run as processes on this machine, or as Jobs if retrain.runner is kubernetes. If one trainer fails, the
    other's model is still registered, and the cycle ends as failed.
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
        message = f"--failed {text!r} is invalid; {' and '.join(f'{each}=SENTENCE' for each in ENGINES)} are accepted"
        raise ConfigurationError(message)
    return engine, sentence
