"""The verbs that write files: the sample data, the schema of a configuration."""

from pathlib import Path

import click

from ratchet.errors import ConfigurationError


@click.group(short_help="Sample data.")
def data() -> None:
    """Write sample data."""


@data.command(short_help="Write the sample: the flights that left New York in 2013.")
@click.argument("uri")
def flights(uri: str) -> None:
    """Write the sample table to URI, a folder or s3://bucket/prefix, as Parquet partitioned by month.

    327,346 flights with what was known before departure, and the label: more than 15 minutes late on arrival.
    """
    from ratchet.io.table import flights

    click.echo(f"{flights.write(uri):,} rows written to {uri}")


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
