"""The verb that writes the sample data."""

import click


@click.group(short_help="Sample data.")
def data() -> None:
    """Write sample data."""


@data.command(short_help="Write the sample: the flights that left New York in 2013.")
@click.argument("uri")
def flights(uri: str) -> None:
    """Write the sample table to URI, a folder or s3://bucket/prefix, as Parquet partitioned by month.

    327,346 flights with what was known before departure, and the label: more than 15 minutes late on arrival.
    """
    from ratchet.jobs import flights

    click.echo(f"{flights.write(uri):,} rows written to {uri}")
