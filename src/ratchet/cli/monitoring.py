"""The verbs of monitoring: watch the champions, show recent cycles, export metrics."""

from typing import TYPE_CHECKING

import click

from ratchet.cli.options import same_settings, settings_of, with_settings
from ratchet.core.steps import ENGINES

if TYPE_CHECKING:
    from ratchet.settings import Settings


@click.command(short_help="Measure champions on new days; retrain if one performs badly.")
@click.argument("engine", type=click.Choice(ENGINES), metavar="[ENGINE]", required=False)
@with_settings
def watch(engine: str | None, environment: str, overrides: tuple[str, ...]) -> None:
    """Score the newest labelled days with the champions, log their metrics, and start one cycle if one performs badly.

    Of days whose labels are not known yet, it gives what the scores lead to expect, which starts no cycle.

    With an [ENGINE], sklearn or spark, only measure and judge that engine's champion. The verb may be run again: it
    measures no day twice, and starts no second cycle for the same days.
    """
    settings = settings_of(environment, overrides)
    if engine is None:
        _watch_all(settings, same_settings(environment, overrides))
        return
    from ratchet.jobs import watch_step

    done = watch_step.watch(settings, engine)
    click.echo(done.sentence)
    if done.estimate is not None:
        click.echo(done.estimate.sentence())


def _watch_all(settings: "Settings", options: list[str]) -> None:
    from ratchet.cli import tables
    from ratchet.jobs import watch

    done = watch.watch(settings, options)
    for sentence in done.sentences:
        click.echo(sentence)
    if done.cycle is not None and done.cycle.results:
        tables.print_results(done.cycle.results, settings)
    if done.error is not None:
        raise done.error


@click.command(short_help="Show running and recent cycles in a cluster.")
@click.option("--namespace", metavar="NAME", help="Namespace of the cluster. Default: ratchet, or the pod's own.")
@click.option("--context", metavar="NAME", help="Context of the kubeconfig. Default: the current one.")
@click.option("--last", type=click.IntRange(min=1), default=5, show_default=True, help="How many cycles to show.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def status(namespace: str | None, context: str | None, last: int, *, as_json: bool) -> None:
    """Show the cycles whose Jobs still exist in a cluster, the newest first: steps, states, durations, decisions.

    It queries the cluster of the kubeconfig or, inside a pod, the pod's own; it does not query MLflow.
    """
    from ratchet.cli import events, tables
    from ratchet.jobs import status

    events.configure()
    tables.print_cycles(status.status(namespace, context)[:last], as_json=as_json)


@click.command(short_help="Export metrics of models and cycles to Prometheus.")
@with_settings
def exporter(environment: str, overrides: tuple[str, ...]) -> None:
    """Serve metrics on exporter.host and exporter.port until SIGTERM: champions, rolling metrics, cycles.

    MLflow and, inside a cluster, the cycles' Jobs are polled in the background; a scrape returns the last known values.
    docs/monitoring.md lists the metrics.
    """
    settings = settings_of(environment, overrides)
    from ratchet.jobs import exporter

    exporter.export(settings)


@click.command(short_help="Show champions, their days and the last decisions on a page.")
@with_settings
def console(environment: str, overrides: tuple[str, ...]) -> None:
    """Serve a read-only page on exporter.host and exporter.port until Ctrl-C, and print its address.

    It shows each model's champion, since when it serves, how well it does lately, the last cycles with their decisions,
    and, inside a cluster, what runs now. It is the page of `ratchet exporter`, which serves it, too.
    """
    settings = settings_of(environment, overrides)
    from ratchet.jobs import exporter

    exporter.export(settings, ready=lambda address: click.echo(f"the console is at {address}/; Ctrl-C ends it"))
