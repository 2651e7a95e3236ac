"""The verb that prints the JSON schema of a configuration file."""

from pathlib import Path

import click

from ratchet.errors import ConfigurationError


@click.command(short_help="Print the JSON schema of a configuration file.")
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
