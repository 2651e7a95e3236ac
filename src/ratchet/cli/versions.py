"""The verbs that show versions, move `champion` manually, and delete what has expired."""

import click

from ratchet.cli.options import because, settings_of, with_settings


@click.command(short_help="Show models, versions, F1, aliases and decisions.")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def show(environment: str, overrides: tuple[str, ...], *, as_json: bool) -> None:
    """Show each version of both models: F1 on its own rows and on the newest run's rows, aliases, decision."""
    settings = settings_of(environment, overrides)
    from ratchet.cli import tables
    from ratchet.jobs import show

    tables.print_versions(show.show(settings), as_json=as_json)


@click.command(short_help="Move `champion` back to the previous version.")
@click.argument("model")
@with_settings
@because
def rollback(model: str, environment: str, overrides: tuple[str, ...], because: str) -> None:
    """Move the alias `champion` of MODEL (such as flights-sklearn) to the version with the alias `previous`."""
    settings = settings_of(environment, overrides)
    from ratchet.jobs.promotion import promote

    click.echo(promote.rollback(settings, model, because))


@click.command(short_help="Make a version the champion manually.")
@click.argument("model")
@click.argument("version", type=click.IntRange(min=1))
@with_settings
@because
def promote(model: str, version: int, environment: str, overrides: tuple[str, ...], because: str) -> None:
    """Move the alias `champion` of MODEL (such as flights-sklearn) to VERSION."""
    settings = settings_of(environment, overrides)
    from ratchet.jobs.promotion import promote

    click.echo(promote.promote(settings, model, version, because))


@click.command(short_help="Delete old runs and versions that nothing needs.")
@with_settings
@click.option("--dry-run", is_flag=True, help="Only list what would be deleted.")
def prune(environment: str, overrides: tuple[str, ...], *, dry_run: bool) -> None:
    """Delete runs older than retention.runs that belong to no version, and versions that were set aside.

    Their models and files are deleted, too. Kept are all versions that a later candidate has to beat or a rollback may
    need, and each engine's newest candidates. Interrupted, it can be run again.
    """
    settings = settings_of(environment, overrides)
    from ratchet.jobs import prune

    click.echo(prune.prune(settings, click.echo, dry_run=dry_run))
