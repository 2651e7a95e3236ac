"""The verbs for a new table: propose a configuration, and check it before anything is trained."""

import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ratchet.cli.options import as_of, same_settings, settings_of, with_settings
from ratchet.core.steps import ENGINES

if TYPE_CHECKING:
    from ratchet.jobs.proposing.propose import Proposal


@click.command(short_help="Check the configuration and the table, without training.")
@with_settings
@as_of
@click.option(
    "--engine",
    "engines",
    type=click.Choice(ENGINES),
    multiple=True,
    help="Engine to try; may be given again. Default: sklearn, if retrain.engines has it. Spark takes far longer.",
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
    with nullcontext() if engines and "sklearn" not in engines else TrialProcess() as process:
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


@click.command(short_help="Propose a configuration for a table.")
@click.argument("uri")
@click.option(
    "--timestamp", metavar="COLUMN", help="Column with the time of the event. Default: the only one that fits."
)
@click.option(
    "--timestamp-format",
    metavar="FORMAT",
    help="Its format if it is text, as in %d.%m.%Y %H:%M. Default: the one that fits.",
)
@click.option("--label", metavar="COLUMN", help="Column to predict. Default: the only one with two values.")
@click.option(
    "--positive", metavar="VALUE", help="Value of the positive class. Default: true, 1, yes, or the rarer one."
)
@click.option(
    "--unknown", multiple=True, metavar="VALUE", help="Value of the label that means: not known. May be repeated."
)
@click.option("--timezone", default="UTC", show_default=True, metavar="NAME", help="IANA name of where days begin.")
@click.option("--model", metavar="NAME", help="Name of the model. Default: derived from the address.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File to write. Default: configs/MODEL.yaml.",
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
def init(uri: str, model: str | None, out: Path | None, *, force: bool, **given: Any) -> None:
    """Look at the table at URI and write a commented configuration for it.

    The table may be anything that data.uri accepts. Timestamp and label are found if one column fits; features that
    alone separate the classes are left out as suspected leaks.
    """
    from ratchet.cli import events
    from ratchet.configuration import files_folder
    from ratchet.jobs.proposing import commented, files, propose

    events.configure()
    name = files.model_name(uri) if model is None else files.checked(model)
    target = files_folder(os.environ) / f"{name}.yaml" if out is None else out
    files.check_absent(target, force=force)
    proposal = propose.propose(propose.Given(uri, **given), _ask)
    files.write(target, commented.text(proposal, name))
    _tell(proposal, target)
    click.echo(f"next: {files.next_command(target)}")


def _ask(role: str, candidates: Sequence[str]) -> str | None:
    """Ask on a terminal which column has a role."""
    if not sys.stdin.isatty():
        return None
    chosen: str = click.prompt(f"Which column is the {role}?", type=click.Choice(list(candidates)))
    return chosen


def _tell(proposal: "Proposal", target: Path) -> None:
    data = proposal.data
    click.echo(f"{proposal.rows:,} rows; timestamp {data.timestamp!r}, label {data.label.column!r}")
    click.echo(f"{data.label.positive!r} is the positive class")
    click.echo(f"{len(data.numeric or ())} numeric and {len(data.categorical or ())} categorical features")
    for leak in proposal.leaks:
        click.echo(f"a leak? {leak.name!r} alone separates the classes (ROC AUC {leak.area:.3f}); it is left out")
    suspected = {leak.name for leak in proposal.leaks}
    for name, why in proposal.no_features:
        if name in suspected:
            continue
        click.echo(f"no feature: {name!r} ({why})")
    if proposal.known_after:
        click.echo(f"the last {proposal.known_after} days lack labels: data.label.known_after is set")
    click.echo(f"written to {target}")
