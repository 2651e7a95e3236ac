"""The verb that checks a configuration and its table before anything is trained."""

import shlex
from datetime import date

import click

from ratchet.cli.options import as_of, same_settings, settings_of, with_settings
from ratchet.core.steps import ENGINES


@click.command(short_help="Check the configuration and the table, without training.")
@with_settings
@as_of
@click.option(
    "--engine",
    "engines",
    type=click.Choice(ENGINES),
    multiple=True,
    help="Engine to try; may be given again. Default: sklearn, if retrain.engines has it. Spark takes half a minute.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def check(
    environment: str, overrides: tuple[str, ...], as_of: date | None, engines: tuple[str, ...], *, as_json: bool
) -> None:
    """Check what can be known without training: the configuration, the table, the windows and their rows.

    Then an engine is tried on a few hundred rows: fitted, calibrated, saved, loaded and asked once, as in a cycle.
    Nothing is written to MLflow. The first error ends the checks, with the exit code of a trainer.
    """
    from ratchet.jobs.checking.trial_process import TrialProcess

    findings = []
    with TrialProcess() as process:
        settings = settings_of(environment, overrides)
        from ratchet.cli import tables
        from ratchet.jobs.checking import check

        tried = engines or tuple(engine for engine in settings.retrain.engines if engine == "sklearn")
        try:
            for finding in check.check(settings, as_of, tried, process):
                findings.append(finding)
                if not as_json and finding.level != "error":  # an error is the last line of each verb, on stderr
                    tables.print_finding(finding)
        finally:
            if as_json:
                tables.print_findings(findings)
    if not as_json:
        warnings = sum(finding.level == "warning" for finding in findings)
        told = f"{warnings} warning{'' if warnings == 1 else 's'}; " if warnings else ""
        click.echo(f"{told}next: {shlex.join(['ratchet', 'retrain', *same_settings(environment, overrides)])}")
